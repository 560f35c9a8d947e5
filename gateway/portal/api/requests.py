"""Maker and checker (HK-6): what one administrator asks for, another one approves with a fresh code of its own."""

from enum import Enum
from typing import Self

from fastapi import APIRouter
from starlette.status import HTTP_201_CREATED

from gateway.auth.requests import Wish
from gateway.policy.roles import Act, Grant, Role
from gateway.portal.api.door import Me
from gateway.portal.api.models import Id, Line, Link, Model, Name, Typed, Until, When, Words
from gateway.portal.api.problems import CONFLICT, FORBIDDEN, NOT_FOUND, REFUSED_PROOF, may
from gateway.portal.api.users import link_of
from gateway.store.people import Request, State

router = APIRouter(prefix="/requests", tags=["requests"], responses=may(FORBIDDEN))


class Wanted(Enum):
    """What has to be asked for."""

    RESET_PASSWORD = "reset_password"  # noqa: S105 - an act
    RESET_AUTHENTICATOR = "reset_authenticator"
    CHANGE_EMAIL = "change_email"
    CHANGE_ROLE = "change_role"


class NewRequest(Model):
    """`role` with `until` belong to change_role (no role: it ends), `email` to change_email."""

    act: Wanted
    user: Name
    why: Words
    role: Role | None = None
    until: Until | None = None
    email: Line = ""

    def wish(self) -> Wish:
        """Return it as the use-case takes it. Raises ValueError."""
        if (self.role is None) != (self.until is None):
            raise ValueError("a role has an end (SF-13): send role and until, or neither")
        grant = Grant(self.role, self.until.timestamp()) if self.role and self.until else None
        return Wish(Act(self.act.value), self.user, self.why, grant, self.email)


class Asked(Model):
    """A request (HK-6)."""

    id: str
    act: Act
    user: str
    asked_by: str
    asked: When
    expires: When
    why: str
    role: Role | None
    until: When | None
    email: str
    state: State
    decided_by: str
    decided: When | None

    @classmethod
    def of(cls, request: Request) -> Self:
        """Return what is told of a request."""
        plain = {name: getattr(request, name) for name in cls.model_fields if hasattr(request, name)}
        grant = request.grant
        return cls.model_validate(
            plain | {"role": grant.role if grant else None, "until": grant.until if grant else None}
        )


class AskedList(Model):
    """What waits for a decision, the oldest first."""

    requests: list[Asked]


class Ruled(Model):
    """A request, and whether you may approve it ("allowed") or why not."""

    request: Asked
    ruling: str


class Refusal(Model):
    """Why it is refused."""

    why: Words


class Outcome(Model):
    """An approved request, and the setup link that a reset makes."""

    request: Asked
    link: Link | None


@router.get("")
async def list_requests(me: Me) -> AskedList:
    """List what waits for a decision."""
    return AskedList(requests=[Asked.of(one) for one in await me.office.requests.waiting(me.by)])


@router.post("", status_code=HTTP_201_CREATED, responses=may(NOT_FOUND, CONFLICT))
async def ask(given: NewRequest, me: Me) -> Asked:
    """Ask for a change of another person's credentials, address or role."""
    return Asked.of(await me.office.requests.ask(given.wish(), me.by))


@router.get("/{request}", responses=may(NOT_FOUND))
async def show_request(request: Id, me: Me) -> Ruled:
    """Show one, decided or not."""
    found, ruling = await me.office.requests.show(request, me.by)
    return Ruled(request=Asked.of(found), ruling=ruling.value)


@router.post("/{request}/approve", responses=may(FORBIDDEN, REFUSED_PROOF, NOT_FOUND, CONFLICT))
async def approve(request: Id, given: Typed, me: Me) -> Outcome:
    """Make its change; your code is spent."""
    done = await me.office.requests.approve(request, given.code, me.by)
    return Outcome(request=Asked.of(done.request), link=link_of(done.letter) if done.letter else None)


@router.post("/{request}/refuse", responses=may(NOT_FOUND, CONFLICT))
async def refuse(request: Id, given: Refusal, me: Me) -> Asked:
    """Refuse it, or take your own back."""
    return Asked.of(await me.office.requests.refuse(request, given.why, me.by))
