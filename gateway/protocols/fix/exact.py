"""The exact look: cuts a passing stream into messages, strays between them, and parts of messages too large to hold.

It decides nothing about what it finds. Bytes that could be the beginning of something the dialect must see whole are
left over, never more than a few of a stray and never more than `limit` of a message.
"""

from dataclasses import dataclass
from typing import Final

from gateway.protocols.fix.framing import Frame, Garbled, More, frame

LOGON: Final = b"35=A\x01"
_BEGIN: Final = b"8=FIX"


@dataclass(frozen=True, slots=True)
class Whole:
    """A framed message."""

    data: bytes
    body: int


@dataclass(frozen=True, slots=True)
class Stray:
    """Bytes that belong to no message."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a message larger than the limit: its beginning, its end, or something between."""

    data: bytes
    begins: bool
    ends: bool


Piece = Whole | Stray | Part


class Cutter:
    """One direction's exact framing. `lost`: strays have passed, so the peer may see other boundaries than we do."""

    __slots__ = ("_coming", "lost")

    def __init__(self) -> None:
        self._coming = 0
        self.lost = False

    @property
    def inside(self) -> bool:
        """Whether the beginning of a large message has passed and its end has not."""
        return self._coming > 0

    def cut(self, buffer: bytes, limit: int) -> tuple[list[Piece], bytes, int]:
        """Return the pieces, what is left over, and the size of the message it begins (0: not known)."""
        pieces: list[Piece] = []
        at = 0
        while at < len(buffer):
            if self._coming:
                at = self._part(buffer, at, pieces, begins=False)
                if self._coming:
                    break
                continue
            found = frame(buffer, at)
            match found:
                case Frame():
                    pieces.append(Whole(buffer[at : found.end], found.body - at))
                    at = found.end
                case More(size) if size <= limit and len(buffer) - at <= limit:
                    return pieces, buffer[at:], size
                case More(size):
                    self._coming = size
                    at = self._part(buffer, at, pieces, begins=True)
                    break
                case Garbled():
                    at, ended = self._stray(buffer, at, pieces)
                    if ended:
                        break
        return pieces, buffer[at:], 0

    def _part(self, buffer: bytes, at: int, pieces: list[Piece], *, begins: bool) -> int:
        end = min(at + self._coming, len(buffer))
        ends = end - at == self._coming
        if not ends:
            end -= _undecided(buffer[at:end])
        self._coming -= end - at
        self.lost = True
        if end > at or begins:
            pieces.append(Part(buffer[at:end], begins, ends))
        return end

    def _stray(self, buffer: bytes, at: int, pieces: list[Piece]) -> tuple[int, bool]:
        end = buffer.find(_BEGIN, at + 1)
        ended = end < 0
        if ended:
            end = len(buffer) - _undecided(buffer[at:])
        self.lost = True
        if end > at:
            pieces.append(Stray(buffer[at:end]))
        return end, ended


def _undecided(data: bytes) -> int:
    """Count the bytes at the end that may begin a message or a Logon's MsgType."""
    for size in range(len(_BEGIN) - 1, 0, -1):
        end = data[-size:]
        if len(end) == size and (_BEGIN.startswith(end) or LOGON.startswith(end)):
            return size
    return 0
