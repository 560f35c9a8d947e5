"""The session machine: one for every protocol. Events in, a plain list of actions out.

    Opening ─▶ AwaitingLogin ─▶ Checking ─▶ Admitting ─▶ Passing ─▶ Parting ─▶ Closed
       └──────────────┴────────────┴────────────┴──────────┴─▶ Refusing ─▶ Closed

Where the protocol lets a connection outlive a refusal or a logout, AwaitingLogin comes again.

`TRANSITIONS` is the whole table; the diagram in docs/ is drawn from it. Nothing but this file and `ending.py` changes a state.
The machine drives the dialect, so a whole conversation can be played without a socket.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway.core.dialect import (
    Answered,
    Declined,
    Found,
    LoggedOut,
    Mail,
    Output,
    Parted,
    Pass,
    Renewal,
    Side,
    Violation,
)
from gateway.core.ending import Ending, Limits, in_state
from gateway.core.events import (
    Action,
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
    Post,
    Received,
    Report,
    Send,
    Ticked,
    Unpipe,
    Verify,
)
from gateway.core.login import Admitted, Attempt, Login, Moment, Refused
from gateway.core.reason import Reason, public_text
from gateway.core.route import Route, find_route
from gateway.core.states import Admitting, AwaitingLogin, Checking, Closed, Opening, Parting, Passing, Refusing, State

__all__ = ["OUTPUTS", "TRANSITIONS", "Limits", "Session"]


class Session(Ending):
    """One client connection from its first byte to its last.

    Invariants: no byte of the client goes upstream before a verdict that admits (BY-2) except what the dialect's
    allow-list passes; a verdict is asked for once per login, and taken for that login alone.
    """

    __slots__ = ()

    def handle(self, event: Event, now: Moment) -> list[Action]:
        """Take one event and return what to do, in order. An event the table does not know in this state changes nothing."""
        transition = TRANSITIONS.get((type(self.state), type(event)))
        return transition.handler(self, event, now) if transition else []

    # ── opening and reading ──

    def _connected(self, _event: Connected, _now: Moment) -> list[Action]:
        opening = in_state(self.state, Opening)
        if self._dialect.dials_on_accept:
            return [Dial(self._routes[0])] if self._routes else self._close(Reason.NO_ROUTE)
        self.state = AwaitingLogin(opening.deadline)
        return []

    def _opened(self, _event: Dialled, _now: Moment) -> list[Action]:
        self.state = AwaitingLogin(in_state(self.state, Opening).deadline)
        return []

    def _read(self, event: Received, now: Moment) -> list[Action]:
        return self._outputs(self._dialect.feed(event.side, event.data, event.arrived), now)

    def _late(self, event: Ticked, now: Moment) -> list[Action]:
        waiting = self.state
        assert isinstance(waiting, Opening | AwaitingLogin)
        if now.mono >= waiting.deadline:
            return self._close(Reason.LOGIN_TIMEOUT)
        return self._keep(event, now)

    def _keep(self, _event: Ticked, now: Moment) -> list[Action]:
        return self._outputs(self._dialect.ticked(now), now)

    def _await(self, now: Moment) -> list[Action]:
        """Let the connection live on: what came behind the login or logout is looked at now."""
        self.state = AwaitingLogin(now.mono + self._limits.login)
        return self._outputs(self._dialect.resumed(now), now)

    def _outputs(self, outputs: Sequence[Output], now: Moment) -> list[Action]:
        actions: list[Action] = []
        for output in outputs:
            heeded, before = OUTPUTS[type(output)], type(self.state)
            if isinstance(self.state, heeded.states):
                actions += heeded.handler(self, output, now)
            if type(self.state) is not before and isinstance(self.state, Parting | Closed):
                break  # what the dialect said before it knew is void
        return actions

    def _send(self, output: Pass, _now: Moment) -> list[Action]:
        return [Send(output.to, output.data)]

    def _mail(self, output: Mail, _now: Moment) -> list[Action]:
        return [Post(self._routes[0].name, output.data)]

    def _declined(self, output: Declined, _now: Moment) -> list[Action]:
        return [Report(output.reason)]

    def _violation(self, output: Violation, now: Moment) -> list[Action]:
        return self._violated(output.reason, now)

    def _found(self, output: Found, _now: Moment) -> list[Action]:
        route = self._route(output.login)
        if route is None:
            return self._close(Reason.NO_ROUTE)
        attempt = Attempt(output.login, self._origin, route.name, output.arrived)
        self.state = Checking(attempt, route)
        return [Verify(attempt)]

    def _route(self, login: Login) -> Route | None:
        """Where the upstream is there already, its route is the only one."""
        return find_route(self._routes[:1] if self._dialect.dials_on_accept else self._routes, login)

    # ── the verdict ──

    def _judged(self, event: Judged, now: Moment) -> list[Action]:
        checking = in_state(self.state, Checking)
        if event.attempt != checking.attempt:  # the late verdict on a renewal must not admit the login behind it
            return self._late_verdict(event, now)
        match event.verdict:
            case Refused() as refused:
                return self._refuse(refused, End(refused.reason, judged=True), now)
            case Admitted() as grant:
                self.state = Admitting(grant, now.mono + self._limits.answer)
                return self._forward(Dialled(), now) if self._dialect.dials_on_accept else [Dial(checking.route)]

    def _forward(self, _event: Dialled, now: Moment) -> list[Action]:
        admitting = in_state(self.state, Admitting)
        self.state = replace(admitting, forwarded=True)
        return self._outputs(self._dialect.admitted(admitting.grant), now)

    def _answered(self, answer: Answered, now: Moment) -> list[Action]:
        admitting = in_state(self.state, Admitting)
        grant = admitting.grant
        if answer.accepted:
            self.state = Passing(grant, now.mono + grant.idle, now.mono + grant.lifetime)
            return [Pipe(grant, self._dialect.will()), *self._outputs(self._dialect.released(now), now)]
        if answer.stays:
            return [self._ended(End(Reason.UPSTREAM_REFUSED, grant, judged=True)), *self._await(now)]
        self.state = replace(admitting, refused=True)  # the refusal itself passes to the client, then the engine closes
        return []

    def _unreachable(self, _event: DialFailed, now: Moment) -> list[Action]:
        if isinstance(self.state, Opening):
            return self._close(Reason.UPSTREAM_UNREACHABLE)
        return self._not_taken(Reason.UPSTREAM_UNREACHABLE, now)

    def _unanswered(self, event: Ticked | Lost | Ordered, now: Moment) -> list[Action]:
        admitting = in_state(self.state, Admitting)
        match event:
            case Ticked():
                late = now.mono >= admitting.deadline
                return self._not_taken(Reason.UPSTREAM_SILENT, now) if late else self._keep(event, now)
            case Ordered(reason):
                return self._not_taken(reason, now)
            case Lost(Side.UPSTREAM):
                return self._not_taken(Reason.UPSTREAM_REFUSED if admitting.refused else Reason.UPSTREAM_CLOSED, now)
            case Lost():
                return self._not_taken(Reason.CLIENT_LEFT, now)

    def _not_taken(self, reason: Reason, now: Moment) -> list[Action]:
        admitting = in_state(self.state, Admitting)
        grant = admitting.grant
        if admitting.forwarded:
            # The engine has read the login and may have answered: in FIX its numbers are its own, so no word of ours.
            return self._part(End(reason, grant, judged=True), now)
        if reason is Reason.CLIENT_LEFT:
            return self._close(reason)
        refused = Refused(reason, public_text(reason), memory=grant.memory)
        return self._refuse(refused, End(reason, grant, judged=True), now)

    # ── passing ──

    def _tick(self, event: Ticked, now: Moment) -> list[Action]:
        passing = in_state(self.state, Passing)
        if event.business:
            passing = self.state = replace(passing, idle_at=now.mono + passing.grant.idle)
        if now.mono >= passing.ends_at:
            return self._dismiss(Ordered(Reason.LIFETIME), now)
        if now.mono >= passing.idle_at:
            return self._dismiss(Ordered(Reason.IDLE), now)
        return []

    def _renewal(self, output: Renewal, now: Moment) -> list[Action]:
        passing = in_state(self.state, Passing)
        route = self._route(output.login)
        if passing.renewal or route is None:
            return self._violated(Reason.NO_ROUTE if route is None else Reason.GARBLED, now)
        attempt = Attempt(output.login, self._origin, route.name, output.arrived, renews=passing.grant.session)
        self.state = replace(passing, renewal=attempt)
        return [Verify(attempt)]

    def _rejudged(self, event: Judged, now: Moment) -> list[Action]:
        passing = in_state(self.state, Passing)
        if event.attempt != passing.renewal:
            return self._late_verdict(event, now)
        self.state = replace(passing, renewal=None)
        match event.verdict:
            case Admitted() as grant:
                self.state = Passing(passing.grant, now.mono + grant.idle, now.mono + grant.lifetime)
                return self._outputs(self._dialect.renewed(), now)
            case Refused(Reason.UNAVAILABLE):  # a store that is away ends no live session: it has what it was given
                return []
            case Refused(reason):
                return self._dismiss(Ordered(reason), now)

    def _dismiss(self, event: Ordered, now: Moment) -> list[Action]:
        grant = in_state(self.state, Passing).grant
        farewell = self._dialect.dismissed(event.reason, public_text(event.reason), now)
        return self._say(farewell, grant.memory, End(event.reason, grant, judged=True), now)

    def _order(self, event: Ordered, _now: Moment) -> list[Action]:
        return self._close(event.reason)

    def _logged_out(self, output: LoggedOut, now: Moment) -> list[Action]:
        ended = End(Reason.LOGOUT, in_state(self.state, Passing).grant, judged=True)
        if not output.stays:
            return self._part(ended, now)
        return [Unpipe(), self._ended(ended), *self._await(now)]


# ── the tables ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Heeded:
    """What handles a dialect's output, and in which states; in any other it changes nothing."""

    handler: Callable[[Session, Any, Moment], list[Action]]
    states: tuple[type[State], ...]


