"""Numbers of the engine→client stream that the gateway used itself, and the arithmetic around them.

Engine number e is client-facing number c = e + the holes below c. With no holes both are the same.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable


class Holes:
    """An immutable set of client-facing numbers. Invariant: `to_engine(to_client(e)) == e`, and `to_client(e)` is no hole."""

    __slots__ = ("_shifts", "numbers")

    def __init__(self, numbers: Iterable[int] = ()) -> None:
        self.numbers = tuple(sorted(set(numbers)))
        self._shifts = [hole - index for index, hole in enumerate(self.numbers)]

    def __bool__(self) -> bool:
        return bool(self.numbers)

    def __contains__(self, number: int) -> bool:
        index = bisect_left(self.numbers, number)
        return index < len(self.numbers) and self.numbers[index] == number

    def with_hole(self, number: int) -> "Holes":
        """Return these holes and one more."""
        return Holes((*self.numbers, number))

    def to_client(self, engine: int) -> int:
        """Return the client-facing number of the engine's message `engine`."""
        return engine + bisect_right(self._shifts, engine)

    def to_engine(self, client: int) -> int:
        """Return the engine's number of the first of its messages at or behind client-facing `client`."""
        return client - bisect_left(self.numbers, client)

    def last_engine(self, client: int) -> int:
        """Return the engine's number of its last message at or before client-facing `client`; 0 for none."""
        return client - bisect_right(self.numbers, client)

    def behind(self, client: int) -> int:
        """Return the first number at or behind `client` that is no hole."""
        return self.to_client(self.to_engine(client))


NO_HOLES = Holes()
