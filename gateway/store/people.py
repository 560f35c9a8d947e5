"""Ports for what people and their administrators do: links, recovery codes, requests. See `ports.py` for the rules.

A token, or a recovery code, never comes in here: only its digest does.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from gateway.policy.links import Purpose
from gateway.policy.roles import Act, Grant
from gateway.store.ports import Actor


@dataclass(frozen=True, slots=True)
class Link:
    """A one-time link. `expires` is wall seconds; `device`: the authenticator that is being enrolled by it, "" for none."""

    digest: bytes = field(repr=False)
    user: str
    purpose: Purpose
    expires: float
    device: str = ""


@dataclass(frozen=True, slots=True)
class Redemption:
    """What a link changes, all at once: a password's hash, an authenticator and the step of its first code.

    `others_go`: the authenticators there were before die with it (M7-6).
    """

    password_hash: str = field(default="", repr=False)
    device: str = ""
    step: int = 0
    others_go: bool = False


class LinkStore(Protocol):
    """One-time links (M7-7, TW-9, CQ-5). Every change is audited."""

    async def issue(self, link: Link, by: Actor) -> None:
        """Record a link; an older one of the same user and purpose is void from now on. Raises NotFound."""

    async def recent(self, name: str, since: float) -> int:
        """Return how many links the user itself asked for since then."""

    async def show(self, digest: bytes, now: float) -> Link:
        """Return a link that is good. Raises NotFound: there is none, it was used, or it is too old."""

    async def enrolling(self, digest: bytes, device: str, by: Actor) -> None:
        """Note the authenticator that is being enrolled; one that was begun before goes. Raises NotFound."""

    async def redeem(self, digest: bytes, redemption: Redemption, by: Actor) -> str:
        """Use a link up and make its change, in one transaction; return the user's name. Sessions end.

        Raises NotFound where the link is no longer good, Conflict where a code was used before.
        """

    async def bootstrap(self, link: Link, grant: Grant, by: Actor) -> None:
        """Make an exchange administrator, and a link for it (TW-2): the first one, and the second, who approves.

        Raises Conflict where there are two who can act (enabled, with an authenticator and a grant that lasts)
        or the name is in use.
        """


class RecoveryStore(Protocol):
    """Recovery codes: each stands in for a one-time code once."""

    async def replace(self, name: str, digests: tuple[bytes, ...], by: Actor) -> None:
        """Give a user new recovery codes; the old ones are void. Raises NotFound."""

    async def is_open(self, user: str, digest: bytes) -> bool:
        """Say whether the user (id) has this code, unused."""

    async def left(self, name: str) -> int:
        """Return how many unused ones a user has."""


@dataclass(frozen=True, slots=True)
class Group:
    """Users who may use the same routes (HK-9). `organisation`: whose group it is, "" the exchange's. Invariant: `routes`
    is not empty.
    """

    name: str
    organisation: str
    routes: frozenset[str]


class GroupStore(Protocol):
    """Groups. Every change is audited, moves the members' revisions and ends the sessions that lost their route."""

    async def make(self, group: Group, by: Actor) -> None:
        """Make a group. Raises AlreadyExists, and ValueError for one without routes."""

    async def put(self, group: Group, by: Actor) -> None:
        """Make a group, or replace what it is. Raises ValueError for one without routes."""

    async def list(self) -> tuple[Group, ...]:
        """Return the groups by name."""

    async def remove(self, name: str, by: Actor) -> None:
        """Remove a group without members. Raises NotFound, Conflict where it has some."""


class State(Enum):
    """Where a request is; what has expired is `open` with its time behind it."""

    OPEN = "open"
    APPROVED = "approved"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Request:
    """What one administrator asks for and another one decides (HK-6). Times are wall seconds.

    `grant` belongs to CHANGE_ROLE (None: the role ends), `email` to CHANGE_EMAIL.
    """

    id: str
    act: Act
    user: str
    asked_by: str
    asked: float
    expires: float
    why: str
    grant: Grant | None = None
    email: str = ""
    state: State = State.OPEN
    decided_by: str = ""
    decided: float | None = None


class RequestStore(Protocol):
    """Maker and checker. Every change is audited."""

    async def make(self, request: Request, by: Actor) -> None:
        """Record a request; an open one for the same act and user is in the way (Conflict). Raises NotFound."""

    async def show(self, id_: str) -> Request:
        """Return a request. Raises NotFound."""

    async def open(self, now: float) -> tuple[Request, ...]:
        """Return what waits for a decision, oldest first."""

    async def approve(self, id_: str, by: Actor) -> Request:
        """Decide an open request and make its change, in one transaction. Sessions end where a credential goes.

        Raises Conflict where it was decided, has expired, or was asked by the same person; NotFound.
        """

    async def refuse(self, id_: str, why: str, by: Actor) -> Request:
        """Decide an open request: nothing changes. The asker may take it back like this. Raises Conflict, NotFound."""
