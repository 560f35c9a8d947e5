"""The whole contract of a protocol. A dialect finds logins in bytes and says no in the protocol's own words;
it can never admit. It is pure: bytes and values in, values out.

Adding a protocol = one folder under `gateway/protocols/` and one line in its `registry.py`.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from gateway.core.login import Admitted, Login, Moment, Refused
from gateway.core.reason import Reason


class Side(Enum):
    """Which of the two connections: where bytes came from, or where they go."""

    CLIENT = "client"
    UPSTREAM = "upstream"

    @property
    def other(self) -> "Side":
        """The opposite side."""
        return Side.UPSTREAM if self is Side.CLIENT else Side.CLIENT


@dataclass(frozen=True, slots=True)
class Pass:
    """Write `data` to the connection `to`: the peer's own bytes, edited bytes, or the dialect's own answer."""

    to: Side
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Found:
    """A complete login. The dialect holds everything behind it until `admitted` or `refused`."""

    login: Login


@dataclass(frozen=True, slots=True)
class Violation:
    """The stream broke a rule: nothing more passes, and the peer gets no byte."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Answered:
    """The upstream answered the forwarded login; the answer itself went before as a Pass. False: it refused."""

    accepted: bool


Output = Pass | Found | Violation | Answered


@dataclass(frozen=True, slots=True)
class Farewell:
    """How the dialect says no. `message` goes to the client (None: close without a byte).

    Where `value` is set it is committed to the stream's memory *before* the message is sent;
    if that fails the message is not sent.
    """

    message: bytes | None = field(default=None, repr=False)
    value: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Epilogue:
    """`orderly`: both peers said goodbye. `value`: what the stream's memory shall be; None keeps it as it is, still open."""

    orderly: bool
    value: bytes | None = field(default=None, repr=False)


class Watch(Protocol):
    """The hot path: looks at one chunk of one direction once the session passes.

    Returns what may be written on at once (b"" when all of it is held back), or None when the chunk needs the
    dialect: the caller then gives the same chunk to `Dialect.feed`. `business` is set to True by a business
    message (SF-10) and to False by whoever reads it.
    """

    business: bool

    def __call__(self, chunk: bytes) -> bytes | None:
        """Look at one chunk."""


class Dialect(Protocol):
    """One connection's protocol. `dials_on_accept`: the upstream is needed before the login (AMQP: its handshake)."""

    dials_on_accept: bool

    def feed(self, side: Side, data: bytes, now: Moment) -> list[Output]:
        """Take bytes that arrived from `side`. Never raises, whatever the bytes."""

    def admitted(self, verdict: Admitted) -> list[Output]:
        """Return the login without its secrets, for the upstream. What was held behind it is kept until
        `released`, after the upstream's good answer.
        """

    def released(self, now: Moment) -> list[Output]:
        """The session passes now: return what was held, looked at as `feed` would."""

    def refused(self, verdict: Refused) -> Farewell:
        """Say no to the login that was found."""

    def dismissed(self, reason: Reason, text: str, now: Moment) -> Farewell:
        """Say to the client of a passing session that it is logged out."""

    def epilogue(self) -> Epilogue:
        """Say how an admitted session ended. Called once, after everything that passed."""

    def watch(self, side: Side) -> Watch:
        """Return the hot-path look at bytes arriving from `side`; it shares this dialect's state."""
