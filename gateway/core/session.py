"""The session machine: one for every protocol. Events in, a plain list of actions out.

    Opening ─▶ AwaitingLogin ─▶ Checking ─▶ Admitting ─▶ Passing ─▶ Closed
       └──────────────┴────────────┴────────────┴──────────┴─▶ Refusing ─▶ Closed

`TRANSITIONS` is the whole table; the diagram in docs/ is drawn from it. Nothing outside this file changes a state.
The machine drives the dialect, so a whole conversation can be played without a socket.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from gateway.core.dialect import Answered, Dialect, Farewell, Found, Output, Pass, Side, Violation
from gateway.core.events import (
    Action,
    Close,
    Commit,
    Committed,
    Connected,
    Dial,
    DialFailed,
    Dialled,
    End,
    Event,
    Judged,
    Lost,
    Ordered,
    Pipe,
    Received,
    Send,
    Ticked,
    Verify,
)
from gateway.core.login import Admitted, Attempt, Memory, Moment, Note, Origin, Refused
from gateway.core.reason import Disclosure, Reason, public_text
from gateway.core.route import Route, find_route
from gateway.core.states import Admitting, AwaitingLogin, Checking, Closed, Opening, Passing, Refusing, State


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds. `login`: from connection to complete login (slow-loris); `answer`: dial and engine's answer together."""

    login: float = 10.0
    answer: float = 10.0


