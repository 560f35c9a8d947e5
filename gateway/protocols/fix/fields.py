"""The fields of one framed message: reading them, and changing some without touching another byte.

A data field may hold SOH and NUL: its length is in the field before it. An edited message gets a BodyLength that fits
and a CheckSum moved by what the edit changed, so that a wrong CheckSum stays wrong by as much: we edit, never repair.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.protocols.fix.framing import TRAILER

SOH: Final = b"\x01"
LONGEST_TAG: Final = 9

# fmt: off
DATA_OF_LENGTH: Final[Mapping[bytes, bytes]] = {
    b"%d" % length: b"%d" % data
    for length, data in (
        (90, 91), (93, 89), (95, 96), (212, 213), (348, 349), (350, 351), (352, 353), (354, 355), (356, 357), (358, 359),
        (360, 361), (362, 363), (364, 365), (445, 446), (618, 619), (621, 622), (1184, 1185), (1277, 1278), (1280, 1281),
        (1282, 1283), (1397, 1398), (1401, 1402), (1403, 1404), (1468, 1469), (1525, 1527), (1578, 1579), (1620, 1621),
        (1664, 1665), (1678, 1697), (1733, 1734), (1871, 1872), (1874, 1875), (2072, 2073), (2074, 2075), (2111, 2112),
        (2179, 2180), (2287, 2288), (2351, 2352), (2372, 2371), (2481, 2482), (2494, 2493), (2522, 2521), (2637, 2638),
        (2651, 2652), (2665, 2666), (2715, 2716), (2718, 2719), (2721, 2722), (2797, 2798), (2802, 2801), (2809, 2808),
        (2815, 2814), (40004, 40005), (40008, 40009), (40978, 40979), (40980, 40981), (40982, 40983), (40984, 40985),
        (40986, 40987), (40988, 40989), (41083, 41084), (41101, 41102), (41107, 41108), (41256, 41257), (41320, 41321),
        (41324, 41325), (41458, 41459), (41476, 41477), (41482, 41483), (41653, 41654), (41710, 41711), (41806, 41807),
        (41811, 41812), (41873, 41874), (41969, 41970), (42025, 42026), (42171, 42172), (42451, 42452), (42652, 42653),
        (42947, 42948), (43109, 42684), (43110, 42486), (43111, 42982),
    )
}
"""Length tag to data tag: every pair in the dictionaries FIX.4.0 to FIX.5.0SP2."""
# fmt: on


@dataclass(frozen=True, slots=True)
class Field:
    """One field at `[start, end)` of its message, SOH included; the value is `[value, end - 1)`."""

    tag: bytes
    start: int
    value: int
    end: int

    def of(self, message: bytes) -> bytes:
        """Return the value's bytes."""
        return message[self.value : self.end - 1]


def scan(message: bytes) -> list[Field] | None:
    """Return the fields of a framed message in their order, or None where its bytes are no fields."""
    found: list[Field] = []
    at, data_tag, size = 0, b"", 0
    while at < len(message):
        equals = message.find(b"=", at, at + LONGEST_TAG + 1)
        tag = message[at : max(equals, at)]
        if not tag.isdigit() or tag[0] == ord("0"):
            return None
        end = equals + 1 + size if tag == data_tag else message.find(SOH, equals + 1)
        if end < 0 or message[end : end + 1] != SOH:
            return None
        field = Field(tag, at, equals + 1, end + 1)
        found.append(field)
        data_tag, size = _data_after(field, message)
        at = end + 1
    return found


def values(message: bytes, fields: Iterable[Field], wanted: frozenset[bytes]) -> dict[bytes, list[bytes]]:
    """Collect the values of the `wanted` tags, in order of appearance."""
    found: dict[bytes, list[bytes]] = {}
    for field in fields:
        if field.tag in wanted:
            found.setdefault(field.tag, []).append(field.of(message))
    return found


@dataclass(frozen=True, slots=True)
class Change:
    """Put `new` in place of the bytes `[start, end)`."""

    start: int
    end: int
    new: bytes = b""


_LENGTH = re.compile(rb"8=[^\x01]*\x019=([0-9]+)\x01")


def edit(message: bytes, changes: Iterable[Change]) -> bytes:
    """Return the framed message with the changes made; they lie behind BodyLength, before CheckSum, and do not overlap."""
    ordered = sorted(changes, key=lambda change: change.start)
    head = _LENGTH.match(message)
    if not ordered or head is None:
        return message
    parts: list[bytes] = []
    at = head.end()
    for change in ordered:
        parts += (message[at : change.start], change.new)
        at = change.end
    body = b"".join([*parts, message[at:-TRAILER]])
    width = len(head[1]) if head[1].startswith(b"0") else 0  # a fixed width stays one
    digits = b"%0*d" % (width, len(body))
    before = message[: head.start(1)] + digits + SOH + body
    moved = sum(before) - sum(message[:-TRAILER])
    return b"%b10=%03d\x01" % (before, (int(message[-4:-1]) + moved) % 256)


def cut(fields: Iterable[Field], tags: frozenset[bytes]) -> list[Change]:
    """Return the changes that take these tags out, and with a data field its length field."""
    lengths = {length for length, data in DATA_OF_LENGTH.items() if data in tags}
    return [Change(field.start, field.end) for field in fields if field.tag in tags or field.tag in lengths]


def _data_after(field: Field, message: bytes) -> tuple[bytes, int]:
    data_tag = DATA_OF_LENGTH.get(field.tag)
    digits = field.of(message) if data_tag else b""
    if data_tag is None or not digits.isdigit() or len(digits) > LONGEST_TAG:
        return b"", 0
    return data_tag, int(digits)
