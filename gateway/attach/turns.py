"""When a login may go: one code, one login; nobody goes before a refusal's time is over. Shared by all connections.

Pure: the time and the jitter are arguments. It knows no code, only steps (RFC 6238 §4.2: T, with T0 = 0).
"""

from collections.abc import Callable
from typing import Final

from gateway.core.login import Moment

LONGEST_TOLD: Final = 86_400
"""Seconds that a refusal's text can make us wait, whatever it says."""
LONGEST_PAUSE: Final = 300.0
"""Seconds of back-off at most, after refusals in a row."""
LONGEST_MISS: Final = 30.0
"""Seconds of back-off at most, while the upstream can't be reached."""
JITTER: Final = 0.25
"""By how much of itself a back-off may grow, so that many sidecars don't come back together."""


class Turns:
    """The order in which waiting logins go.

    Invariants: a step is taken once; waiting logins go in the order in which they came, one a step; no code goes in the
    first or last `edge` seconds of its step, where the gateway's clock or the way there could make it another step's.
    """

    __slots__ = ("_edge", "_jitter", "_misses", "_not_before", "_period", "_queue", "_refusals", "_used")

    def __init__(self, period: int, jitter: Callable[[], float] = lambda: 0.0) -> None:
        self._period = period
        self._edge = min(1.0, period / 10)
        self._jitter = jitter
        self._queue: list[object] = []
        self._used = -1
        self._not_before = 0.0
        self._refusals = 0
        self._misses = 0

    def wait(self, ticket: object, now: Moment) -> float:
        """Queue this ticket (once) and return the seconds until its turn; 0.0: now."""
        if ticket not in self._queue:
            self._queue.append(ticket)
        pause = self.pause(now)
        current, phase = divmod(now.wall + pause, self._period)
        current = int(current)
        if self._used > current + 1:  # the clock was set back; what was used then is long over for the gateway too
            self._used = current
        first = current if phase <= self._period - self._edge else current + 1
        step = max(first, self._used + 1) + self._queue.index(ticket)
        if step == current:
            return pause + max(0.0, self._edge - phase)
        return step * self._period + self._edge - now.wall

    def pause(self, now: Moment) -> float:
        """Return the seconds until the back-off is over; 0.0: it is."""
        return max(0.0, self._not_before - now.mono)

    def take(self, ticket: object, now: Moment) -> int:
        """Take the step of now, which `wait` said is this ticket's."""
        self.leave(ticket)
        self._used = int(now.wall // self._period)
        return self._used

    def leave(self, ticket: object) -> None:
        """Forget a ticket that waits no longer."""
        if ticket in self._queue:
            self._queue.remove(ticket)

    def refused(self, now: Moment, told: int) -> float:
        """Note a refusal, which said to wait `told` seconds (0: nothing said); return the pause it makes.

        The first one costs nothing but its code; then 1, 2, 4 ... steps.
        """
        self._refusals += 1
        pause = self._grown(self._period, self._refusals - 2, LONGEST_PAUSE) if self._refusals > 1 else 0.0
        return self._pause(now, max(pause, float(min(told, LONGEST_TOLD))))

    def accepted(self) -> None:
        """Note a good answer: the row of refusals is over."""
        self._refusals, self._not_before = 0, 0.0

    def unreachable(self, now: Moment) -> float:
        """Note that the upstream took no connection; return the pause it makes: 1, 2, 4 ... seconds."""
        self._misses += 1
        return self._pause(now, self._grown(1.0, self._misses - 1, LONGEST_MISS))

    def reached(self) -> None:
        """Note that the upstream took a connection."""
        self._misses = 0

    def _grown(self, base: float, doublings: int, limit: float) -> float:
        return min(limit, base * 2.0 ** min(doublings, 20)) * (1 + JITTER * self._jitter())

    def _pause(self, now: Moment, seconds: float) -> float:
        self._not_before = max(self._not_before, now.mono + seconds)
        return seconds