class Session:
    """One client connection from its first byte to its last.

    Invariants: no byte of the client goes upstream before a verdict that admits (BY-2) except what the dialect's
    allow-list passes; a verdict is asked for once per login; one End is returned, and after it nothing but
    the End of a grant that came too late.
    """

    __slots__ = ("_dialect", "_limits", "_origin", "_routes", "state")

    def __init__(self, dialect: Dialect, routes: Sequence[Route], origin: Origin, limits: Limits, now: Moment) -> None:
        self._dialect = dialect
        self._routes = routes
        self._origin = origin
        self._limits = limits
        self.state: State = Opening(now.mono + limits.login)

    def handle(self, event: Event, now: Moment) -> list[Action]:
        """Take one event and return what to do, in order. An event the table does not know in this state changes nothing."""
        transition = TRANSITIONS.get((type(self.state), type(event)))
        return transition.handler(self, event, now) if transition else []

    # ── opening and reading ──

    def _connected(self, _event: Connected, _now: Moment) -> list[Action]:
        opening = _in(self.state, Opening)
        if self._dialect.dials_on_accept:
            return [Dial(self._routes[0])] if self._routes else self._close(Reason.NO_ROUTE)
        self.state = AwaitingLogin(opening.deadline)
        return []

    def _opened(self, _event: Dialled, _now: Moment) -> list[Action]:
        self.state = AwaitingLogin(_in(self.state, Opening).deadline)
        return []

    def _read(self, event: Received, now: Moment) -> list[Action]:
        return self._outputs(self._dialect.feed(event.side, event.data, now), now)

    def _late(self, _event: Ticked, now: Moment) -> list[Action]:
        waiting = self.state
        assert isinstance(waiting, Opening | AwaitingLogin)
        return self._close(Reason.LOGIN_TIMEOUT) if now.mono >= waiting.deadline else []

    def _outputs(self, outputs: Sequence[Output], now: Moment) -> list[Action]:
        actions: list[Action] = []
        for output in outputs:
            match output:
                case Pass(to, data):
                    actions.append(Send(to, data))
                case Found(login):
                    actions += self._found(Attempt(login, self._origin, "", now))
                case Answered(accepted):
                    actions += self._answered(accepted, now)
                case Violation(reason):
                    return actions + self._close(reason)
        return actions

    def _found(self, attempt: Attempt) -> list[Action]:
        route = find_route(self._routes, attempt.login)
        if route is None:
            return self._close(Reason.NO_ROUTE)
        attempt = Attempt(attempt.login, attempt.origin, route.name, attempt.arrived)
        self.state = Checking(attempt, route)
        return [Verify(attempt)]

    # ── the verdict ──

    def _judged(self, event: Judged, now: Moment) -> list[Action]:
        route = _in(self.state, Checking).route
        match event.verdict:
            case Refused() as refused:
                return self._refuse(refused, End(refused.reason, judged=True))
            case Admitted() as grant:
                self.state = Admitting(grant, now.mono + self._limits.answer)
                return self._forward(Dialled(), now) if self._dialect.dials_on_accept else [Dial(route)]

    def _forward(self, _event: Dialled, now: Moment) -> list[Action]:
        admitting = _in(self.state, Admitting)
        self.state = replace(admitting, forwarded=True)
        return self._outputs(self._dialect.admitted(admitting.grant), now)

    def _answered(self, accepted: bool, now: Moment) -> list[Action]:  # noqa: FBT001 - the dialect's own word
        admitting = _in(self.state, Admitting)
        grant = admitting.grant
        if not accepted:  # the refusal itself passes to the client, then the engine closes
            self.state = replace(admitting, refused=True)
            return []
        self.state = Passing(grant, now.mono + grant.idle, now.mono + grant.lifetime)
        return [Pipe(grant), *self._outputs(self._dialect.released(now), now)]

    def _unreachable(self, _event: DialFailed, _now: Moment) -> list[Action]:
        if isinstance(self.state, Opening):
            return self._close(Reason.UPSTREAM_UNREACHABLE)
        return self._not_taken(Reason.UPSTREAM_UNREACHABLE)

    def _unanswered(self, event: Ticked | Lost | Ordered, now: Moment) -> list[Action]:
        admitting = _in(self.state, Admitting)
        match event:
            case Ticked():
                return self._not_taken(Reason.UPSTREAM_SILENT) if now.mono >= admitting.deadline else []
            case Ordered(reason):
                return self._not_taken(reason)
            case Lost(Side.UPSTREAM):
                return self._not_taken(Reason.UPSTREAM_REFUSED if admitting.refused else Reason.UPSTREAM_CLOSED)
            case Lost():
                return self._close(Reason.CLIENT_LEFT)

    def _not_taken(self, reason: Reason) -> list[Action]:
        admitting = _in(self.state, Admitting)
        grant = admitting.grant
        if admitting.forwarded:
            # The engine has read the Logon and may have answered: its numbers are its own, so no word of ours.
            return self._close(reason)
        refused = Refused(reason, public_text(reason), memory=grant.memory)
        return self._refuse(refused, End(reason, grant, judged=True))

    # ── passing ──

    def _tick(self, event: Ticked, now: Moment) -> list[Action]:
        passing = _in(self.state, Passing)
        if event.business:
            passing = self.state = replace(passing, idle_at=now.mono + passing.grant.idle)
        if now.mono >= passing.ends_at:
            return self._dismiss(Ordered(Reason.LIFETIME), now)
        if now.mono >= passing.idle_at:
            return self._dismiss(Ordered(Reason.IDLE), now)
        return []

    def _dismiss(self, event: Ordered, now: Moment) -> list[Action]:
        grant = _in(self.state, Passing).grant
        farewell = self._dialect.dismissed(event.reason, public_text(event.reason), now)
        return self._say(farewell, grant.memory, End(event.reason, grant, judged=True))

    def _order(self, event: Ordered, _now: Moment) -> list[Action]:
        return self._close(event.reason)

    # ── saying no ──

    def _refuse(self, refused: Refused, ended: End) -> list[Action]:
        if refused.memory is None or refused.reason.disclosure is Disclosure.SILENT:
            return self._finish(ended)
        return self._say(self._dialect.refused(refused), refused.memory, ended)

    def _say(self, farewell: Farewell, memory: Memory, ended: End) -> list[Action]:
        if farewell.message is None:
            return self._finish(ended)
        self.state = Refusing(farewell, ended)
        if farewell.value is None:
            return self._committed(Committed(stored=True), Moment(0, 0))
        return [Commit(Note(memory.key, memory.version, farewell.value))]

    def _committed(self, event: Committed, _now: Moment) -> list[Action]:
        refusing = _in(self.state, Refusing)
        message = refusing.farewell.message if event.stored else None
        say: list[Action] = [] if message is None else [Send(Side.CLIENT, message)]
        return say + self._finish(refusing.ended)

    # ── the end ──

    def _dropped(self, event: Lost, _now: Moment) -> list[Action]:
        grant = _in(self.state, Passing).grant
        epilogue = self._dialect.epilogue()
        if epilogue.orderly:
            return self._over(End(Reason.LOGOUT, grant, epilogue.value, judged=True))
        reason = Reason.CLIENT_LOST if event.side is Side.CLIENT else Reason.UPSTREAM_LOST
        return self._over(End(reason, grant, epilogue.value, judged=True))

    def _left(self, _event: Lost, _now: Moment) -> list[Action]:
        judged = isinstance(self.state, Checking)
        return self._finish(End(Reason.CLIENT_LEFT, judged=judged))

    def _close(self, reason: Reason) -> list[Action]:
        match self.state:
            case Admitting(grant, forwarded=False):
                return self._over(_unused(reason, grant))
            case Admitting(grant) | Passing(grant):
                return self._finish(End(reason, grant, judged=True))
        return self._finish(End(reason))

    def _late_verdict(self, event: Judged, _now: Moment) -> list[Action]:
        match event.verdict:
            case Admitted() as grant:  # the client left while the authority decided: free the place again
                return [_unused(Reason.CLIENT_LEFT, grant)]
            case Refused():
                return []

    def _finish(self, ended: End) -> list[Action]:
        return self._over(replace(ended, value=self._dialect.epilogue().value) if ended.grant else ended)

    def _over(self, ended: End) -> list[Action]:
        self.state = Closed(ended.reason)
        return [Close(), ended]


