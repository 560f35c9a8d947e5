"""One client's way through the sidecar: events in, actions out, the time an argument.

    Opening ─▶ Holding ─▶ Dialling ─▶ Passing ─▶ Closed        a login later on: Passing ─▶ Holding ─▶ Passing

What is held is a login, or the connection itself where the upstream speaks first (`Dials`). It knows no protocol.
"""

from collections import deque
from dataclasses import dataclass
from math import inf

from gateway.attach.dialect import Answer, Dialect, Dials, Login
from gateway.attach.turns import Turns
from gateway.core.dialect import Side
from gateway.core.events import Close, DialFailed, Dialled, Lost, Received, Send, Ticked
from gateway.core.login import Moment

LARGEST_OPENING = 16_384
"""Bytes of an unfinished first message; the gateway takes no larger one."""
POLL = 1.0
"""Seconds after which a waiting login asks again: those before it may have left."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds. `opening`: from connection to first complete message; `hold`: how long a client is left without an answer."""

    opening: float = 30.0
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
    """Give what the upstream says as events (True: a login is under way), or let it take the short cut."""

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
    """No complete message yet."""

    deadline: float


@dataclass(frozen=True, slots=True)
class Holding:
    """A login waits for a code that is not used yet, or for a refusal's time to be over; None: the connection itself does."""

    login: Login | None
    since: float
    deadline: float


@dataclass(frozen=True, slots=True)
class Dialling:
    """The upstream is being dialled for what was held, whose turn it is."""

    held: Holding


@dataclass(frozen=True, slots=True)
class Passing:
    """Bytes pass. `awaits`: a login is out and not answered yet. `settles_at`: when it counts as taken if nothing is said."""

    awaits: bool
    settles_at: float = inf


@dataclass(frozen=True, slots=True)
class Closed:
    """Nothing more happens."""


State = Opening | Holding | Dialling | Passing | Closed


class Passage:
    """One connection.

    Invariants: bytes leave in the order they came; the client's login leaves with a code that no other login had, or
    unchanged, but in its turn, where it has no place for one; nothing is ever said that the peers did not say, but for
    what keeps the upstream's line up while a login waits.
    """

    __slots__ = ("_connected", "_patience", "_pending", "_turns", "dialect", "state")

    def __init__(self, turns: Turns, dialect: Dialect, patience: Patience, now: Moment) -> None:
        self._turns = turns
        self._patience = patience
        self._pending: deque[bytes | Login] = deque()
        self._connected = False
        self.dialect = dialect
        self.state: State = Opening(now.mono + patience.opening)

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
                return self._read(data, now) if side is Side.CLIENT else self._hear(data, now)
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
        self._pending += self.dialect.feed(data)
        return self._forward(now)

    def _forward(self, now: Moment) -> list[Action]:
        actions: list[Action] = []
        while self._pending and not self.holds:
            if isinstance(self.state, Opening) and self.dialect.dials is not Dials.AT_LOGIN:
                actions += self._hold(None, now)
                continue
            piece = self._pending.popleft()
            if not isinstance(piece, bytes):
                actions += self._hold(piece, now)
            elif isinstance(self.state, Passing):
                actions.append(Send(Side.UPSTREAM, piece))
            else:
                return [*actions, Say("attach_no_login"), *self._close()]
        if isinstance(self.state, Opening) and self.dialect.unfinished > LARGEST_OPENING:
            return [*actions, Say("attach_no_login"), *self._close()]
        return actions

    def _hold(self, login: Login | None, now: Moment) -> list[Action]:
        self.state = held = Holding(login, now.mono, now.mono + self._patience.hold)
        if login is not None:
            self.dialect.found(login)
        wait = self._wait(held, now)
        placeless = [] if login is None or login.fits else [Say("attach_no_place")]
        said = [Say("attach_held", wait)] if wait else []
        return [*placeless, *said, *self._offer(held, now)]

    def _wait(self, held: Holding, now: Moment) -> float:
        for_a_code = held.login is not None or self.dialect.dials is Dials.AT_TURN
        return self._turns.wait(self, now) if for_a_code else self._turns.pause(now)

    def _offer(self, held: Holding, now: Moment) -> list[Action]:
        wait = self._wait(held, now)
        if now.mono + wait > held.deadline:
            return [Say("attach_closed", wait), *self._close()]
        if wait > 0:
            self.state = held
            return [*self._beat(now), Wake(min(wait, POLL))]
        if not self._connected:
            self.state = Dialling(held)
            return [Dial()]
        return self._send(held, now)

    def _beat(self, now: Moment) -> list[Action]:
        beat = self.dialect.beat(now.mono) if self._connected else b""
        return [Send(Side.UPSTREAM, beat)] if beat else []

    def _send(self, held: Holding, now: Moment) -> list[Action]:
        if held.login is None:
            self.state = Passing(awaits=False)
            return [Read(along=False)]
        login = held.login.dressed(self._turns.take(self, now))
        self.state = Passing(awaits=True)
        self.dialect.sent(held.login)
        return [Send(Side.UPSTREAM, login), Read(along=True), Say("attach_sent", now.mono - held.since)]

    # ── the upstream's side ──

    def _dialled(self, now: Moment) -> list[Action]:
        self._connected = True
        self._turns.reached()
        if not isinstance(self.state, Dialling):
            return []
        held = self.state.held
        return (self._offer(held, now) if held.login else self._send(held, now)) + self._forward(now)

    def _hear(self, data: bytes, now: Moment) -> list[Action]:
        passed: list[Action] = [Send(Side.CLIENT, data)]
        answer = self.dialect.hear(data)
        if answer is None:
            return passed
        if answer.settles and isinstance(self.state, Passing):
            self.state = Passing(awaits=True, settles_at=now.mono + answer.settles)
            return [*passed, Wake(answer.settles)]
        return [*passed, *self._judged(answer, now)]

    def _judged(self, answer: Answer, now: Moment) -> list[Action]:
        if isinstance(self.state, Passing):
            self.state = Passing(awaits=False)
        if answer.accepted:
            self._turns.accepted()
            return [Say("attach_accepted"), Read(along=False)]
        return [Say("attach_refused", self._turns.refused(now, answer.told)), Read(along=False)]

    def _lost(self, side: Side, now: Moment) -> list[Action]:
        silent = side is Side.UPSTREAM and isinstance(self.state, Passing) and self.state.awaits
        said = [Say("attach_refused", self._turns.refused(now, 0))] if silent else []
        return [*said, *self._close()]

    # ── both ──

    def _ticked(self, now: Moment) -> list[Action]:
        match self.state:
            case Opening(due) | Passing(True, due) if now.mono < due < inf:  # a timer may be early
                return [Wake(due - now.mono)]
            case Opening():
                return [Say("attach_no_login"), *self._close()]
            case Holding() as held:
                return self._offer(held, now) + self._forward(now)
            case Passing(True, due) if now.mono >= due:
                return self._judged(Answer(accepted=True), now)
        return []

    def _close(self) -> list[Action]:
        self._turns.leave(self)
        self._pending.clear()
        self.state = Closed()
        return [Close()]
