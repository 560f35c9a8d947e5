"""AMQP 0-9-1 frames: where one ends, how one is made (AMQP 0-9-1 §2.3).

    type:1  channel:2  size:4  payload:size  0xCE

Must not know what a payload means. Whole frames only leave a `Stream`; what is unfinished waits in it, bounded.
"""

from struct import Struct
from typing import Final, NamedTuple

HEAD: Final = Struct(">BHI")
METHOD: Final = 1
HEADER: Final = 2
BODY: Final = 3
HEARTBEAT: Final = 8
END: Final = 0xCE
OVERHEAD: Final = 8
"""Bytes of a frame beside its payload: header and end octet."""
FIRST_LIMIT: Final = 8192
"""Largest frame before Tune (RabbitMQ's initial_frame_max is 4096, 8192 in 4.x)."""
LARGEST: Final = 131_072
"""frame_max where the broker sets no limit; RabbitMQ's default."""

PROTOCOL_HEADER: Final = b"AMQP\x00\x00\x09\x01"
HEARTBEAT_FRAME: Final = b"\x08\x00\x00\x00\x00\x00\x00\xce"

_KINDS: Final = frozenset((METHOD, HEADER, BODY, HEARTBEAT))
_HEAD_BYTES: Final = HEAD.size


class GarbledError(ValueError):
    """Bytes that are no AMQP 0-9-1. Raised and caught inside this package: it never leaves `AmqpDialect.feed`."""


class Frame(NamedTuple):
    """One whole frame: `raw` is what the peer sent, every byte of it."""

    kind: int
    channel: int
    raw: bytes

    @property
    def payload(self) -> bytes:
        """Return the bytes between the header and the end octet."""
        return self.raw[_HEAD_BYTES:-1]


def frame(kind: int, channel: int, payload: bytes) -> bytes:
    """Return one frame of the gateway's own, or with an edited payload."""
    return HEAD.pack(kind, channel, len(payload)) + payload + b"\xce"


def bodies(channel: int, body: bytes, frame_max: int) -> bytes:
    """Return a body as frames of at most `frame_max` bytes each, overhead included; b"" for an empty one."""
    most = frame_max - OVERHEAD
    return b"".join(frame(BODY, channel, body[at : at + most]) for at in range(0, len(body), most))


class Stream:
    """What arrived from one side and did not go on yet. Watch and dialect share it.

    Invariants: it begins at a frame boundary; `limit` bounds a payload, so an unfinished frame is at most limit + 8 bytes.
    `exact`: every chunk is the dialect's. `business`: a business message passed. `looked`: how many bytes at its
    beginning were looked at and may go on; `given`: the watch put the chunk in already.
    """

    __slots__ = ("_at", "_need", "business", "exact", "given", "held", "limit", "looked")

    def __init__(self) -> None:
        self.held: bytearray | None = None
        self._at = 0
        self._need = _HEAD_BYTES
        self.limit = FIRST_LIMIT
        self.exact = True
        self.business = False
        self.given = False
        self.looked = 0

    def __len__(self) -> int:
        return len(self.held) - self._at if self.held is not None else 0

    def add(self, data: bytes) -> None:
        """Append what arrived."""
        if self.given:
            self.given = False
        elif self.held is None:
            self.held = bytearray(data) if data else None
        else:
            self.held += data

    def prefix(self) -> bytes:
        """Take what the watch has looked at already."""
        data, self.looked = self.take(self.looked), 0
        return data

    def take(self, size: int) -> bytes:
        """Take the next `size` bytes, framed or not."""
        if self.held is None or not size:
            return b""
        data = bytes(self.held[self._at : self._at + size])
        self._at += size
        return data

    def peek(self, size: int) -> bytes:
        """Return up to `size` of the next bytes and leave them."""
        return bytes(self.held[self._at : self._at + size]) if self.held is not None else b""

    def next(self) -> Frame | None:
        """Take the next whole frame; None: there is none yet. Raises GarbledError for what can't become one."""
        held, at = self.held, self._at
        if held is None or len(held) - at < self._need:
            return None
        kind, channel, size = HEAD.unpack_from(held, at)
        if kind not in _KINDS or size > self.limit:
            raise GarbledError("no frame")
        end = at + size + OVERHEAD
        if end > len(held):
            self._need = size + OVERHEAD
            return None
        if held[end - 1] != END:
            raise GarbledError("no frame end")
        self._need, self._at = _HEAD_BYTES, end
        return Frame(kind, channel, bytes(held[at:end]))

    def back(self, one: Frame) -> None:
        """Put the frame that was taken last back."""
        self._at -= len(one.raw)

    def settle(self) -> None:
        """Forget what was taken."""
        if self.held is not None and self._at:
            rest = self.held[self._at :]
            self.held, self._at = rest or None, 0

    def clear(self) -> None:
        """Forget everything."""
        self.held, self._at, self._need, self.looked = None, 0, _HEAD_BYTES, 0

    # ── for the watch ──

    def joined(self, chunk: bytes) -> bytes:
        """Return what was held and `chunk` as one; b"" while that is no whole frame (it is kept then)."""
        held = self.held
        if held is None:
            return chunk
        if len(held) + len(chunk) < self._need:
            held += chunk
            return b""
        self.held, self._need = None, _HEAD_BYTES
        return b"".join((held, chunk))

    def hold(self, tail: bytes) -> bool:
        """Keep the beginning of a frame; False where it can't become one."""
        if len(tail) >= _HEAD_BYTES:
            kind, _, size = HEAD.unpack_from(tail, 0)
            if kind not in _KINDS or size > self.limit:
                return False
            self._need = size + OVERHEAD
        self.held = bytearray(tail)
        return True

    def odd(self, data: bytes, looked: int) -> None:
        """Leave `data` to the dialect; its first `looked` bytes may go on."""
        self.held, self._need = bytearray(data), _HEAD_BYTES
        self.looked, self.given = looked, True
