"""Content: what a header frame says of a message, editing its size, and knowing when one is complete.

A header frame is read, and its size patched in place; it is never decoded and encoded (pamqp's are not byte-preserving).
AMQP 0-9-1 §2.3.5.2, §4.2.6; `CC` and `BCC`: RabbitMQ's sender-selected distribution, which routes to further keys.
"""

from dataclasses import dataclass, field
from typing import Final

from gateway.protocols.amqp.frames import HEADER, Frame, GarbledError, bodies, frame
from gateway.protocols.amqp.methods import Cursor, Method, array, shortstr, table, utf8

SIZE_AT: Final = 4
"""Where a header frame's payload holds the body size, in eight bytes."""
HEADER_LEAST: Final = 14
"""Bytes of a header frame's payload without any property."""
CONTENT: Final = frozenset(
    one.to_bytes(4, "big") for one in (Method.BASIC_DELIVER, Method.BASIC_RETURN, Method.BASIC_GET_OK)
)
"""The broker's methods that a content follows."""

_CLASS: Final = (60).to_bytes(2, "big")
_COPIES: Final = frozenset((b"CC", b"BCC"))
_LONGSTR, _ARRAY = ord("S"), ord("A")

# RabbitMQ's order of basic properties, from bit 15 of the flags down.
_NAMES: Final = (
    "content_type", "content_encoding", "headers", "delivery_mode", "priority", "correlation_id", "reply_to",
    "expiration", "message_id", "timestamp", "type", "user_id", "app_id", "cluster_id",
)  # fmt: skip
_FIXED: Final = {"delivery_mode": 1, "priority": 1, "timestamp": 8}


@dataclass(frozen=True, slots=True)
class Properties:
    """What the gateway reads of a content header. `copies`: further routing keys of CC and BCC."""

    size: int
    content_encoding: str = ""
    correlation_id: bytes = field(default=b"", repr=False)
    reply_to: str = ""
    user_id: str = ""
    app_id: str = ""
    copies: tuple[bytes, ...] = ()


def read_header(payload: bytes) -> Properties:
    """Read a header frame's payload. Raises GarbledError for anything but a basic content header, read to its last byte."""
    cursor = Cursor(payload, 2)
    if payload[:2] != _CLASS:
        raise GarbledError("a content of another class")
    cursor.number(2)
    size, flags = cursor.number(8), cursor.number(2)
    if flags & 3:
        raise GarbledError("flags that RabbitMQ does not have")
    found = {name: _property(cursor, name) for bit, name in enumerate(_NAMES) if flags & (1 << (15 - bit))}
    if cursor.at != len(payload):
        raise GarbledError("bytes behind the properties")
    return Properties(
        size,
        utf8(found.get("content_encoding", b"")),
        found.get("correlation_id", b""),
        utf8(found.get("reply_to", b"")),
        utf8(found.get("user_id", b"")),
        utf8(found.get("app_id", b"")),
        _copies(found.get("headers", b"")),
    )


def _property(cursor: Cursor, name: str) -> bytes:
    if name == "headers":
        return cursor.long()
    return cursor.raw(_FIXED[name]) if name in _FIXED else cursor.short()


def _copies(headers: bytes) -> tuple[bytes, ...]:
    found: list[bytes] = []
    for name, kind, value in table(headers):
        if name not in _COPIES:
            continue
        keys = array(value) if kind == _ARRAY else [(kind, value)]
        if any(one != _LONGSTR for one, _ in keys):
            raise GarbledError("a routing key that is no string")
        found += [key for _, key in keys]
        found += [b""] * (not keys)  # an empty list still is a CC header
    return tuple(found)


def resized(header: bytes, body: bytes, channel: int, frame_max: int) -> bytes:
    """Return the raw header frame with another body's size, and that body's frames."""
    at = 7 + SIZE_AT
    return header[:at] + len(body).to_bytes(8, "big") + header[at + 8 :] + bodies(channel, body, frame_max)


