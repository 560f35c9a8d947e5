"""The values of a login: what a dialect found, where it came from, and what the authority said to it.

All of them are plain values that could cross a wire (SF-12); none holds a socket, a clock or a connection.
"""

from dataclasses import dataclass, field

from gateway.core.reason import Reason
from gateway.core.secret import Secret


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant on both clocks: `mono` seconds for time-outs, `wall` seconds since 1970 for codes and records."""

    mono: float
    wall: float


@dataclass(frozen=True, slots=True)
class Sealed:
    """A password as its client encrypted it (CQ-3). `key` names what opens it, which the authority alone holds (SF-12).

    `code_digits`: so many digits at the end of what is inside are the one-time code; 0: none are.
    """

    key: str
    data: Secret
    code_digits: int = 0


@dataclass(frozen=True, slots=True)
class Login:
    """A login as a dialect read it from the wire.

    `process` is the SenderCompID or the AMQP application id, `target` the TargetCompID or vhost, `version` the
    BeginString or AMQP version. `stream` names what the dialect wants remembered between connections
    (FIX: the sequence-number stream), "" for nothing. `force`: what the login itself asks about the user's other
    sessions, on every protocol: True takes them over, False is refused while there is one, None leaves it to the policy.
    `sealed` is what the authority has to open first: password, and maybe code, are in it and not in their own fields.
    `will` is what the venue must be told, by the route's courier, if the gateway dies between this login and its end.
    """

    protocol: str
    user: str
    process: str
    target: str
    version: str
    password: Secret | None = None
    code: Secret | None = None
    stream: str = ""
    force: bool | None = None
    will: bytes = field(default=b"", repr=False)
    sealed: Sealed | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a connection came from. `certificate` is the SHA-256 fingerprint of a verified client certificate, hex."""

    connection: str
    listener: str
    address: str
    port: int
    certificate: str = ""
    certificate_subject: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A login to be judged. `arrived` is when its last byte was read, not when a queue got to it (BY-4).

    `renews` is the id of the live session that this login prolongs, "" for a new one.
    """

    login: Login
    origin: Origin
    route: str
    arrived: Moment
    renews: str = ""


@dataclass(frozen=True, slots=True)
class Memory:
    """What a dialect left behind under `key` when it last spoke on this stream; `value` is the dialect's own.

    `version` guards a change: it succeeds only if nobody else changed it. `open` says that a session was
    admitted on the stream and no end of it was recorded: it is live, or the gateway crashed. `value` is then
    what was known when it began.
    """

    key: str
    version: int = 0
    value: bytes = b""
    open: bool = False


@dataclass(frozen=True, slots=True)
class Admitted:
    """Yes. `idle` and `lifetime` are seconds; both are always finite (SF-9).

    `memory` is the stream's as it was *before* this admission opened it, with the version it has now.
    """

    session: str
    user: str
    idle: float
    lifetime: float
    memory: Memory


@dataclass(frozen=True, slots=True)
class Refused:
    """No. `text` is all the peer may read; `memory` is None where the stream is not known to be anybody's."""

    reason: Reason
    text: str = ""
    retry_after: int = 0
    memory: Memory | None = None


Verdict = Admitted | Refused


@dataclass(frozen=True, slots=True)
class Note:
    """A change of a `Memory`: write `value` where the version is still `version`."""

    key: str
    version: int
    value: bytes = field(repr=False)
