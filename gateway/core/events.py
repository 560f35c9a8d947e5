"""What a session is told and what it answers: events in, actions out, both plain values."""

from dataclasses import dataclass, field

from gateway.core.dialect import Side
from gateway.core.login import Admitted, Attempt, Moment, Note, Verdict
from gateway.core.reason import Reason
from gateway.core.route import Route

# ── events ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Connected:
    """The client's connection is there (after PROXY header and TLS)."""


@dataclass(frozen=True, slots=True)
class Received:
    """Bytes arrived from `side`; `arrived` is when they were read, which may be before their turn."""

    side: Side
    data: bytes = field(repr=False)
    arrived: Moment


@dataclass(frozen=True, slots=True)
class Judged:
    """The authority's answer to Verify, with what it was asked: a late one must not be taken for another's."""

    verdict: Verdict
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Dialled:
    """The upstream connection is there."""


@dataclass(frozen=True, slots=True)
class DialFailed:
    """No address of the route could be reached."""


@dataclass(frozen=True, slots=True)
class Committed:
    """The answer to Commit."""

    stored: bool


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection of `side` closed or broke."""

    side: Side


@dataclass(frozen=True, slots=True)
class Ticked:
    """The janitor came by; `business` says whether a business message passed since it last did."""

    business: bool = False


@dataclass(frozen=True, slots=True)
class Ordered:
    """Operations, the policy or a shutdown ends the session."""

    reason: Reason


Event = Connected | Received | Judged | Dialled | DialFailed | Committed | Lost | Ticked | Ordered

# ── actions ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Send:
    """Write `data` to `side`."""

    side: Side
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Close:
    """Close both connections after what was written to them has gone out."""


@dataclass(frozen=True, slots=True)
class Verify:
    """Ask the authority; answer with Judged. The client is not read until then."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Dial:
    """Connect to the route's upstream; answer with Dialled or DialFailed."""

    route: Route


@dataclass(frozen=True, slots=True)
class Commit:
    """Store the note durably; answer with Committed."""

    note: Note


@dataclass(frozen=True, slots=True)
class Pipe:
    """The session passes from here on: chunks may take the watcher's short cut, the client is read again.

    `will` is the dialect's: what the venue must be told if this session's own line can't.
    """

    grant: Admitted
    will: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Unpipe:
    """The session is over but its connection stays: every chunk goes to the session again."""


@dataclass(frozen=True, slots=True)
class Report:
    """Record one swallowed message."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Post:
    """Give `data` to the courier of the route, once; what is said so is a courtesy to the client."""

    route: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class End:
    """It is over: what to record. `grant` is None where nobody was admitted, `value` goes to the stream's memory.

    `owed`: the venue could not be told on this line (`Ended.owed`).
    """

    reason: Reason
    grant: Admitted | None = None
    value: bytes | None = None
    judged: bool = False
    owed: bool = False


Action = Send | Close | Verify | Dial | Commit | Pipe | Unpipe | Report | Post | End
