"""One client's way through the sidecar: events in, actions out, the time an argument.

    Opening ─▶ Holding ─▶ Dialling ─▶ Passing ─▶ Closed        a Logon in mid-session: Passing ─▶ Holding ─▶ Passing

The upstream is dialled when the code may go, not before: a gateway closes a line on which no login comes.
"""

from collections import deque
from dataclasses import dataclass, field

from gateway.attach.logon import Dresser
from gateway.attach.stream import AnswerReader, ClientStream, FoundLogon
from gateway.attach.turns import Turns
from gateway.core.dialect import Side
from gateway.core.events import Close, DialFailed, Dialled, Lost, Received, Send, Ticked
from gateway.core.login import Moment

LARGEST_LOGON = 16_384
"""Bytes; the gateway takes no larger one."""
POLL = 1.0
"""Seconds after which a waiting Logon asks again: those before it may have left."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds. `logon`: from connection to complete Logon; `hold`: how long a client is left without an answer."""

    logon: float = 30.0
    hold: float = 31.0


@dataclass(frozen=True, slots=True)
class Dial:
    """Connect to the upstream; answer with Dialled or DialFailed."""


@dataclass(frozen=True, slots=True)
class Wake:
    """Give Ticked after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Read:
    """Give what the upstream says as events (True: a Logon is under way), or write it straight to the client."""

    along: bool


@dataclass(frozen=True, slots=True)
class Say:
    """Something for the log. `seconds` is how long it waits, or is to wait."""

    event: str
    seconds: float = 0.0


Event = Received | Dialled | DialFailed | Lost | Ticked
Action = Send | Close | Dial | Wake | Read | Say


@dataclass(frozen=True, slots=True)
class Opening:
    """No complete Logon yet."""

    deadline: float


@dataclass(frozen=True, slots=True)
class Holding:
    """A Logon waits for a code that is not used yet, or for a refusal's time to be over."""

    logon: bytes = field(repr=False)
    since: float
    deadline: float


@dataclass(frozen=True, slots=True)
class Dialling:
    """The upstream is being dialled for a Logon whose turn it is."""

    held: Holding


@dataclass(frozen=True, slots=True)
class Passing:
    """The Logon is out. `reader` is None once it is answered."""

    reader: AnswerReader | None


@dataclass(frozen=True, slots=True)
class Closed:
    """Nothing more happens."""


State = Opening | Holding | Dialling | Passing | Closed


class Passage:
    """One connection.

    Invariants: bytes leave in the order they came; the client's Logon leaves with a code that no other Logon had, or
    unchanged, but in its turn, where it has no place for one; nothing is ever said that the peers did not say.
    """

    __slots__ = ("_connected", "_dresser", "_patience", "_pending", "_turns", "state", "stream")

    def __init__(self, turns: Turns, dresser: Dresser, patience: Patience, now: Moment) -> None:
        self._turns = turns
        self._dresser = dresser
        self._patience = patience
        self._pending: deque[bytes | FoundLogon] = deque()
        self._connected = False
        self.stream = ClientStream()
        self.state: State = Opening(now.mono + patience.logon)

    @property
    def holds(self) -> bool:
        """Whether the client's bytes must wait outside."""
        return isinstance(self.state, Holding | Dialling)

    def handle(self, event: Event, now: Moment) -> list[Action]:
        """Take one event and return what to do, in order."""
        if isinstance(self.state, Closed):
            return []
        match event:
            case Received(side, data):
                return self._read(data, now) if side is Side.CLIENT else self._answer(data, now)
            case Dialled():
                return self._dialled(now)
            case DialFailed():
                return [Say("attach_unreachable", self._turns.unreachable(now)), *self._close()]
            case Lost(side):
                return self._lost(side, now)
            case Ticked():
                return self._ticked(now)

    # ── the client's side ──

    def _read(self, data: bytes, now: Moment) -> list[Action]:
        self._pending += self.stream.feed(data)
        return self._forward(now)

    def _forward(self, now: Moment) -> list[Action]:
        actions: list[Action] = []
        while self._pending and not self.holds:
            piece = self._pending.popleft()
            if isinstance(piece, FoundLogon):
                actions += self._hold(piece.message, now)
            elif isinstance(self.state, Passing):
                actions.append(Send(Side.UPSTREAM, piece))
            else:
                return [*actions, Say("attach_no_logon"), *self._close()]
        if isinstance(self.state, Opening) and self.stream.unfinished > LARGEST_LOGON:
            return [*actions, Say("attach_no_logon"), *self._close()]
        return actions

    def _hold(self, logon: bytes, now: Moment) -> list[Action]:
        self.stream.began(logon)
        self.stream.stop(stopped=True)
        self.state = held = Holding(logon, now.mono, now.mono + self._patience.hold)
        wait = self._turns.wait(self, now)
        placeless = [] if self._dresser.fits(logon) else [Say("attach_no_place")]
        said = [Say("attach_held", wait)] if wait else []
        return [*placeless, *said, *self._offer(held, now)]

    def _offer(self, held: Holding, now: Moment) -> list[Action]:
        wait = self._turns.wait(self, now)
        if now.mono + wait > held.deadline:
            return [Say("attach_closed", wait), *self._close()]
        if wait > 0:
            self.state = held
            return [Wake(min(wait, POLL))]
        if not self._connected:
            self.state = Dialling(held)
            return [Dial()]
        return self._send(held, now)

    def _send(self, held: Holding, now: Moment) -> list[Action]:
        logon = self._dresser.dress(held.logon, self._turns.take(self, now))
        self.state = Passing(AnswerReader())
        self.stream.stop(stopped=False)
        return [Send(Side.UPSTREAM, logon), Read(along=True), Say("attach_sent", now.mono - held.since)]

    # ── the upstream's side ──

    def _dialled(self, now: Moment) -> list[Action]:
        self._connected = True
        self._turns.reached()
        if not isinstance(self.state, Dialling):
            return []
        return self._offer(self.state.held, now) + self._forward(now)

    def _answer(self, data: bytes, now: Moment) -> list[Action]:
        passed: list[Action] = [Send(Side.CLIENT, data)]
        reader = self.state.reader if isinstance(self.state, Passing) else None
        answer = reader.feed(data) if reader else None
        if answer is None:
            return passed
        self.state = Passing(None)
        if answer.accepted:
            self._turns.accepted()
            return [*passed, Say("attach_accepted"), Read(along=False)]
        return [*passed, Say("attach_refused", self._turns.refused(now, answer.told))]

    def _lost(self, side: Side, now: Moment) -> list[Action]:
        silent = side is Side.UPSTREAM and isinstance(self.state, Passing) and self.state.reader is not None
        said = [Say("attach_refused", self._turns.refused(now, 0))] if silent else []
        return [*said, *self._close()]

    # ── both ──

    def _ticked(self, now: Moment) -> list[Action]:
        match self.state:
            case Opening(deadline) if now.mono >= deadline:
                return [Say("attach_no_logon"), *self._close()]
            case Holding() as held:
                return self._offer(held, now) + self._forward(now)
        return []

    def _close(self) -> list[Action]:
        self._turns.leave(self)
        self._pending.clear()
        self.state = Closed()
        return [Close()]
