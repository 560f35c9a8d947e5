"""The straight line of the hot path: whole messages that begin as some before them, each in one look.

It saves time and decides nothing: it lets by what the loop of `ClientWatch` would let by frame for frame, and notes the same.
"""

from collections.abc import Callable
from struct import Struct
from typing import Any, Final, NamedTuple

from gateway.protocols.amqp.content import HEADER_LEAST
from gateway.protocols.amqp.frames import BODY, END, HEAD, HEADER, METHOD, OVERHEAD
from gateway.protocols.amqp.line import Line

MOST_KNOWN: Final = 256
"""Beginnings of messages that are remembered; a client has a handful."""
HEADERS: Final = 0x20
"""Of the first byte of property flags: there are headers, which may copy a message to further keys."""

_unpack = HEAD.unpack_from
_BEGINNING: Final = OVERHEAD + HEAD.size
"""Bytes beside its method of what begins a message: the publish's frame and the head of the next."""
_SHORTEST: Final = OVERHEAD + 9 + OVERHEAD + HEADER_LEAST + OVERHEAD
"""Bytes of a message without names, properties and body."""
_JOINT: Final = END << 8 | BODY
"""The end octet of a frame and the kind of the next, a body frame."""
_NOTHING: Final = (None, 0, 0, 0)
"""What is read where a chunk ends before the body would begin."""


class Alike(NamedTuple):
    """How messages begin: a publish and the head of a header frame. `read` gives of one that may begin so its beginning, the
    first byte of its property flags, its joint to a body frame, and that frame's length; the body is `body` bytes further.
    """

    beginning: bytes
    channel: int
    read: Callable[[bytes, int], tuple[Any, ...]]
    body: int


_NONE: Final = Alike(b"", 0, HEAD.unpack_from, 1 << 62)
"""Before the first: no chunk is as long."""


def alike(beginning: bytes, channel: int, header: int) -> Alike:
    """Return how messages begin whose header frame has a payload of `header` bytes, which is what `beginning` ends with."""
    shape = Struct(f">{len(beginning)}s12xB{header - 13}xH2xI")
    return Alike(beginning, channel, shape.unpack_from, shape.size)


class Rows:
    """Invariants: `_known` has beginnings of messages that are no login's, whose header frame is within the limits; `_last` is
    how the last message of a row began.
    """

    __slots__ = ("_confirming", "_known", "_last", "_silent", "_stream")

    def __init__(self, line: Line, silent: frozenset[bytes]) -> None:
        self._stream = line.up
        self._confirming = line.confirming
        self._silent = silent
        self._known: dict[bytes, Alike] = {}
        self._last = _NONE

    def past(self, chunk: bytes, at: int) -> int:
        """Return where the messages end that stand from `at` on, are whole, and begin as is known; `at` where there is none."""
        stream, confirming = self._stream, self._confirming
        beginning, channel, read, body = self._last
        size, limit = len(chunk), stream.limit
        last, room = size - _SHORTEST, size - body
        while at <= last:
            begins, flags, joint, length = read(chunk, at) if at < room else _NOTHING
            if begins != beginning:
                kind, _, length = _unpack(chunk, at)
                known = self._known.get(chunk[at : at + length + _BEGINNING]) if kind == METHOD else None
                if known is None or at + known.body >= size:
                    break
                self._last = beginning, channel, read, body = known
                room = size - body
                continue
            end = at + body + length
            if joint != _JOINT or length > limit or end >= size or chunk[end] != END:
                break
            if flags & HEADERS and chunk.find(b"CC", at, at + body) >= 0:
                break
            if not stream.business and chunk[at + body : end] not in self._silent:
                stream.business = True
            if channel in confirming:
                confirming[channel].sent += 1
            at = end + 1
        return at

    def remember(self, beginning: bytes, channel: int) -> None:
        """Remember how a message begins that is no login's: its publish, and the seven bytes behind it."""
        kind, _, length = _unpack(beginning, len(beginning) - HEAD.size)
        if beginning in self._known or kind != HEADER or not HEADER_LEAST <= length <= self._stream.limit:
            return
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._last = self._known[beginning] = alike(beginning, channel, length)
