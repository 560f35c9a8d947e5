"""How a session says no and how it ends: the half of the machine that every way out of it shares.

`gateway.core.session` is the other half, with the table. Only these two files change a state.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from gateway.core.dialect import Dialect, Farewell, Output, Parted, Pass, Side
from gateway.core.events import Action, Close, Commit, Committed, End, Judged, Lost, Post, Send, Ticked, Unpipe
from gateway.core.login import Admitted, Memory, Moment, Note, Origin, Refused
from gateway.core.reason import Disclosure, Reason
from gateway.core.route import Route
from gateway.core.states import Admitting, Checking, Closed, Opening, Parting, Passing, Refusing, State


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds. `login`: from connection to complete login (slow-loris); `answer`: dial and engine's answer together;
    `parting`: how long the venue may take to hear that a session is over before the courier is asked to tell it.
    """

    login: float = 10.0
    answer: float = 10.0
    parting: float = 2.0


class Ending(ABC):
    """Invariants: every grant ends in one End; the venue is told, or the End says that the word is owed; after Close
    nothing is returned but the End, and that of a grant that came too late.
    """

    __slots__ = ("_dialect", "_limits", "_origin", "_routes", "state")

    def __init__(self, dialect: Dialect, routes: Sequence[Route], origin: Origin, limits: Limits, now: Moment) -> None:
        self._dialect = dialect
        self._routes = routes
        self._origin = origin
        self._limits = limits
        self.state: State = Opening(now.mono + limits.login)

    @abstractmethod
    def _outputs(self, outputs: Sequence[Output], now: Moment) -> list[Action]:
        """Turn what the dialect said into actions."""

    @abstractmethod
    def _await(self, now: Moment) -> list[Action]:
        """Let the connection live on for another login."""

    # ── saying no ──

    def _refuse(self, refused: Refused, ended: End, now: Moment) -> list[Action]:
        if refused.reason.disclosure is Disclosure.SILENT:
            return self._finish(ended)
        return self._say(self._dialect.refused(refused), refused.memory, ended, now)

    def _say(self, farewell: Farewell, memory: Memory | None, ended: End, now: Moment) -> list[Action]:
        """Say no. What needs to be remembered first is not said where there is no memory: the stream is nobody's we know."""
        unknown = memory is None and farewell.value is not None
        if unknown or farewell == Farewell():
            return self._part(ended, now)
        unpiped = self._unpiped()
        self.state = Refusing(farewell, ended)
        if memory is None or farewell.value is None:
            return unpiped + self._committed(Committed(stored=True), now)
        return [*unpiped, Commit(Note(memory.key, memory.version, farewell.value))]

    def _committed(self, event: Committed, now: Moment) -> list[Action]:
        refusing = in_state(self.state, Refusing)
        farewell = refusing.farewell
        say: list[Action] = []
        if event.stored and farewell.message is not None:
            say.append(Send(Side.CLIENT, farewell.message))
        say += [Post(self._routes[0].name, data) for data in farewell.mail]
        if farewell.stays and not refusing.ended.grant:
            return say + self._await(now)
        return say + self._part(refusing.ended, now)

    # ── the end ──

    def _dropped(self, event: Lost, now: Moment) -> list[Action]:
        grant = in_state(self.state, Passing).grant
        reason = Reason.CLIENT_LOST if event.side is Side.CLIENT else Reason.UPSTREAM_LOST
        if self._dialect.epilogue().orderly:
            reason = Reason.LOGOUT
        return self._part(End(reason, grant, judged=True), now)

    def _part(self, ended: End, now: Moment) -> list[Action]:
        """Tell the venue on its own line that a grant is over, where the protocol needs it, and wait for its word."""
        told = self._dialect.parting(ended.reason, now) if ended.grant else []
        if not told:
            return self._finish(ended)
        unpiped = self._unpiped()
        self.state = Parting(ended, now.mono + self._limits.parting)
        return unpiped + self._outputs(told, now)

    def _unpiped(self) -> list[Action]:
        """No chunk takes the short cut once the session no longer passes."""
        return [Unpipe()] if isinstance(self.state, Passing) else []

    def _parted(self, output: Parted, _now: Moment) -> list[Action]:
        return self._finish(replace(in_state(self.state, Parting).ended, owed=not output.accepted))

    def _overdue(self, event: Ticked | Lost, now: Moment) -> list[Action]:
        match event:
            case Ticked():
                late = now.mono >= in_state(self.state, Parting).deadline
                return self._parted(Parted(accepted=False), now) if late else []
            case Lost(Side.UPSTREAM):
                return self._parted(Parted(accepted=False), now)
            case Lost():
                return []

    def _left(self, event: Lost, now: Moment) -> list[Action]:
        judged = isinstance(self.state, Checking)
        if event.side is Side.CLIENT:
            return self._finish(End(Reason.CLIENT_LEFT, judged=judged))
        told = self._dialect.parting(Reason.UPSTREAM_CLOSED, now)
        said: list[Action] = [Send(one.to, one.data) for one in told if isinstance(one, Pass)]
        return said + self._finish(End(Reason.UPSTREAM_CLOSED, judged=judged))

    def _violated(self, reason: Reason, now: Moment) -> list[Action]:
        match self.state:
            case Admitting(grant, forwarded=True) | Passing(grant):
                return self._part(End(reason, grant, judged=True), now)
            case Parting():
                return self._parted(Parted(accepted=False), now)
        return self._close(reason)

    def _close(self, reason: Reason) -> list[Action]:
        """Close where no grant was used: nothing of it was forwarded, or there is none."""
        match self.state:
            case Admitting(grant):
                return self._over(_unused(reason, grant))
        return self._over(End(reason))

    def _late_verdict(self, event: Judged, _now: Moment) -> list[Action]:
        match event.verdict:
            case Admitted() as grant if not event.attempt.renews:  # somebody left meanwhile: free the place again
                gone = self.state == Closed(Reason.UPSTREAM_CLOSED)
                return [_unused(Reason.UPSTREAM_UNREACHABLE if gone else Reason.CLIENT_LEFT, grant)]
        return []

    def _finish(self, ended: End) -> list[Action]:
        return self._over(self._ended(ended))

    def _ended(self, ended: End) -> End:
        return replace(ended, value=self._dialect.epilogue().value) if ended.grant else ended

    def _over(self, ended: End) -> list[Action]:
        self.state = Closed(ended.reason)
        return [Close(), ended]


def _unused(reason: Reason, grant: Admitted) -> End:
    """A grant of which nothing was forwarded: the stream is as it was."""
    return End(reason, grant, None if grant.memory.open else grant.memory.value, judged=True)


_S = TypeVar("_S", bound=State)


def in_state(state: State, kind: type[_S]) -> _S:
    """Return the state, which the table says is of this kind. Raises TypeError."""
    if not isinstance(state, kind):
        raise TypeError(f"{type(state).__name__} is not {kind.__name__}")
    return state
