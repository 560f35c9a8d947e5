"""The one port between the sockets and the judgement (SF-12): values in, values out, nothing that can't cross a wire.

In one process it is a direct call into `gateway.auth`; in a DMZ the same port runs to another host, and the
edge then holds neither keys nor database credentials.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gateway.core.login import Attempt, Note, Origin, Verdict
from gateway.core.reason import Reason


@dataclass(frozen=True, slots=True)
class Started:
    """The engine answered the login: the session is live from `wall` on (seconds since 1970).

    `will` replaces the login's where it is not empty (AMQP: the venue's session id is known now).
    """

    session: str
    upstream: str
    wall: float
    will: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Seen:
    """A live session's sign of life; `business` is when its last business message passed, seconds since 1970."""

    session: str
    business: float


@dataclass(frozen=True, slots=True)
class Ended:
    """A session is over, or an admitted login never became one.

    Never one: UPSTREAM_UNREACHABLE gives the code back, as no byte left the gateway; UPSTREAM_REFUSED counts as a
    failure where the engine is the one that checks the password; other reasons charge nothing and give nothing back.
    `value` is what the dialect wants remembered of the stream (it closes the memory); None keeps what is stored,
    still open. `owed`: the venue was not told, so the session's will stays in the journal until somebody has delivered
    it and says `ended` again, with `owed` False; until then the session has not left (TakeOver waits for it).
    """

    session: str
    reason: Reason
    wall: float
    value: bytes | None = None
    owed: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """A contact that ended before there was a login to judge."""

    origin: Origin
    reason: Reason
    wall: float


@dataclass(frozen=True, slots=True)
class Order:
    """End this live session now, for this reason."""

    session: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Owed:
    """A session is over, or its gateway is gone, and the venue does not know: deliver `will` by the route's courier."""

    session: str
    route: str
    will: bytes = field(repr=False)


class Authority(Protocol):
    """Judges logins and keeps the record. Every method fails closed: where it raises, the caller treats it as "no"."""

    async def verify(self, attempt: Attempt) -> Verdict:
        """Judge a login once, burn its code and record the attempt in one transaction. Never raises."""

    async def remember(self, note: Note) -> bool:
        """Store a dialect's note durably; False if the memory changed meanwhile or the store is away."""

    async def started(self, started: Started) -> None:
        """Record that an admitted login became a live session."""

    async def seen(self, sightings: Sequence[Seen]) -> None:
        """Renew the leases of live sessions, in one batch every few seconds."""

    async def ended(self, ended: Ended) -> None:
        """Record a session's end and free its place."""

    async def report(self, report: Report) -> None:
        """Record a contact that was closed before any login (rate-limited per address)."""

    def orders(self) -> AsyncIterator[Order | Owed]:
        """Yield kicks and locks for sessions of this process, each within one second of being given; and wills to be
        delivered, each to one process at a time, until it is settled.
        """

    async def ready(self) -> bool:
        """Say whether logins can be judged now; False while the store is away."""
