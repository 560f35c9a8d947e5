"""Everybody whom an administrator looks after (HK-7, CQ-6), found as one types; and adding one person (CQ-5)."""

from urllib.parse import urlencode

from starlette.responses import Response

from gateway.auth.condition import state_of
from gateway.policy.roles import Act, Standing
from gateway.policy.rules import Channel
from gateway.policy.snapshot import User
from gateway.portal.names import in_path
from gateway.portal.pages.person_form import as_typed, typed_user
from gateway.portal.routes import Needs, Pages
from gateway.portal.visit import Visit
from gateway.store.finding import Condition, Which

pages = Pages()
PAGE = 50
_CONDITIONS = {
    "": "everybody",
    Condition.UNFINISHED.value: "not enrolled",
    Condition.LOCKED.value: "locked",
    Condition.DISABLED.value: "disabled, or outside their dates",
    Condition.OLD_PASSWORD.value: "old password",
}


@pages.get("/people", Needs.FULL)
async def people(visit: Visit) -> Response:
    """List them by name, a page at a time."""
    desk, asked = visit.portal.office.desk, _asked(visit)
    after = asked.pop("after")
    condition = Condition(asked["show"]) if asked["show"] else None
    which = Which(asked["text"], group=asked["group"], condition=condition)
    found = await desk.find(which, visit.by, after, PAGE + 1)
    more = urlencode({**asked, "after": found[PAGE - 1].user.name}) if len(found) > PAGE else ""
    return visit.page(
        "people.html",
        people=[(one, state_of(one, visit.by.wall), _factors(one.devices)) for one in found[:PAGE]],
        conditions=_CONDITIONS,
        asked=asked,
        more=more,
        first=not after,
        adds=await desk.may(Act.CREATE, visit.by),
    )


def _asked(visit: Visit) -> dict[str, str]:
    """Return what the search asks for. No name, and nothing else that is looked for, holds what is not printable."""
    given = visit.request.query_params
    asked = {name: given.get(name, "").strip()[:100] for name in ("text", "show", "group", "after")}
    asked = {name: text if text.isprintable() else "" for name, text in asked.items()}
    return asked | {"show": asked["show"] if asked["show"] in _CONDITIONS else ""}


def _factors(devices: tuple[object, ...]) -> int:
    return sum(bool(getattr(one, "confirmed", False)) for one in devices)


@pages.get("/people/new", Needs.FULL)
async def new(visit: Visit) -> Response:
    """Ask who it is."""
    desk, own = visit.portal.office.desk, visit.mine.user.organisation
    await desk.permit(visit.by, Act.CREATE, Standing("", own))
    return visit.page(
        "person_new.html",
        values=as_typed(User("", "", own)) | dict(visit.typed),
        binds=await desk.may(Act.CHANGE_BINDINGS, visit.by),
        groups=await desk.groups(visit.by),
        channels=[one for one in Channel if one is Channel.APP or one in visit.policy.channels],
    )


@pages.post("/people/new", Needs.FULL, on=new)
async def add(visit: Visit) -> Response:
    """Add one, with neither password nor authenticator: the person sets both by a link (CQ-5, M7-15)."""
    user = typed_user(visit, User("", visit.text("user"), visit.mine.user.organisation))
    await visit.portal.office.desk.add(user, visit.by)
    return visit.go(f"/people/{in_path(user.name)}", "person_added")
