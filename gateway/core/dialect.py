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
    """A complete login. The dialect holds everything behind it until `admitted` or `refused`.

    `arrived`: when its last byte was read, however long it waited for its turn (BY-4).
    """

    login: Login
    arrived: Moment


@dataclass(frozen=True, slots=True)
class Violation:
    """The stream broke a rule: nothing more passes, and the peer gets no byte."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Renewal:
    """New credentials of the login that passes already (AMQP: connection.update-secret); answered by `renewed`.

    `arrived` is a Found's.
    """

    login: Login
    arrived: Moment


@dataclass(frozen=True, slots=True)
class Answered:
    """The upstream answered the forwarded login; the answer itself went before as a Pass. False: it refused.

    `stays`: a refused client may try again on the same connection; else the upstream closes it.
    """

    accepted: bool
    stays: bool = False


@dataclass(frozen=True, slots=True)
class Declined:
    """One message was swallowed, and its sender told; the connection stays."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Mail:
    """Give `data`, the dialect's own description of a message, to the route's courier: it does not travel on this line."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class LoggedOut:
    """The client ended its session in the protocol's own words. `stays`: its connection waits for another login."""

    stays: bool


@dataclass(frozen=True, slots=True)
class Parted:
    """The venue has (not) taken the word of `parting` that the session is over."""

    accepted: bool


Output = Pass | Found | Renewal | Violation | Answered | Declined | Mail | LoggedOut | Parted


@dataclass(frozen=True, slots=True)
class Farewell:
    """How the dialect says no. `message` goes to the client (None: close without a byte).

    Where `value` is set it is committed to the stream's memory *before* the message is sent;
    if that fails the message is not sent. `mail` goes by the route's courier. `stays`: the connection is not closed,
    another login may follow on it; only where nobody was admitted, and only without a `value`.
    """

    message: bytes | None = field(default=None, repr=False)
    value: bytes | None = field(default=None, repr=False)
    mail: tuple[bytes, ...] = field(default=(), repr=False)
    stays: bool = False


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
    """One connection's protocol. `dials_on_accept`: the upstream is needed before the login (AMQP: its handshake).

    A protocol whose sessions are its connections (FIX) takes the second half from `PerConnection`.
    """

    dials_on_accept: bool

    def feed(self, side: Side, data: bytes, arrived: Moment) -> list[Output]:
        """Take bytes that arrived from `side`, maybe a while ago. Never raises, whatever the bytes."""

    def admitted(self, verdict: Admitted) -> list[Output]:
        """Return the login without its secrets, for the upstream. What was held behind it is kept until
        `released`, after the upstream's good answer.
        """

    def released(self, now: Moment) -> list[Output]:
        """The session passes now: return what was held, looked at as `feed` would."""

    def resumed(self, now: Moment) -> list[Output]:
        """The login was refused, or the session logged out, and the connection stays: return what was held behind it,
        looked at as `feed` would; a login in it arrived when it was fed.
        """

    def refused(self, verdict: Refused) -> Farewell:
        """Say no to the login that was found."""

    def dismissed(self, reason: Reason, text: str, now: Moment) -> Farewell:
        """Say to the client of a passing session that it is logged out."""

    def epilogue(self) -> Epilogue:
        """Say how an admitted session ended, after everything that passed."""

    def watch(self, side: Side) -> Watch:
        """Return the hot-path look at bytes arriving from `side`; it shares this dialect's state."""

    @property
    def holds(self) -> bool:
        """Say whether, between `admitted` and `released`, the client's bytes have to wait outside."""

    def ticked(self, now: Moment) -> list[Output]:
        """A second passed and nothing passes yet: return what keeps the lines up (AMQP: heartbeats)."""

    def renewed(self) -> list[Output]:
        """Say yes to the Renewal that was found."""

    def will(self) -> bytes:
        """Return what the route's courier must tell the venue if this session ends and its own line can't; b"": nothing."""

    def parting(self, reason: Reason, now: Moment) -> list[Output]:
        """Tell the venue, and a client that is still there, that the session is over; [] where there is nothing to tell.

        Then no byte of the client passes, and Parted follows, here or from `feed`. With UPSTREAM_LOST and UPSTREAM_CLOSED
        only the client is left; the latter comes before a login too.
        """


class PerConnection:
    """The second half of `Dialect` where the venue learns of a session's end from its connection."""

    __slots__ = ()

    holds = True

    def ticked(self, now: Moment) -> list[Output]:  # noqa: ARG002 - the contract's
        """Nothing keeps such a line up but its peers."""
        return []

    def resumed(self, now: Moment) -> list[Output]:  # noqa: ARG002 - the contract's
        """No connection outlives its login."""
        return []

    def renewed(self) -> list[Output]:
        """No Renewal is ever found."""
        return []

    def will(self) -> bytes:
        """Leave nothing to be said."""
        return b""

    def parting(self, reason: Reason, now: Moment) -> list[Output]:  # noqa: ARG002 - the contract's
        """Say nothing: the connection's end says it."""
        return []
