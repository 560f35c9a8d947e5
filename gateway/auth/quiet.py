"""Keeps a peer that knocks a thousand times from writing a thousand audit rows; it says how many it kept back."""

from collections import OrderedDict
from collections.abc import Hashable


class Quiet:
    """Lets one event of a kind through per `every` seconds. Invariant: at most `kinds` are remembered."""

    def __init__(self, every: float = 60.0, kinds: int = 10_000) -> None:
        self._every = every
        self._kinds = kinds
        self._seen: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()

    def lets(self, kind: Hashable, now: float) -> int | None:
        """Return how many were kept back since the last one, or None: keep this one back too. `now` is monotonic."""
        last, kept = self._seen.get(kind, (-self._every, 0))
        if now - last < self._every:
            self._seen[kind] = (last, kept + 1)
            return None
        self._seen[kind] = (now, 0)
        self._seen.move_to_end(kind)
        if len(self._seen) > self._kinds:
            self._seen.popitem(last=False)
        return kept
