"""The few methods that the gateway reads or writes (AMQP 0-9-1 §4), by the numbers of their class and method.

Reads with a cursor, never builds a peer's method anew. Field tables are walked in RabbitMQ's own grammar
(rabbit_binary_parser), so that nothing can be read here as one thing and there as another.
"""

from enum import IntEnum
from struct import Struct
from struct import error as StructError  # noqa: N812 - it is an exception's name
from typing import Final

from gateway.protocols.amqp.frames import METHOD, GarbledError, frame


def _id(of_class: int, method: int) -> int:
    return of_class << 16 | method


class Method(IntEnum):
    """Class and method number, as the first four bytes of a method frame's payload hold them."""

    CONNECTION_START = _id(10, 10)
    CONNECTION_START_OK = _id(10, 11)
    CONNECTION_TUNE = _id(10, 30)
    CONNECTION_TUNE_OK = _id(10, 31)
    CONNECTION_OPEN = _id(10, 40)
    CONNECTION_OPEN_OK = _id(10, 41)
    CONNECTION_CLOSE = _id(10, 50)
    CONNECTION_CLOSE_OK = _id(10, 51)
    CONNECTION_UPDATE_SECRET = _id(10, 70)
    CONNECTION_UPDATE_SECRET_OK = _id(10, 71)
    CHANNEL_OPEN = _id(20, 10)
    CHANNEL_OPEN_OK = _id(20, 11)
    CHANNEL_FLOW = _id(20, 20)
    CHANNEL_FLOW_OK = _id(20, 21)
    CHANNEL_CLOSE = _id(20, 40)
    CHANNEL_CLOSE_OK = _id(20, 41)
    EXCHANGE_DECLARE = _id(40, 10)
    EXCHANGE_DELETE = _id(40, 20)
    EXCHANGE_BIND = _id(40, 30)
    EXCHANGE_UNBIND = _id(40, 40)
    QUEUE_DECLARE = _id(50, 10)
    QUEUE_DECLARE_OK = _id(50, 11)
    QUEUE_BIND = _id(50, 20)
    QUEUE_PURGE = _id(50, 30)
    QUEUE_DELETE = _id(50, 40)
    QUEUE_UNBIND = _id(50, 50)
    BASIC_QOS = _id(60, 10)
    BASIC_CONSUME = _id(60, 20)
    BASIC_CONSUME_OK = _id(60, 21)
    BASIC_CANCEL = _id(60, 30)
    BASIC_CANCEL_OK = _id(60, 31)
    BASIC_PUBLISH = _id(60, 40)
    BASIC_RETURN = _id(60, 50)
    BASIC_DELIVER = _id(60, 60)
    BASIC_GET = _id(60, 70)
    BASIC_GET_OK = _id(60, 71)
    BASIC_ACK = _id(60, 80)
    BASIC_REJECT = _id(60, 90)
    BASIC_RECOVER_ASYNC = _id(60, 100)
    BASIC_RECOVER = _id(60, 110)
    BASIC_NACK = _id(60, 120)
    CONFIRM_SELECT = _id(85, 10)


class Code(IntEnum):
    """Reply codes (AMQP 0-9-1 §1.5)."""

    SUCCESS = 200
    CONNECTION_FORCED = 320
    ACCESS_REFUSED = 403
    CHANNEL_ERROR = 504
    UNEXPECTED_FRAME = 505
    NOT_ALLOWED = 530
    NOT_IMPLEMENTED = 540


class Cursor:
    """Reads one payload from its beginning. Every read raises GarbledError where the bytes are not there."""

    __slots__ = ("_data", "at")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data = data
        self.at = at

    def number(self, size: int) -> int:
        """Read an unsigned number of `size` bytes."""
        return int.from_bytes(self.raw(size), "big")

    def raw(self, size: int) -> bytes:
        """Read `size` bytes."""
        data = self._data[self.at : self.at + size]
        if len(data) != size:
            raise GarbledError("a field is cut short")
        self.at += size
        return data

    def short(self) -> bytes:
        """Read a shortstr."""
        return self.raw(self.number(1))

    def long(self) -> bytes:
        """Read a longstr, or a whole field table."""
        return self.raw(self.number(4))

    def text(self) -> str:
        """Read a shortstr as UTF-8."""
        return utf8(self.short())

    def rest(self) -> bytes:
        """Read everything that is left."""
        data, self.at = self._data[self.at :], len(self._data)
        return data


