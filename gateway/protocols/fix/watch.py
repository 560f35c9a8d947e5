"""The hot path: one look at a chunk, not at a message.

From the client a chunk is forwarded at once if the lengths its headers announce add up to the chunk itself: then it holds
whole messages and nothing else, whatever its data fields imitate (every imitation adds length), so both its ends are true
message boundaries. The engine is not guarded against: there the last message's end is enough, and `settle` finds out what
it was worth. An unfinished last message is held back. A session-level message, or anything odd, goes to the dialect.
It edits nothing, keeps no message but the last chunk (for its MsgSeqNum, read when needed), and knows no clock.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from gateway.core.dialect import Side
from gateway.protocols.fix.fields import scan, values
from gateway.protocols.fix.framing import TRAILER, Frame, More, frame

LARGEST_HELD: Final = 65_536
"""Bytes of an unfinished message that are held back; of a larger one the dialect passes on what is there."""

LARGEST_CACHE: Final = 4096
UNREAD: Final = 1 << 60
"""The length of a header that can't be read: no sum with it in it can be a chunk's."""
KEY: Final = 24
"""Bytes that hold a header and MsgType: `8=FIX.4.4|9=152|35=D|` and a little of the next field."""

_CLIENT = re.compile(rb"35=[A245]\x01").search
_UPSTREAM = re.compile(rb"35=[A45]\x01").search
_BUSINESS = re.compile(rb"\x0135=(?:[^0-5A\x01]|[0-5A][^\x01])").search
_NUMBERED: Final = frozenset((b"34", b"43"))
_BEGIN: Final = b"8=FIX"
_CHECKSUM: Final = b"\x0110="


class _Lengths(dict[bytes, int]):
    """BodyLength's digits to their value plus their own length; int() of bytes costs five look-ups."""

    def __missing__(self, digits: bytes) -> int:
        if len(self) >= LARGEST_HELD:
            self.clear()
        size = self[digits] = int(digits) + len(digits) if digits else UNREAD
        return size


class _Sizes(dict[bytes, int]):
    """The first `KEY` bytes of a message to its size; 0 for a MsgType that is the dialect's and for what is no header.

    One look-up instead of a match: the bytes behind MsgType in the key are nearly always the same few.
    """

    __slots__ = ("_match", "_overhead")

    def __init__(self, begin: bytes, types: bytes) -> None:
        super().__init__()
        pattern = rb"8=%b\x019=([0-9]{1,7})\x0135=(?![%b]\x01)[^\x01]{1,2}\x01" % (re.escape(begin), types)
        self._match = re.compile(pattern).match
        self._overhead = _overhead(begin)

    def __missing__(self, key: bytes) -> int:
        if len(self) >= LARGEST_CACHE:
            self.clear()
        head = self._match(key)
        size = self[key] = self._overhead + _LENGTHS[head[1]] if head else 0
        return size


_LENGTHS = _Lengths()
_length_of = _LENGTHS.__getitem__


def _overhead(begin: bytes) -> int:
    return len(begin) + len(b"8=\x019=\x01") + TRAILER


@lru_cache(maxsize=32)
def _sizes(begin: bytes, types: bytes) -> _Sizes:
    return _Sizes(begin, types)


@lru_cache(maxsize=32)
def _headers(begin: bytes) -> Callable[[bytes], list[bytes]]:
    return re.compile(
        rb"8=%b\x019=([0-9]{1,12})\x01|8=FIX" % re.escape(begin)
    ).findall  # b"" for a header it can't read


