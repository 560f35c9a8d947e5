"""AMQP 0-9-1 bytes for tests: just enough to write frames by hand, right or wrong, and to read what comes back.

Written from the specification alone (AMQP 0-9-1, sections 2.3 and 4.2), so that no codec is shared with the gateway or the
simulators. It must not know sockets or M7.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

HEADER = b"AMQP\0\0\x09\x01"
METHOD, CONTENT, BODY, HEARTBEAT = 1, 2, 3, 8
END = b"\xce"
IDS = {
    "connection.start": (10, 10),
    "connection.start-ok": (10, 11),
    "connection.tune": (10, 30),
    "connection.tune-ok": (10, 31),
    "connection.open": (10, 40),
    "connection.open-ok": (10, 41),
    "connection.close": (10, 50),
    "connection.close-ok": (10, 51),
    "connection.blocked": (10, 60),
    "connection.unblocked": (10, 61),
    "connection.update-secret": (10, 70),
    "connection.update-secret-ok": (10, 71),
    "channel.open": (20, 10),
    "channel.open-ok": (20, 11),
    "channel.close": (20, 40),
    "channel.close-ok": (20, 41),
    "exchange.declare": (40, 10),
    "exchange.declare-ok": (40, 11),
    "exchange.delete": (40, 20),
    "exchange.delete-ok": (40, 21),
    "exchange.bind": (40, 30),
    "exchange.bind-ok": (40, 31),
    "queue.declare": (50, 10),
    "queue.declare-ok": (50, 11),
    "queue.bind": (50, 20),
    "queue.bind-ok": (50, 21),
    "basic.consume": (60, 20),
    "basic.consume-ok": (60, 21),
    "basic.publish": (60, 40),
    "basic.return": (60, 50),
    "basic.deliver": (60, 60),
    "basic.get": (60, 70),
    "basic.get-ok": (60, 71),
    "basic.get-empty": (60, 72),
    "basic.ack": (60, 80),
    "basic.nack": (60, 120),
    "confirm.select": (85, 10),
    "confirm.select-ok": (85, 11),
    "tx.select": (90, 10),
}
NAMES = {ids: name for name, ids in IDS.items()}
PROPERTIES = (  # name, flag bit, in the order of the wire (basic class)
    ("content_type", 15),
    ("content_encoding", 14),
    ("headers", 13),
    ("delivery_mode", 12),
    ("priority", 11),
    ("correlation_id", 10),
    ("reply_to", 9),
    ("expiration", 8),
    ("message_id", 7),
    ("timestamp", 6),
    ("type", 5),
    ("user_id", 4),
    ("app_id", 3),
)


@dataclass(frozen=True)
class Frame:
    """One frame as it came."""

    kind: int
    channel: int
    payload: bytes


@dataclass(frozen=True)
class Method:
    """A method frame taken apart as far as its name; the arguments stay bytes."""

    name: str
    channel: int
    arguments: bytes

    @property
    def closing(self) -> tuple[int, str]:
        """Code and text of a connection.close or channel.close."""
        return struct.unpack_from("!H", self.arguments)[0], text_at(self.arguments, 2)

    @property
    def acked(self) -> tuple[int, bool]:
        """Delivery tag and `multiple` of a basic.ack or basic.nack."""
        tag, bits = struct.unpack_from("!QB", self.arguments)
        return tag, bool(bits & 1)


@dataclass(frozen=True)
class Content:
    """A whole message: how it came (deliver, get-ok, return), its properties and body."""

    method: Method
    body: bytes
    properties: Mapping[str, str] = field(default_factory=dict)

    @property
    def exchange(self) -> str:
        at = 9 if self.method.name == "basic.get-ok" else 1 + self.method.arguments[0] + 9
        return text_at(self.method.arguments, at)

    @property
    def tag(self) -> int:
        at = 0 if self.method.name == "basic.get-ok" else 1 + self.method.arguments[0]
        return int(struct.unpack_from("!Q", self.method.arguments, at)[0])


def text_at(data: bytes, at: int) -> str:
    """Read a short string."""
    return data[at + 1 : at + 1 + data[at]].decode(errors="replace")


def short(text: str | bytes) -> bytes:
    """A short string: one byte of length."""
    data = text.encode() if isinstance(text, str) else text
    return bytes([len(data)]) + data


def long(data: str | bytes) -> bytes:
    """A long string: four bytes of length."""
    data = data.encode() if isinstance(data, str) else data
    return struct.pack("!I", len(data)) + data


def table(fields: Mapping[str, object]) -> bytes:
    """A field table of strings, integers, booleans and tables."""
    return long(b"".join(short(name) + _value(value) for name, value in fields.items()))


def _value(value: object) -> bytes:
    match value:
        case bool():
            return b"t" + bytes([value])
        case int():
            return b"I" + struct.pack("!i", value)
        case Mapping():
            return b"F" + table(value)
    return b"S" + long(str(value))


def frame(kind: int, channel: int, payload: bytes) -> bytes:
    """One frame; nothing checks that it makes sense."""
    return struct.pack("!BHI", kind, channel, len(payload)) + payload + END


def method(name: str, channel: int, arguments: bytes = b"") -> bytes:
    """A method frame."""
    return frame(METHOD, channel, struct.pack("!HH", *IDS[name]) + arguments)


HEARTBEAT_FRAME = frame(HEARTBEAT, 0, b"")


def start_ok(mechanism: str, response: bytes, locale: str = "en_US") -> bytes:
    capabilities = {
        "capabilities": {"authentication_failure_close": True, "connection.blocked": True, "basic.nack": True}
    }
    return method("connection.start-ok", 0, table(capabilities) + short(mechanism) + long(response) + short(locale))


def tune_ok(channels: int, frame_max: int, heartbeat: int) -> bytes:
    return method("connection.tune-ok", 0, struct.pack("!HIH", channels, frame_max, heartbeat))


def connection_open(vhost: str) -> bytes:
    return method("connection.open", 0, short(vhost) + b"\0\0")


def connection_close(code: int = 200, text: str = "bye") -> bytes:
    return method("connection.close", 0, struct.pack("!H", code) + short(text) + bytes(4))


def update_secret(secret: str, reason: str = "renewal") -> bytes:
    return method("connection.update-secret", 0, long(secret) + short(reason))


def channel_open(channel: int) -> bytes:
    return method("channel.open", channel, b"\0")


def channel_close(channel: int) -> bytes:
    return method("channel.close", channel, struct.pack("!H", 200) + short("bye") + bytes(4))


PASSIVE, DURABLE, EXCLUSIVE, AUTO_DELETE = 1, 2, 4, 8


def queue_declare(channel: int, queue: str, bits: int = EXCLUSIVE | AUTO_DELETE, **arguments: object) -> bytes:
    named = {name.replace("_", "-"): value for name, value in arguments.items()}
    return method("queue.declare", channel, bytes(2) + short(queue) + bytes([bits]) + table(named))


def queue_bind(channel: int, queue: str, exchange: str, key: str = "") -> bytes:
    return method("queue.bind", channel, bytes(2) + short(queue) + short(exchange) + short(key) + b"\0" + table({}))


def exchange_declare(channel: int, exchange: str, kind: str = "topic", **arguments: object) -> bytes:
    named = {name.replace("_", "-"): value for name, value in arguments.items()}
    return method("exchange.declare", channel, bytes(2) + short(exchange) + short(kind) + b"\0" + table(named))


def exchange_bind(channel: int, destination: str, source: str, key: str = "#") -> bytes:
    return method(
        "exchange.bind", channel, bytes(2) + short(destination) + short(source) + short(key) + b"\0" + table({})
    )


NO_ACK = 2


def consume(channel: int, queue: str, tag: str = "", bits: int = NO_ACK) -> bytes:
    return method("basic.consume", channel, bytes(2) + short(queue) + short(tag) + bytes([bits]) + table({}))


def get(channel: int, queue: str) -> bytes:
    return method("basic.get", channel, bytes(2) + short(queue) + b"\1")


def confirm_select(channel: int) -> bytes:
    return method("confirm.select", channel, b"\0")


def tx_select(channel: int) -> bytes:
    return method("tx.select", channel)


def header(channel: int, size: int, **properties: str | int) -> bytes:
    """A content header frame that announces that many bytes."""
    flags, values = 0, b""
    for name, bit in PROPERTIES:
        if name in properties:
            flags |= 1 << bit
            value = properties[name]
            values += bytes([value]) if isinstance(value, int) else short(value)
    return frame(CONTENT, channel, struct.pack("!HHQH", 60, 0, size, flags) + values)


def publish_method(channel: int, exchange: str, key: str, *, mandatory: bool = False) -> bytes:
    return method("basic.publish", channel, bytes(2) + short(exchange) + short(key) + bytes([mandatory]))


def pieces(channel: int, body: bytes, size: int) -> list[bytes]:
    """The body frames, each with at most `size` bytes of the body."""
    return [frame(BODY, channel, body[at : at + size]) for at in range(0, len(body), size)]


def publish(
    channel: int,
    exchange: str,
    key: str,
    body: bytes,
    *,
    split: int = 100_000,
    mandatory: bool = False,
    **properties: str | int,
) -> bytes:
    """A whole message: method, header, body frames of at most `split` bytes of body each."""
    head = publish_method(channel, exchange, key, mandatory=mandatory) + header(channel, len(body), **properties)
    return head + b"".join(pieces(channel, body, split))


def read_properties(payload: bytes) -> tuple[int, dict[str, str]]:
    """Return body size and the properties of a content header; tables and numbers are left out."""
    size, flags = struct.unpack_from("!QH", payload, 4)
    at, found = 14, {}
    for name, bit in PROPERTIES:
        if not flags & 1 << bit:
            continue
        if name == "headers":
            at += 4 + struct.unpack_from("!I", payload, at)[0]
        elif name in {"delivery_mode", "priority"}:
            at += 1
        elif name == "timestamp":
            at += 8
        else:
            found[name] = text_at(payload, at)
            at += 1 + payload[at]
    return size, found
