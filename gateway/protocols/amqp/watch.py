"""The hot path: a loop over frame headers, and straight lines past whole messages (the client's are in `rows`).

From the client a publish's exchange and key are compared, as bytes, with those seen before; from the broker only where
contents end is kept, so that a frame of the gateway's own finds its place. What needs the exact look goes to the dialect, with
everything behind it. Whole frames only go on; an unfinished one stays in the stream, which the dialect shares.
The straight lines save time and decide nothing: they let by what the loop would let by as it came, and note the same.
"""

from struct import Struct
from typing import Final

from gateway.protocols.amqp.content import CONTENT, HEADER_DUE, HEADER_LEAST
from gateway.protocols.amqp.frames import BODY, END, HEAD, HEADER, HEARTBEAT, METHOD, OVERHEAD, GarbledError, Stream
from gateway.protocols.amqp.line import Line
from gateway.protocols.amqp.methods import Cursor, Method
from gateway.protocols.amqp.rows import HEADERS, Rows

MOST_SEEN: Final = 256
"""Arguments of publishes that are remembered as harmless; a client has a handful."""

_unpack = HEAD.unpack_from
_unpack_next = Struct(">BBHI").unpack_from
"""The end octet of one frame and the head of the next."""
_NEXT_HEADER: Final = Struct(">BBHI4xQ")
_unpack_next_header = _NEXT_HEADER.unpack_from
"""The same where the next is a header frame, and the body's size."""
_PUBLISH: Final = Method.BASIC_PUBLISH.to_bytes(4, "big")
_FREE: Final = frozenset(
    one.to_bytes(4, "big") for one in (Method.BASIC_ACK, Method.BASIC_NACK, Method.BASIC_REJECT, Method.BASIC_QOS)
)
_ACKS: Final = frozenset(one.to_bytes(4, "big") for one in (Method.BASIC_ACK, Method.BASIC_NACK))
_ACK_LENGTH: Final = 13
_FLAGS: Final = 19
"""Where a header frame has its property flags."""


class Watch:
    """What both directions share. `business` is the stream's: the dialect sets it too."""

    __slots__ = ("_line", "_stream")

    def __init__(self, line: Line, stream: Stream) -> None:
        self._line = line
        self._stream = stream

    @property
    def business(self) -> bool:
        """Whether a business message passed since this was last set to False (SF-10)."""
        return self._stream.business

    @business.setter
    def business(self, value: bool) -> None:
        self._stream.business = value

    def _rest(self, chunk: bytes, at: int) -> bytes | None:
        """Keep the unfinished frame from `at` on; return what goes on."""
        if self._stream.hold(chunk[at:]):
            return chunk[:at]
        return self._odd(chunk, at)

    def _odd(self, chunk: bytes, at: int) -> bytes | None:
        """Leave the chunk to the dialect, whose exact look begins at `at`."""
        self._stream.odd(chunk, at)
        return None


class ClientWatch(Watch):
    """Looks for publishes of the login's key, copies to it, and methods that the allow-list has to judge.

    Invariant: a publish whose arguments are not in `_seen` was compared with the login's key, and only then its message's beginning
    is made known to `_rows`.
    """

    __slots__ = ("_confirming", "_rows", "_seen", "_silent")

    def __init__(self, line: Line) -> None:
        super().__init__(line, line.up)
        self._confirming = line.confirming
        self._silent = frozenset(text.encode() for text in line.venue.heartbeats)
        self._seen: set[bytes] = set()
        self._rows = Rows(line, self._silent)

    def __call__(self, chunk: bytes) -> bytes | None:  # noqa: C901, PLR0911, PLR0912 - one loop: a call costs as much as a frame
        """Look at one chunk; see `gateway.core.dialect.Watch`."""
        stream = self._stream
        if stream.exact:
            return None
        if stream.held is not None and not (chunk := stream.joined(chunk)):
            return b""
        at, size, limit = self._rows.past(chunk, 0), len(chunk), stream.limit
        whole = size - OVERHEAD
        while at <= whole:
            kind, channel, length = _unpack(chunk, at)
            end = at + length + OVERHEAD
            if end > size:
                break
            if chunk[end - 1] != END or length > limit:
                return self._odd(chunk, at)
            if kind == METHOD:
                name = chunk[at + 7 : at + 11]
                if name == _PUBLISH:
                    end = self._published(chunk, at, channel, end)
                    if end == at:
                        return self._odd(chunk, at)
                elif name not in _FREE:
                    return self._odd(chunk, at)
            elif kind == BODY:
                if not stream.business and chunk[at + 7 : end - 1] not in self._silent:
                    stream.business = True
            elif kind == HEADER:
                if length < HEADER_LEAST or (chunk[at + _FLAGS] & HEADERS and chunk.find(b"CC", at, end) >= 0):
                    return self._odd(chunk, at)
            elif kind != HEARTBEAT:
                return self._odd(chunk, at)
            at = end
        return chunk if at == size else self._rest(chunk, at)

    def _published(self, chunk: bytes, at: int, channel: int, end: int) -> int:
        """Return where what goes on behind `at` ends: the publish, or the row of messages that it begins; `at` where it may not."""
        row = self._rows.past(chunk, at)
        if row > at:
            return row
        if chunk[at + 11 : end - 1] not in self._seen and not self._harmless(chunk[at + 11 : end - 1]):
            return at
        if channel in self._confirming:
            self._confirming[channel].sent += 1
        if end + HEAD.size <= len(chunk):
            self._rows.remember(chunk[at : end + HEAD.size], channel)
        return end

    def _harmless(self, arguments: bytes) -> bool:
        """Say whether a publish is none of the login's, and remember it."""
        line, cursor = self._line, Cursor(arguments, 2)
        try:
            cursor.short()
            key = cursor.short()
        except GarbledError:
            return False
        if cursor.at + 1 != len(arguments):  # also a bound of what is remembered
            return False
        if line.asks and key == line.venue.login_key.encode():
            return False
        if len(self._seen) >= MOST_SEEN:
            self._seen.clear()
        self._seen.add(arguments)
        return True