_OPEN = (Opening, AwaitingLogin, Checking, Admitting, Passing, Parting)

OUTPUTS: dict[type[Output], Heeded] = {
    Pass: Heeded(Session._send, _OPEN),
    Mail: Heeded(Session._mail, _OPEN),
    Declined: Heeded(Session._declined, _OPEN),
    Violation: Heeded(Session._violation, _OPEN),
    Found: Heeded(Session._found, (AwaitingLogin,)),
    Answered: Heeded(Session._answered, (Admitting,)),
    Renewal: Heeded(Session._renewal, (Passing,)),
    LoggedOut: Heeded(Session._logged_out, (Passing,)),
    Parted: Heeded(Session._parted, (Parting,)),
}


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
    (AwaitingLogin, Judged): Transition(Session._late_verdict, (AwaitingLogin,)),
    (AwaitingLogin, Lost): Transition(Session._left, (Closed,)),
    (AwaitingLogin, Ticked): Transition(Session._late, (AwaitingLogin, Closed)),
    (AwaitingLogin, Ordered): Transition(Session._order, (Closed,)),
    (Checking, Received): Transition(Session._read, (Checking, Closed)),
    (Checking, Judged): Transition(Session._judged, (Checking, Admitting, AwaitingLogin, Refusing, Closed)),
    (Checking, Lost): Transition(Session._left, (Closed,)),
    (Checking, Ticked): Transition(Session._keep, (Checking,)),
    (Checking, Ordered): Transition(Session._order, (Closed,)),
    (Admitting, Dialled): Transition(Session._forward, (Admitting,)),
    (Admitting, DialFailed): Transition(Session._unreachable, (Refusing, Closed)),
    (Admitting, Judged): Transition(Session._late_verdict, (Admitting,)),
    (Admitting, Received): Transition(Session._read, (Admitting, Passing, Parting, AwaitingLogin, Checking, Closed)),
    (Admitting, Lost): Transition(Session._unanswered, (Parting, Closed)),
    (Admitting, Ticked): Transition(Session._unanswered, (Admitting, Parting, Refusing, Closed)),
    (Admitting, Ordered): Transition(Session._unanswered, (Parting, Refusing, Closed)),
    (Passing, Received): Transition(Session._read, (Passing, Parting, AwaitingLogin, Checking, Closed)),
    (Passing, Judged): Transition(Session._rejudged, (Passing, Parting, Refusing, Closed)),
    (Passing, Lost): Transition(Session._dropped, (Parting, Closed)),
    (Passing, Ticked): Transition(Session._tick, (Passing, Parting, Refusing, Closed)),
    (Passing, Ordered): Transition(Session._dismiss, (Parting, Refusing, Closed)),
    (Parting, Received): Transition(Session._read, (Parting, Closed)),
    (Parting, Judged): Transition(Session._late_verdict, (Parting,)),
    (Parting, Lost): Transition(Session._overdue, (Parting, Closed)),
    (Parting, Ticked): Transition(Session._overdue, (Parting, Closed)),
    (Refusing, Judged): Transition(Session._late_verdict, (Refusing,)),
    (Refusing, Committed): Transition(Session._committed, (Parting, Closed)),
    (Closed, Judged): Transition(Session._late_verdict, (Closed,)),
}
