"""Where a FIX message ends: BeginString, BodyLength, CheckSum field (FIX 4.4 vol. 2, "Message format").

Three outcomes and no fourth: more bytes are needed, a message, garbled. Nothing here looks at a CheckSum's value:
whether that matters is for the caller to say. Nothing is searched for twice, and nothing raises.
"""

import re
from dataclasses import dataclass
from typing import Final

LONGEST_BEGIN: Final = 16
"""Bytes of `8=FIXT.1.1` and a little more: what is longer without a SOH is no BeginString."""
LONGEST_LENGTH: Final = 12
"""Digits of a BodyLength; `9=0000067` is real."""
TRAILER: Final = 7
"""Bytes of `10=ddd<SOH>`."""
CHECKSUM: Final = rb"\x0110=[0-9]{3}\x01"
"""The pattern of a message's end, with the SOH before it."""

_HEAD = re.compile(rb"8=(FIX[^\x01=]{1,10})\x019=([0-9]{1,12})\x01")
_CHECKSUM = re.compile(CHECKSUM)
_BEGIN = b"8=FIX"


@dataclass(frozen=True, slots=True)
class Frame:
    """A message in a buffer: `[start, end)`; `body` is where BodyLength begins to count."""

    start: int
    body: int
    end: int
    begin: bytes


@dataclass(frozen=True, slots=True)
class More:
    """The bytes so far are the beginning of a message of `size` bytes; 0: not even that is known."""

    size: int = 0


@dataclass(frozen=True, slots=True)
class Garbled:
    """No message begins here."""


def frame(buffer: bytes, start: int = 0) -> Frame | More | Garbled:
    """Look for one message that begins at `start`."""
    head = _HEAD.match(buffer, start)
    if head is None:
        return More() if _may_become_head(buffer[start : start + LONGEST_BEGIN + LONGEST_LENGTH + 4]) else Garbled()
    body = head.end()
    end = body + int(head[2]) + TRAILER
    if not _begins_with_type(buffer[body : body + 3]):
        return Garbled()
    if len(buffer) < end:
        return More(end - start)
    if _CHECKSUM.match(buffer, end - TRAILER - 1) is None:
        return Garbled()
    return Frame(start, body, end, head[1])


def checksum(data: bytes) -> int:
    """Return the sum of the bytes modulo 256 (FIX 4.4 vol. 2, "CheckSum calculation")."""
    return sum(data) & 0xFF


def sums_up(message: bytes) -> bool:
    """Say whether a framed message carries the CheckSum of its own bytes."""
    return int(message[-4:-1]) == checksum(message[:-TRAILER])


def _may_become_head(begin: bytes) -> bool:
    if not _BEGIN.startswith(begin[: len(_BEGIN)]):
        return False
    version, soh, rest = begin.partition(b"\x01")
    if not soh:
        return len(version) < LONGEST_BEGIN and b"=" not in version[2:]
    if not len(_BEGIN) < len(version) <= LONGEST_BEGIN or b"=" in version[2:]:
        return False
    digits = rest[2:]
    return b"9=".startswith(rest[:2]) and len(digits) <= LONGEST_LENGTH and (digits.isdigit() or not digits)


def _begins_with_type(body: bytes) -> bool:
    return b"35=".startswith(body)
