"""Counts who is connected, so that limits hold before a byte is read. Pure: no socket, no clock."""

from collections import Counter
from collections.abc import Callable

from gateway.net.spec import CrowdLimits

UNKNOWN = ""
"""The address of a contact whose PROXY header is not read yet: only the totals limit it."""


class Place:
    """One connection's place in the crowd. Invariant: it is counted from `Crowd.enter` to the first `leave`."""

    __slots__ = ("_address", "_crowd", "_pending", "_taken")

    def __init__(self, crowd: "Crowd", address: str) -> None:
        self._crowd = crowd
        self._address = address
        self._pending = self._taken = True

    def move(self, address: str) -> bool:
        """Count it under its true address; False, and left, if that one's limit is reached."""
        self.leave()
        moved = self._crowd.enter(address)
        if moved is None:
            return False
        self._address, self._pending, self._taken = address, True, True
        return True

    def logged_in(self) -> None:
        """Count it as pending no longer."""
        if self._taken and self._pending:
            self._pending = False
            self._crowd.count(self._address, 0, -1)

    def logged_out(self) -> None:
        """Count it as pending again: its connection waits for another login."""
        if self._taken and not self._pending:
            self._pending = True
            self._crowd.count(self._address, 0, 1)

    def leave(self) -> None:
        """Free the place."""
        if self._taken:
            self._taken = False
            self._crowd.count(self._address, -1, -1 if self._pending else 0)


class Crowd:
    """Connections of one listener. Invariants: pending ≤ total; an address without connections takes no memory."""

    __slots__ = ("_changed", "_limits", "_open", "_pending", "pending", "total")

    def __init__(self, limits: CrowdLimits, changed: Callable[[int], None] = lambda _total: None) -> None:
        self._limits = limits
        self._changed = changed
        self._open: Counter[str] = Counter()
        self._pending: Counter[str] = Counter()
        self.total = 0
        self.pending = 0

    def enter(self, address: str) -> Place | None:
        """Count a new connection from `address`; None if a limit is reached."""
        if self._full() or (address != UNKNOWN and self._full_from(address)):
            return None
        self.count(address, 1, 1)
        return Place(self, address)

    def count(self, address: str, opened: int, pending: int) -> None:
        """Change the counts; for Place alone."""
        self.total += opened
        self.pending += pending
        for counts, change in ((self._open, opened), (self._pending, pending)):
            counts[address] += change
            if not counts[address]:
                del counts[address]
        self._changed(self.total)

    def _full(self) -> bool:
        return self.total >= self._limits.connections or self.pending >= self._limits.pending

    def _full_from(self, address: str) -> bool:
        limits = self._limits
        return self._open[address] >= limits.per_address or self._pending[address] >= limits.pending_per_address
