"""Bytes that wait for their turn, and when they came: a code is judged by that (BY-4)."""

from gateway.core.login import Moment


class Held:
    """Bytes of one side, in order; its length is theirs.

    What came within one second of the wall clock is one piece, as of its last byte: codes change on whole seconds, and a peer
    that sends byte by byte costs no more than another.
    """

    __slots__ = ("_pieces", "_size")

    def __init__(self) -> None:
        self._pieces: list[tuple[bytes, Moment]] = []
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, data: bytes, arrived: Moment) -> None:
        """Append what arrived."""
        if self._pieces and int(self._pieces[-1][1].wall) == int(arrived.wall):
            data = self._pieces.pop()[0] + data
        self._pieces.append((data, arrived))
        self._size = sum(len(piece) for piece, _ in self._pieces)

    def first(self) -> tuple[bytes, Moment]:
        """Take the first piece, and when its last byte came."""
        data, arrived = self._pieces.pop(0)
        self._size -= len(data)
        return data, arrived

    def all(self) -> bytes:
        """Take everything."""
        data = b"".join(piece for piece, _ in self._pieces)
        self.clear()
        return data

    def clear(self) -> None:
        """Drop everything."""
        self._pieces, self._size = [], 0
