"""FIX messages as bytes, for peers that no engine would be: they miscount, stay silent, or send garbage.

A codec of its own, so that a bug in the gateway's can't cancel itself. It must not check what it builds.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

SOH = b"\x01"
_LENGTH_OF = {96: 95, 355: 354, 1402: 1401, 1404: 1403, 91: 90, 213: 212}
Field = tuple[int, str | int | bytes]


@dataclass(frozen=True)
class Message:
    """One received message. `fields` keeps order and duplicates; `raw` is every byte of it."""

    fields: tuple[tuple[int, bytes], ...]
    raw: bytes

    def __getitem__(self, tag: int) -> str:
        """Return the first value of a tag as text, KeyError if it isn't there."""
        for found, value in self.fields:
            if found == tag:
                return value.decode("latin-1")
        raise KeyError(tag)

    def get(self, tag: int, default: str = "") -> str:
        """Return the first value of a tag as text."""
        try:
            return self[tag]
        except KeyError:
            return default

    @property
    def seq(self) -> int:
        """MsgSeqNum(34)."""
        return int(self[34])

    @property
    def type(self) -> str:
        """MsgType(35)."""
        return self[35]


def build(begin_string: str, fields: Iterable[Field]) -> bytes:
    """Return the bytes of a message: BeginString, BodyLength, the fields as they stand, CheckSum."""
    body = b"".join(b"%d=%b\x01" % (tag, _bytes(value)) for tag, value in fields)
    head = b"8=%b\x019=%d\x01" % (begin_string.encode(), len(body))
    return head + body + b"10=%03d\x01" % (sum(head + body) % 256)


def parse(raw: bytes) -> Message:
    """Return the fields of one whole message; data fields are read by their length."""
    fields: list[tuple[int, bytes]] = []
    position = 0
    while position < len(raw):
        equals = raw.index(b"=", position)
        tag = int(raw[position:equals])
        length_tag = _LENGTH_OF.get(tag)
        lengths = [int(value) for found, value in fields if found == length_tag]
        end = equals + 1 + lengths[-1] if lengths else raw.index(SOH, equals)
        fields.append((tag, raw[equals + 1 : end]))
        position = end + 1
    return Message(tuple(fields), raw)


class Framer:
    """Cuts a stream into messages by BodyLength. Invariant: bytes are kept until they make a whole message."""

    def __init__(self) -> None:
        self._kept = b""

    def feed(self, chunk: bytes) -> list[Message]:
        """Return the messages that are complete now."""
        self._kept += chunk
        messages = []
        while (size := self._size()) is not None and len(self._kept) >= size:
            messages.append(parse(self._kept[:size]))
            self._kept = self._kept[size:]
        return messages

    def _size(self) -> int | None:
        """Return the length of the message at the front: head, body and `10=nnn|`."""
        head = self._kept.split(SOH, 2)
        if len(head) < 3:
            return None
        return len(head[0]) + len(head[1]) + 2 + int(head[1].removeprefix(b"9=")) + len(b"10=000\x01")


def now() -> str:
    """Return the time as UTCTimestamp."""
    return dt.datetime.now(dt.UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:-3]


def _bytes(value: str | int | bytes) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