def content(channel: int, body: bytes, frame_max: int, **properties: str | bytes) -> bytes:
    """Return the header and body frames of a message of the gateway's own. `properties`: short strings by name."""
    given = {name: value for name, value in properties.items() if value}
    flags = sum(1 << (15 - _NAMES.index(name)) for name in given)
    texts = b"".join(shortstr(given[name]) for name in _NAMES if name in given)
    head = _CLASS + bytes(2) + len(body).to_bytes(8, "big") + flags.to_bytes(2, "big") + texts
    return frame(HEADER, channel, head) + bodies(channel, body, frame_max)


def mandatory(publish: bytes) -> bytes:
    """Return a raw Basic.Publish frame that the broker has to return where it can't route it."""
    return publish[:-2] + bytes([publish[-2] | 1]) + publish[-1:]


class Collected:
    """One content as its frames come. `properties` is None until the header was there; `frames` and `body` are as the peer
    sent them, but for body frames without a byte; `home`: it was published where the user's requests go.

    Invariant: a body is never longer than its header says; `complete` once it is as long.
    """

    __slots__ = ("_due", "body", "frames", "home", "keep", "properties")

    def __init__(self, *, keep: bool, home: bool = False) -> None:
        self.keep = keep
        self.home = home
        self.properties: Properties | None = None
        self.frames: list[bytes] = []
        self.body: list[bytes] = []
        self._due = 0

    def add(self, one: Frame) -> Properties:
        """Take the next frame of this content; return what its header says. Raises GarbledError where it is none."""
        properties = self.properties
        if (one.kind == HEADER) is not (properties is None):
            raise GarbledError("header and body out of order")
        if properties is None:
            self.properties = properties = read_header(one.payload)
            self._due = properties.size
            self._keep(one)
        elif payload := one.payload:
            self._due -= len(payload)
            if self._due < 0:
                raise GarbledError("a body longer than announced")
            self._keep(one, payload)
        return properties

    def _keep(self, one: Frame, *body: bytes) -> None:
        if self.keep:
            self.frames.append(one.raw)
            self.body += body

    @property
    def came(self) -> int:
        """Return how many bytes of the body were there."""
        return self.properties.size - self._due if self.properties else 0

    @property
    def complete(self) -> bool:
        """Say whether the last byte was there."""
        return self.properties is not None and self._due == 0

    def drop(self) -> None:
        """Keep nothing more, and forget what was kept."""
        self.keep = False
        self.frames, self.body = [], []


HEADER_DUE: Final = -1


class Contents:
    """Where the broker's contents are, channel by channel, so that a frame of the gateway's own goes between two.

    `due` is what channel `current` still lacks: bytes of a body, `HEADER_DUE`, or 0; `parked` holds what others lack.
    """

    __slots__ = ("current", "due", "parked")

    def __init__(self) -> None:
        self.current = -1
        self.due = 0
        self.parked: dict[int, int] = {}

    def between(self, channel: int) -> bool:
        """Say whether no content is under way on a channel."""
        return not (self.due if channel == self.current else self.parked.get(channel, 0))

    def switch(self, channel: int) -> int:
        """Make another channel the current one; return what it lacks."""
        if self.due:
            self.parked[self.current] = self.due
        self.current, self.due = channel, self.parked.pop(channel, 0)
        return self.due

    def passed(self, one: Frame) -> None:
        """Take note of a frame that went to the client."""
        if one.channel != self.current:
            self.switch(one.channel)
        if one.kind == HEADER:
            self.due = int.from_bytes(one.raw[11:19], "big")
        elif one.raw[7:11] in CONTENT and one.kind == 1:
            self.due = HEADER_DUE
        else:
            self.due = max(self.due - len(one.raw) + 8, 0) if one.kind == 3 else 0  # noqa: PLR2004 - a body frame
