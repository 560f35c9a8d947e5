"""What the parts of one connection share: who it is, how far it is, its channels, and what is to be written.

Must not read frames: `client` and `broker` do, one for each direction.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Final

from gateway.core.dialect import Output, Pass, Side
from gateway.core.login import Login, Moment
from gateway.protocols.amqp.channels import Channel, Shut
from gateway.protocols.amqp.content import Contents, Properties
from gateway.protocols.amqp.frames import LARGEST, Frame, GarbledError, Stream
from gateway.protocols.amqp.requests import root_of
from gateway.protocols.amqp.venue import DIRECT_REPLY, CodeIn, Venue

if TYPE_CHECKING:
    from gateway.core.secret import Secret
    from gateway.protocols.amqp.confirms import Confirms
    from gateway.protocols.amqp.handshake import Tuning

VERSION: Final = "0-9-1"
MOST_LEARNED: Final = 1024
"""Server-named queues of one connection that count as the user's own."""

MOST_PENDING: Final = 65_536
"""Bytes of the gateway's own that wait for the end of one content."""


class Phase(Enum):
    """How far the login is; the session's own states, as the dialect needs them."""

    AWAITING = "awaiting"
    CHECKING = "checking"
    ADMITTING = "admitting"
    PASSING = "passing"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Request:
    """The login that was found: where its refusal goes, where its answer comes, and what goes up once it is admitted.

    `tag`: the broker's delivery tag of it, 0 on a channel without confirms. `frames`: what goes up before `body`, which holds
    no code any more.
    """

    channel: int
    properties: Properties
    login: Login
    tag: int = 0
    frames: tuple[bytes, ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)

    def answered(self) -> "Request":
        """Return it without what is not needed any more."""
        return replace(self, login=replace(self.login, code=None), frames=(), body=b"")


class Outbox:
    """What is to be written, in order; neighbours to the same side become one. An `Answered` goes last: it lets the client's bytes go."""

    __slots__ = ("_outputs", "_parts", "_to", "last")

    def __init__(self) -> None:
        self._outputs: list[Output] = []
        self._parts: list[bytes] = []
        self._to = Side.CLIENT
        self.last: Output | None = None

    def to(self, side: Side, data: bytes) -> None:
        """Write bytes."""
        if side is not self._to:
            self._join()
            self._to = side
        if data:
            self._parts.append(data)

    def say(self, *outputs: Output) -> None:
        """Say something else."""
        self._join()
        self._outputs += outputs

    def _join(self) -> None:
        if self._parts:
            self._outputs.append(Pass(self._to, b"".join(self._parts)))
            self._parts = []

    def empty(self) -> list[Output]:
        """Return everything, and forget it."""
        self._join()
        outputs, self._outputs = self._outputs, []
        if self.last is not None:
            outputs.append(self.last)
            self.last = None
        return outputs