class BrokerWatch(Watch):
    """Keeps where contents end (`Contents`), and renumbers acks in place; what is on channel 0 is the dialect's."""

    __slots__ = ("_contents", "_counts", "_renumbering")

    def __init__(self, line: Line) -> None:
        super().__init__(line, line.down)
        self._contents = line.contents
        self._counts = line.venue.deliveries_count
        self._renumbering = line.renumbering

    def __call__(self, chunk: bytes) -> bytes | None:
        """Look at one chunk; see `gateway.core.dialect.Watch`. The straight line is one content, whole, or one ack."""
        stream, contents, size = self._stream, self._contents, len(chunk)
        if not OVERHEAD <= size <= stream.limit or stream.exact or stream.held is not None:
            return self._walk(chunk)
        kind, channel, length = _unpack(chunk)
        if kind != METHOD or channel != contents.current or chunk[-1] != END:
            return self._walk(chunk)
        at = length + OVERHEAD - 1
        if length == _ACK_LENGTH:
            if at + 1 != size or channel in self._renumbering or chunk[7:11] in CONTENT:
                return self._walk(chunk)
        elif at + _NEXT_HEADER.size > size:
            return self._walk(chunk)
        else:
            end, kind, other, length, due = _unpack_next_header(chunk, at)
            at += length + OVERHEAD
            if (
                (end, kind, other, at + 1 + due + OVERHEAD) != (END, HEADER, channel, size)
                or length < HEADER_LEAST
                or _unpack_next(chunk, at) != (END, BODY, channel, due)
            ):
                return self._walk(chunk)
            if self._counts:
                stream.business = True
        contents.due = 0
        return chunk

    def _walk(self, chunk: bytes) -> bytes | None:  # noqa: C901, PLR0912 - one loop: a call costs as much as a frame
        stream = self._stream
        if stream.exact:
            return None
        if stream.held is not None and not (chunk := stream.joined(chunk)):
            return b""
        contents, counts, limit = self._contents, self._counts, stream.limit
        renumbering = self._renumbering
        acks: list[int] = []
        current, due, method = contents.current, contents.due, -1
        at, size = 0, len(chunk)
        whole = size - OVERHEAD
        while at <= whole:
            kind, channel, length = _unpack(chunk, at)
            end = at + length + OVERHEAD
            if end > size:
                break
            if channel != current or length > limit or chunk[end - 1] != END:
                if method >= 0 and chunk[method + 7 : method + 11] in CONTENT:
                    due = HEADER_DUE
                contents.due = due
                if not channel or length > limit or chunk[end - 1] != END:
                    return self._odd(self._renumbered(chunk, acks), at)
                due, current = contents.switch(channel), channel
            method = -1
            if kind == BODY:
                due = due - length if due > length else 0
                if counts:
                    stream.business = True
            elif kind == METHOD:
                due, method = 0, at
                if channel in renumbering and chunk[at + 7 : at + 11] in _ACKS and length == _ACK_LENGTH:
                    acks.append(at)
            elif kind == HEADER and length >= HEADER_LEAST:
                due = int.from_bytes(chunk[at + 11 : at + 19], "big")
            else:
                contents.due = due
                return self._odd(self._renumbered(chunk, acks), at)
            at = end
        contents.due = HEADER_DUE if method >= 0 and chunk[method + 7 : method + 11] in CONTENT else due
        if acks:
            chunk = self._renumbered(chunk, acks)
        return chunk if at == size else self._rest(chunk, at)

    def _renumbered(self, chunk: bytes, acks: list[int]) -> bytes:
        """Return the chunk with the client's tags in the acks that begin at `acks`."""
        if not acks:
            return chunk
        edited = bytearray(chunk)
        for at in acks:
            confirms = self._renumbering[int.from_bytes(chunk[at + 1 : at + 3], "big")]
            tag = int.from_bytes(chunk[at + 11 : at + 19], "big")
            edited[at + 11 : at + 19] = confirms.clients(tag).to_bytes(8, "big")
        return bytes(edited)