def _unused(reason: Reason, grant: Admitted) -> End:
    """A grant of which nothing was forwarded: the stream is as it was."""
    return End(reason, grant, None if grant.memory.open else grant.memory.value, judged=True)


_S = TypeVar("_S", bound=State)


def _in(state: State, kind: type[_S]) -> _S:
    assert isinstance(state, kind)
    return state


# ── the table ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Transition:
    """What handles an event in a state, and the states it may lead to."""

    handler: Callable[[Session, Any, Moment], list[Action]]
    leads_to: tuple[type[State], ...]


TRANSITIONS: dict[tuple[type[State], type[Event]], Transition] = {
    (Opening, Connected): Transition(Session._connected, (Opening, AwaitingLogin, Closed)),
    (Opening, Dialled): Transition(Session._opened, (AwaitingLogin,)),
    (Opening, DialFailed): Transition(Session._unreachable, (Closed,)),
    (Opening, Lost): Transition(Session._left, (Closed,)),
    (Opening, Ticked): Transition(Session._late, (Opening, Closed)),
    (Opening, Ordered): Transition(Session._order, (Closed,)),
    (AwaitingLogin, Received): Transition(Session._read, (AwaitingLogin, Checking, Closed)),
    (AwaitingLogin, Lost): Transition(Session._left, (Closed,)),
    (AwaitingLogin, Ticked): Transition(Session._late, (AwaitingLogin, Closed)),
    (AwaitingLogin, Ordered): Transition(Session._order, (Closed,)),
    (Checking, Judged): Transition(Session._judged, (Admitting, Refusing, Closed)),
    (Checking, Lost): Transition(Session._left, (Closed,)),
    (Checking, Ordered): Transition(Session._order, (Closed,)),
    (Admitting, Dialled): Transition(Session._forward, (Admitting,)),
    (Admitting, DialFailed): Transition(Session._unreachable, (Refusing, Closed)),
    (Admitting, Received): Transition(Session._read, (Admitting, Passing, Closed)),
    (Admitting, Lost): Transition(Session._unanswered, (Refusing, Closed)),
    (Admitting, Ticked): Transition(Session._unanswered, (Admitting, Refusing, Closed)),
    (Admitting, Ordered): Transition(Session._unanswered, (Refusing, Closed)),
    (Passing, Received): Transition(Session._read, (Passing, Closed)),
    (Passing, Lost): Transition(Session._dropped, (Closed,)),
    (Passing, Ticked): Transition(Session._tick, (Passing, Refusing, Closed)),
    (Passing, Ordered): Transition(Session._dismiss, (Refusing, Closed)),
    (Refusing, Committed): Transition(Session._committed, (Closed,)),
    (Closed, Judged): Transition(Session._late_verdict, (Closed,)),
}
