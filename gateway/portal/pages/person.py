"""One person: how things stand, and what its administrator does about it (HK-6, HK-7, TW-5, TW-12, CQ-5)."""

from starlette.responses import Response

from gateway.auth.condition import state_of
from gateway.auth.history import PAGE
from gateway.auth.requests import Wish
from gateway.policy.roles import READS, Act, Grant, Role, Ruling
from gateway.portal.names import in_path, name_in
from gateway.portal.pages.person_form import as_typed, differing, line, moment, typed_user
from gateway.portal.pages.typed import row_in
from gateway.portal.routes import Needs, Pages
from gateway.portal.visit import Visit

pages = Pages()
_ASKED = (Act.RESET_PASSWORD, Act.RESET_AUTHENTICATOR, Act.CHANGE_EMAIL, Act.CHANGE_ROLE)


@pages.get("/people/{name:path}", Needs.FULL)
async def person(visit: Visit) -> Response:
    """Show the account; only what this administrator may do is offered."""
    desk, name, before = visit.portal.office.desk, name_in(visit.request), row_in(visit)
    account = await desk.show(name, visit.by)
    rulings = await desk.rulings(account, visit.by)
    typed = visit.typed if "revision" in visit.typed else {}
    return visit.page(
        "person.html",
        account=account,
        user=account.user,
        here=f"/people/{in_path(name)}",
        state=state_of(account, visit.by.wall),
        now=visit.by.wall,
        alone={act.value for act, found in rulings.items() if found is Ruling.ALLOWED},
        asked={act.value for act, found in rulings.items() if found is Ruling.CHECKED},
        acts=any(found is Ruling.ALLOWED for act, found in rulings.items() if act not in READS),
        refusal=rulings[Act.CHANGE],
        unfinished=desk.incomplete(account),
        live=await desk.sessions(name, visit.by),
        history=await desk.history(name, visit.by, before),
        first=before is None,
        page_size=PAGE,
        groups=await desk.groups(visit.by),
        values=as_typed(account.user) | dict(typed),
        differs=differing(typed, account.user) if typed and str(account.revision) != typed["revision"] else {},
    )


@pages.post("/people/{name:path}/change", Needs.FULL, on=person)
async def change(visit: Visit) -> Response:
    """Replace what may be changed alone, unless somebody else changed it meanwhile."""
    desk, name, revision = visit.portal.office.desk, name_in(visit.request), visit.text("revision")
    if not revision.isascii() or not revision.isdigit():
        raise ValueError("reload the page and try again")
    before = (await desk.show(name, visit.by)).user
    await desk.change(typed_user(visit, before), int(revision[:18]), visit.by)
    return _done(visit, "person_changed")


@pages.post("/people/{name:path}/enable", Needs.FULL, on=person)
async def enable(visit: Visit) -> Response:
    """Let it log in again; a lock stays."""
    await visit.portal.office.desk.set_enabled(name_in(visit.request), visit.by, enabled=True)
    return _done(visit, "person_enabled")


@pages.post("/people/{name:path}/disable", Needs.FULL, on=person)
async def disable(visit: Visit) -> Response:
    """Shut it out; its sessions end."""
    await visit.portal.office.desk.set_enabled(name_in(visit.request), visit.by, enabled=False)
    return _done(visit, "person_disabled")


@pages.post("/people/{name:path}/unlock", Needs.FULL, on=person)
async def unlock(visit: Visit) -> Response:
    """Forget failures and locks, once it is known who asks (TW-5)."""
    proof = line(visit, "proof", "say how the person was identified (TW-5)")
    await visit.portal.office.desk.unlock(name_in(visit.request), proof, visit.by)
    return _done(visit, "person_unlocked")


@pages.post("/people/{name:path}/end", Needs.FULL, on=person)
async def end(visit: Visit) -> Response:
    """End one of its sessions."""
    session = line(visit, "session", "say which session")
    await visit.portal.office.desk.end_session(session, visit.by)
    return _done(visit, "session_ended")


@pages.post("/people/{name:path}/setup-link", Needs.FULL, on=person)
async def setup_link(visit: Visit) -> Response:
    """Send a setup link, and show it this once to be copied (CQ-5)."""
    name = name_in(visit.request)
    letter = await visit.portal.office.desk.setup_link(name, visit.by)
    return visit.page("person_link.html", letter=letter, here=f"/people/{in_path(name)}")


@pages.post("/people/{name:path}/ask", Needs.FULL, on=person)
async def ask(visit: Visit) -> Response:
    """Ask for what another administrator has to approve (HK-6)."""
    act = next((one for one in _ASKED if one.value == visit.text("act")), None)
    if act is None:
        raise ValueError("say what is to be done")
    why = line(visit, f"why_{act.value}", "say why, and how the person was identified")
    wish = Wish(act, name_in(visit.request), why, _grant(visit), visit.text("new_email"))
    request = await visit.portal.office.requests.ask(wish, visit.by)
    return visit.go(f"/requests/{request.id}", "request_made")


def _grant(visit: Visit) -> Grant | None:
    """Return the role that was chosen, with its end (SF-13); None: it ends."""
    role, until = visit.text("role"), moment(visit.text("until"))
    if not role:
        return None
    if role not in {one.value for one in Role if one is not Role.USER}:
        raise ValueError("there is no such role")
    if until is None:
        raise ValueError("say when the role ends (SF-13)")
    return Grant(Role(role), until)


def _done(visit: Visit, said: str) -> Response:
    return visit.go(f"/people/{in_path(name_in(visit.request))}", said)