class Line:
    """One connection. `up` is what came from the client, at `arrived` the last of it; `down` what came from the broker.

    Invariants: `confirming` holds the confirms of the channels that have them, `renumbering` of those whose tags differ;
    `collecting` the channels on which a content of the client is collected, `attending` those whose frames from the broker
    need the exact look, `refused` those whose frames from the client do; `exact` of the streams is set by `settle` alone.
    `held`: from here on the client has to wait. `ended`: one side has read Connection.Close from the other; `left`: it was
    the client that asked for it. `nuisance`: what was swallowed since a login was good.
    """

    __slots__ = (
        "arrived", "attending", "channels", "collecting", "confirming", "contents", "down", "ended", "greeted", "held", "identity", "learned",
        "left", "nuisance", "opened", "out", "password", "phase", "refused", "renumbering", "request", "session", "tuning", "up",
        "user", "venue", "vhost",
    )  # fmt: skip

    def __init__(self, venue: Venue, identity: str) -> None:
        self.venue = venue
        self.identity = identity
        self.user = ""
        self.password: Secret | None = None
        self.vhost = ""
        self.phase = Phase.AWAITING
        self.up, self.down = Stream(), Stream()
        self.arrived = Moment(0.0, 0.0)
        self.down.limit = LARGEST
        self.contents = Contents()
        self.channels: dict[int, Channel] = {}
        self.confirming: dict[int, Confirms] = {}
        self.renumbering: dict[int, Confirms] = {}
        self.attending: set[int] = set()
        self.refused: set[int] = set()
        self.learned: set[str] = set()
        self.collecting: set[int] = set()
        self.nuisance = 0
        self.tuning: Tuning | None = None
        self.request: Request | None = None
        self.session = ""
        self.out = Outbox()
        self.held = False
        self.greeted = False
        self.opened = False
        self.ended = False
        self.left = False

    @property
    def passing(self) -> bool:
        """Say whether the session passes."""
        return self.phase is Phase.PASSING

    @property
    def asks(self) -> bool:
        """Say whether this venue's logins are requests, so that publishes of its login key are read."""
        return self.venue.code_in is CodeIn.REQUEST

    @property
    def frame_max(self) -> int:
        """Return the largest frame, overhead included."""
        return self.tuning.frame_max if self.tuning else LARGEST

    def owns(self, queue: str) -> bool:
        """Say whether a queue is the user's own: by its name, or as the server named it on this connection."""
        return queue in self.learned or self.venue.owns_queue(self.user, queue)

    @property
    def asking(self) -> bool:
        """Say whether what may be a login is under way already."""
        under_way = (self.channels[number].collecting for number in self.collecting)
        return any(one is not None and one.keep for one in under_way)

    def may_answer(self, queue: str) -> bool:
        """Say whether an answer of the gateway may go to this reply_to."""
        return queue == DIRECT_REPLY or (bool(queue) and self.owns(queue))

    def learn(self, queue: str) -> None:
        """Remember a queue that the server named."""
        if len(self.learned) < MOST_LEARNED:
            self.learned.add(queue)

    def pass_up(self, data: bytes) -> None:
        """Write to the broker."""
        self.out.to(Side.UPSTREAM, data)

    def pass_down(self, data: bytes) -> None:
        """Write to the client."""
        self.out.to(Side.CLIENT, data)

    def wait(self, one: Frame) -> None:
        """Let the client wait, from this frame on."""
        self.up.back(one)
        self.held = True

    def inject(self, channel: int, data: bytes) -> None:
        """Write frames of the gateway's own to the client, on a channel on which no content is under way. Raises GarbledError."""
        one = self.channels.get(channel)
        if one is None or one.shut is not Shut.OPEN or not data:
            return
        if self.contents.between(channel):
            self.pass_down(data)
        elif len(one.pending) + len(data) > MOST_PENDING:
            raise GarbledError("answers that nobody reads")
        else:
            one.pending += data
            self.note(one)

    def note(self, one: Channel) -> None:
        """Take note that a channel needs the exact look, or no longer does."""
        collects = one.collecting is not None
        for channels, needs in (
            (self.attending, one.attends), (self.refused, one.refused), (self.collecting, collects),
        ):  # fmt: skip
            (channels.add if needs else channels.discard)(one.number)
        if one.confirms is not None and one.confirms.renumbers:
            self.renumbering[one.number] = one.confirms
        else:
            self.renumbering.pop(one.number, None)

    def settle(self) -> None:
        """Say which of the streams the watches may shorten."""
        free = self.passing and self.opened
        self.up.exact = not free or bool(self.collecting or self.refused)
        self.down.exact = not free or bool(self.attending)
        self.up.settle()
        self.down.settle()

    def is_business(self, body: bytes) -> bool:
        """Say whether a published body is more than the venue's sign of life (SF-10)."""
        return body not in _heartbeats(self.venue.heartbeats)

    def roots(self, body: Iterable[bytes], properties: Properties) -> str | None:
        """Return the root element of a body."""
        return root_of(b"".join(body), properties.content_encoding)


def _heartbeats(texts: tuple[str, ...]) -> frozenset[bytes]:
    return frozenset(text.encode() for text in texts)