def utf8(data: bytes) -> str:
    """Decode, or raise GarbledError."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise GarbledError("not UTF-8") from None


_SIZES: Final = {
    kind: size
    for kinds, size in ((b"tbB", 1), (b"su", 2), (b"Iif", 4), (b"D", 5), (b"lTd", 8), (b"V", 0))
    for kind in kinds
}
_LONG: Final = frozenset(b"SFAx")


def table(data: bytes) -> list[tuple[bytes, int, bytes]]:
    """Return the fields of a field table, nested ones unopened: name, type octet, value. Raises GarbledError."""
    cursor, found = Cursor(data), []
    while cursor.at < len(data):
        name = cursor.short()
        found.append((name, *_value(cursor)))
    return found


def array(data: bytes) -> list[tuple[int, bytes]]:
    """Return the values of a field array: type octet, value. Raises GarbledError."""
    cursor, found = Cursor(data), []
    while cursor.at < len(data):
        found.append(_value(cursor))
    return found


def _value(cursor: Cursor) -> tuple[int, bytes]:
    kind = cursor.number(1)
    if kind in _LONG:
        return kind, cursor.long()
    if kind not in _SIZES:
        raise GarbledError("an unknown field type")
    return kind, cursor.raw(_SIZES[kind])


# ── the gateway's own ───────────────────────────────────────────────────────────────────────────────────────────────


def shortstr(value: str | bytes) -> bytes:
    """Return a shortstr; what is over 255 bytes is cut, at a character."""
    raw = value.encode() if isinstance(value, str) else value
    if len(raw) > 255:  # noqa: PLR2004 - a shortstr's most
        raw = raw[:255].decode(errors="ignore").encode()
    return bytes([len(raw)]) + raw


def longstr(value: bytes) -> bytes:
    """Return a longstr."""
    return len(value).to_bytes(4, "big") + value


def method(channel: int, name: Method, arguments: bytes = b"") -> bytes:
    """Return a method frame."""
    return frame(METHOD, channel, name.to_bytes(4, "big") + arguments)


def close_connection(code: int, text: str) -> bytes:
    """Return Connection.Close."""
    return method(0, Method.CONNECTION_CLOSE, code.to_bytes(2, "big") + shortstr(text) + bytes(4))


def close_channel(channel: int, code: int, text: str, of: int = 0) -> bytes:
    """Return Channel.Close; `of` is the method that was not taken."""
    return method(channel, Method.CHANNEL_CLOSE, code.to_bytes(2, "big") + shortstr(text) + of.to_bytes(4, "big"))


_ACK: Final = Struct(">QB")


def ack(channel: int, tag: int, name: Method = Method.BASIC_ACK, bits: int = 0) -> bytes:
    """Return Basic.Ack or Basic.Nack. Bit 0 is `multiple`."""
    return method(channel, name, _ACK.pack(tag, bits))


def read_ack(payload: bytes) -> tuple[int, int]:
    """Return delivery tag and bits of Basic.Ack or Basic.Nack."""
    try:
        tag, bits = _ACK.unpack_from(payload, 4)
    except StructError:
        raise GarbledError("a field is cut short") from None
    return tag, bits


def publish(channel: int, exchange: str, key: str, *, mandatory: bool) -> bytes:
    """Return Basic.Publish."""
    return method(channel, Method.BASIC_PUBLISH, bytes(2) + shortstr(exchange) + shortstr(key) + bytes([mandatory]))


def deliver(channel: int, consumer: bytes, tag: int, key: str) -> bytes:
    """Return Basic.Deliver from the default exchange."""
    return method(
        channel,
        Method.BASIC_DELIVER,
        shortstr(consumer) + tag.to_bytes(8, "big") + b"\0" + shortstr("") + shortstr(key),
    )
