"""Ports for what people are told: the outbox, who reads the audit chain, and who wants no notices. See `ports.py` for the rules.

What is queued is sealed on its way in: a letter's token, or a code, never stands in the database.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from gateway.core.secret import Secret
from gateway.store.audit import AuditRow
from gateway.store.ports import Account, Actor

LETTER = "letter:"
"""How the tag of what holds a secret of its own begins (a link, a code): it does not come back with a restored back-up."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One message for one channel. `tag` makes it once; `body` is JSON. `created` and `expires` are wall seconds."""

    tag: str
    channel: str
    body: Secret
    created: float
    expires: float


@dataclass(frozen=True, slots=True)
class Claimed:
    """A notice that one carrier has until wall second `held`. `key` names it in the outside world, the same at each try;
    `error` is what went wrong last.
    """

    id: int
    key: str
    notice: Notice
    tries: int
    held: float
    error: str = ""


class Fate(Enum):
    """Where a notice is."""

    WAITING = "waiting"
    SENT = "sent"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True)
class Entry:
    """A notice as operations see it: without its content. `error`: what went wrong last, "" for nothing."""

    id: int
    tag: str
    channel: str
    created: float
    due: float
    expires: float
    tries: int
    state: Fate
    error: str


class OutboxStore(Protocol):
    """Messages on their way: at least once each, by one carrier at a time."""

    async def put(self, notices: Sequence[Notice]) -> None:
        """Queue them; one whose tag was queued before is left out."""

    async def claim(self, channel: str, now: float, lease: float, limit: int) -> tuple[Claimed, ...]:
        """Take up to `limit` notices that are due, for `lease` seconds: nobody else gets them meanwhile.

        One that does not open (another key, or changed) is given up.
        """

    async def sent(self, claimed: Sequence[Claimed], now: float) -> None:
        """Note that they have gone out; their content is forgotten."""

    async def later(self, claimed: Claimed, due: float, error: str) -> None:
        """Let go of it until wall second `due`. Does nothing where another carrier has it by now."""

    async def give_up(self, claimed: Claimed, now: float, error: str) -> None:
        """Note that it will not go out; its content is forgotten."""

    async def entries(self, limit: int = 1000) -> tuple[Entry, ...]:
        """Return what waits or was given up, oldest first."""

    async def waiting(self) -> int:
        """Return how many wait."""


@dataclass(frozen=True, slots=True)
class News:
    """Rows of the audit chain that a reader has not read. `seen` is the number of the last one it has."""

    seen: int
    rows: tuple[AuditRow, ...]


class ReaderStore(Protocol):
    """Who reads the audit chain, each row once, whichever process does it; and whom that concerns."""

    async def begin(self, name: str, at: int | None = None) -> None:
        """Let a reader that never read begin at `at`; None: behind the chain's last row. Known ones stay where they are."""

    async def look(self, name: str, limit: int) -> News:
        """Return the next rows of a reader. Raises NotFound for one that never began."""

    async def advance(self, name: str, seen: int, to: int, notices: Sequence[Notice]) -> bool:
        """Move a reader from `seen` to `to` and queue what that is told by, in one transaction.

        False, and nothing was done, where another process was first.
        """

    async def queued(self, prefix: str, since: float) -> tuple[str, ...]:
        """Return the tags that begin so, of what was queued after wall second `since`."""

    async def accounts(self, names: Collection[str]) -> tuple[Account, ...]:
        """Return those of these users that there are."""

    async def administrators(self, now: float) -> tuple[Account, ...]:
        """Return everybody who has a role now."""

    async def set_quiet(self, name: str, by: Actor, *, quiet: bool) -> None:
        """Tell a user of its logins no more, or again (SF-11). Audited. Raises NotFound."""
