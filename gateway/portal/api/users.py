"""People, for their administrators (HK-1, HK-6, HK-7, CQ-5, CQ-6, TW-5, TW-12). Who may do what is the desk's to say."""

from dataclasses import replace
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Header, Path, Query, Response
from starlette.status import HTTP_201_CREATED, HTTP_202_ACCEPTED, HTTP_204_NO_CONTENT

from gateway.auth.links import Letter
from gateway.policy.snapshot import User
from gateway.portal.api.door import ROOT, Caller, Me
from gateway.portal.api.me import Before, page_of
from gateway.portal.api.models import (
    NAME,
    Entry,
    History,
    Id,
    Line,
    Link,
    Model,
    Name,
    Session,
    Sessions,
    Shown,
    Words,
    moment,
)
from gateway.portal.api.person import Change, NewPerson, People, Person
from gateway.portal.api.problems import (
    CHANGED,
    CONFLICT,
    FORBIDDEN,
    NOT_FOUND,
    UNCONDITIONAL,
    Changed,
    Unconditional,
    may,
)
from gateway.store.finding import Condition, Which
from gateway.store.ports import Account

router = APIRouter(tags=["users"], responses=may(FORBIDDEN))
MOST = 200
Named = Annotated[str, Path(min_length=1, max_length=NAME, pattern=r"^[^\x00-\x1f\x7f]+$")]
ONE = "/users/{name:path}"


class Why(Model):
    """How the person was identified (TW-5)."""

    why: Words


@router.get("/users")
async def list_users(  # noqa: PLR0913, PLR0917 - what may be asked
    me: Me,
    text: Line = "",
    organisation: Line | None = None,
    group: Line = "",
    condition: Condition | None = None,
    after: Line = "",
    limit: Annotated[int, Query(ge=1, le=MOST)] = 50,
) -> People:
    """List those you may see, by name, a page at a time; `text` is looked for in name, organisation and address."""
    which = Which(text, organisation, group, condition)
    found = await me.office.desk.find(which, me.by, after, limit + 1)
    users = [Person.of(one, me.by.wall) for one in found[:limit]]
    return People(users=users, next=users[-1].name if len(found) > limit else None)


@router.post("/users", status_code=HTTP_201_CREATED, responses=may(CONFLICT))
async def add_user(given: NewPerson, me: Me, response: Response) -> Person:
    """Add somebody; of your own organisation, unless you say another one."""
    own = (await me.office.myself.account(me.by)).user.organisation
    account = await me.office.desk.add(given.user(own), me.by)
    response.headers["Location"] = f"{ROOT}/users/{quote(account.user.name, safe='')}"
    return _told(account, me, response)


@router.get(ONE, responses=may(NOT_FOUND))
async def show_user(name: Named, me: Me, response: Response) -> Person:
    """Show one; its ETag is what a change has to send back."""
    return _told(await me.office.desk.show(name, me.by), me, response)


@router.patch(ONE, responses=may(NOT_FOUND, CONFLICT, CHANGED, UNCONDITIONAL))
async def change_user(
    name: Named,
    given: Change,
    me: Me,
    response: Response,
    if_match: Annotated[str | None, Header(max_length=40)] = None,
) -> Person:
    """Change one, if nobody else did since you read it. Addresses, credentials and roles take a request."""
    account = await me.office.desk.show(name, me.by)
    if if_match is None:
        raise Unconditional
    if if_match != _etag(account):
        raise Changed
    return _told(await me.office.desk.change(_changed(account, given), account.revision, me.by), me, response)


@router.post(ONE + "/enable", status_code=HTTP_204_NO_CONTENT, responses=may(NOT_FOUND, CONFLICT))
async def enable_user(name: Named, me: Me) -> None:
    """Let one log in again; a lock stays."""
    await me.office.desk.set_enabled(name, me.by, enabled=True)


@router.post(ONE + "/disable", status_code=HTTP_204_NO_CONTENT, responses=may(NOT_FOUND, CONFLICT))
async def disable_user(name: Named, me: Me) -> None:
    """Shut one out; its sessions end."""
    await me.office.desk.set_enabled(name, me.by, enabled=False)


@router.post(ONE + "/unlock", status_code=HTTP_204_NO_CONTENT, responses=may(NOT_FOUND))
async def unlock_user(name: Named, given: Why, me: Me) -> None:
    """Forget failures and locks."""
    await me.office.desk.unlock(name, given.why, me.by)


@router.post(ONE + "/setup-link", status_code=HTTP_201_CREATED, responses=may(NOT_FOUND, CONFLICT))
async def make_setup_link(name: Named, me: Me) -> Link:
    """Send a setup link where there is an address, and tell it this once (CQ-5)."""
    return link_of(await me.office.desk.setup_link(name, me.by))


@router.get("/sessions", responses=may(NOT_FOUND))
async def list_sessions(me: Me, user: Line = "") -> Sessions:
    """List live sessions at the venue: one person's, or those of everybody you may see."""
    desk = me.office.desk
    found = await desk.sessions(user, me.by) if user else await desk.live(me.by)
    return Sessions(sessions=[Session.model_validate(one) for one in found])


@router.post("/sessions/{session}/end", status_code=HTTP_202_ACCEPTED, responses=may(NOT_FOUND))
async def end_session(session: Id, me: Me) -> None:
    """Order one to end: whoever has it hears of it within a second."""
    await me.office.desk.end_session(session, me.by)


@router.get("/history", responses=may(NOT_FOUND))
async def list_history(me: Me, user: Name, before: Before = None) -> History:
    """List a person's logins, the newest first, a page at a time."""
    return page_of([Entry.model_validate(one) for one in await me.office.desk.history(user, me.by, before)])


def link_of(letter: Letter) -> Link:
    """Return what is told of a link."""
    url: Shown = letter.url.reveal().decode()
    return Link(user=letter.user, url=url, expires=moment(letter.expires), sent=bool(letter.email))


def _told(account: Account, me: Caller, response: Response) -> Person:
    response.headers["ETag"] = _etag(account)
    return Person.of(account, me.by.wall)


def _etag(account: Account) -> str:
    return f'"{account.revision}"'


def _changed(account: Account, given: Change) -> User:
    return replace(account.user, **given.said())