class FixWatch:
    """One direction of a passing session.

    Invariants: what it forwards ends at a true message boundary, and holds no MsgType that is the dialect's (nor an
    imitation of one); `tail` is what was held back; `last` the last forwarded chunk, until `settle` reads its `number`.
    While `exact` is set every chunk is the dialect's.
    """

    # fmt: off
    __slots__ = (
        "_business", "_find_all", "_need", "_odd", "_overhead", "_sizes", "_trusted", "exact", "last", "lost", "number", "tail",
    )
    # fmt: on

    def __init__(self, side: Side, begin: bytes) -> None:
        types = b"A245" if side is Side.CLIENT else b"A45"
        self._odd = _CLIENT if side is Side.CLIENT else _UPSTREAM
        self._trusted = side is Side.UPSTREAM
        self._sizes, self._find_all, self._overhead = _sizes(begin, types), _headers(begin), _overhead(begin)
        self._need = 0
        self._business = False
        self.exact = False
        self.tail = b""
        self.last = b""
        self.number = 0
        self.lost = False

    @property
    def business(self) -> bool:
        """Whether a business message passed since this was last set to False (SF-10)."""
        return self._business

    @business.setter
    def business(self, value: bool) -> None:
        self._business = value
        self.settle()  # the janitor's visit: an idle session pins a number, not a receive buffer

    def __call__(self, chunk: bytes) -> bytes | None:
        """Look at one chunk; see `gateway.core.dialect.Watch`."""
        if self.tail or self.exact:
            return self._joined(chunk)
        if (
            self._sizes[chunk[:KEY]] == len(chunk)
            and (self._trusted or self._odd(chunk) is None)
            and chunk[-8:-4] == _CHECKSUM
            and chunk[-1] == 1
        ):
            if not self._business and _BUSINESS(chunk):
                self._business = True
            self.last = chunk
            return chunk
        return self._several(chunk)

    def hold(self, tail: bytes, need: int) -> None:
        """Keep the beginning of a message; `need` is its whole size, 0 where that is not known yet."""
        self.tail, self._need = tail, need

    def _joined(self, chunk: bytes) -> bytes | None:
        if self.exact:
            return None
        held = self.tail
        if len(held) + len(chunk) < self._need:
            self.tail = held + chunk
            return b""
        need, self.tail = self._need, b""
        out = self(held + chunk)
        if out is None:
            self.hold(held, need)
        return out

    def settle(self) -> None:
        """Read the newest MsgSeqNum out of the last forwarded chunk into `number`; `lost` where it can't be read."""
        if self.last:
            found = newest(self.last, self._sizes)
            self.number, self.lost = found or self.number, found is None
            self.last = b""

    def _several(self, chunk: bytes) -> bytes | None:
        if self._odd(chunk):
            return None
        return self._by_the_last(chunk) if self._trusted else self._by_the_sum(chunk)

    def _by_the_sum(self, chunk: bytes) -> bytes | None:
        lengths = self._find_all(chunk)
        total = self._overhead * len(lengths) + sum(map(_length_of, lengths))
        if total == len(chunk):
            return self._forward(chunk) if chunk[-8:-4] == _CHECKSUM and chunk[-1] == 1 else None
        if total < len(chunk):
            return self._split(chunk, total, 0)
        if lengths[-1]:
            last = self._overhead + _length_of(lengths[-1])
            return self._split(chunk, total - last, last)
        at = total - UNREAD - self._overhead  # the last header is unfinished: then it stands just behind the others
        return self._split(chunk, at, 0) if 0 <= at < len(chunk) and chunk.startswith(_BEGIN, at) else None

    def _by_the_last(self, chunk: bytes) -> bytes | None:
        at = chunk.rfind(_BEGIN)
        if at < 0:
            return self._split(chunk, 0, 0)
        if not chunk.startswith(_BEGIN):
            return None
        last = frame(chunk, at)
        match last:
            case Frame(end=end) if end == len(chunk):
                return self._forward(chunk)
            case Frame(end=end):
                return self._split(chunk, end, 0)
            case More(size):
                return self._split(chunk, at, size)
        return None

    def _split(self, chunk: bytes, at: int, need: int) -> bytes | None:
        ended = at == 0 or (chunk[at - 8 : at - 4] == _CHECKSUM and chunk[at - 1] == 1)
        if not ended or need > LARGEST_HELD or not isinstance(frame(chunk, at), More):
            return None
        self.hold(chunk[at:], need)
        return self._forward(chunk[:at]) if at else b""

    def _forward(self, chunk: bytes) -> bytes:
        if not self._business and _BUSINESS(chunk):
            self._business = True
        self.last = chunk
        return chunk


def newest(chunk: bytes, sizes: _Sizes) -> int | None:
    """Return the MsgSeqNum of the last message that is no PossDup; None where the chunk is not whole messages."""
    ends = [0]
    while ends[-1] < len(chunk):
        at = ends[-1]
        ends.append(at + (sizes[chunk[at : at + KEY]] or _size(chunk, at)))
        if ends[-1] == at:
            return None
    if ends[-1] > len(chunk):
        return None
    messages = (chunk[start:end] for start, end in zip(reversed(ends[:-1]), reversed(ends), strict=False))
    return next((number for message in messages if (number := _live_number(message))), None)


def _size(chunk: bytes, at: int) -> int:
    found = frame(chunk, at)
    return found.end - at if isinstance(found, Frame) else 0


def _live_number(message: bytes) -> int | None:
    header = values(message, scan(message) or (), _NUMBERED)
    if header.get(b"43") == [b"Y"] or not header.get(b"34", [b""])[0].isdigit():
        return None
    return int(header[b"34"][0])
