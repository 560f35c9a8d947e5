"""The hot path: one slice and one look-up a message.

From header to header by the lengths they announce: a chunk is forwarded as far as whole messages go, an unfinished last
one is held back, and a chunk with a session-level message or anything odd goes to the dialect.
The client is guarded against. Each message must end in a CheckSum field, because an engine that misses it may look for the
next message inside this one; and a Logon's MsgType anywhere, a data field included, is the dialect's to judge.
It edits nothing, keeps no message but the last chunk (for its MsgSeqNum, read when needed), and knows no clock.
"""

import re
from functools import lru_cache
from itertools import pairwise
from typing import Final

from gateway.core.dialect import Side
from gateway.protocols.fix.fields import scan, values
from gateway.protocols.fix.framing import CHECKSUM, TRAILER, Frame, More, frame

LARGEST_HELD: Final = 65_536
"""Bytes of an unfinished message that are held back; of a larger one the dialect passes on what is there."""

LARGEST_CACHE: Final = 16_384
"""Beginnings of messages whose size is remembered: of the client's some 64 lengths and types, behind 256 CheckSums."""
KEY: Final = 24
"""Bytes that hold a header and MsgType, `8=FIX.4.4|9=152|35=D|`, and little of MsgSeqNum; a padded BodyLength needs more."""
LONGEST_TYPE: Final = 6
"""Bytes of `35=AE<SOH>`."""

_LOGON = re.compile(rb"A\x01(?<=35=A\x01)").search
"""Sought by its rarest byte: a third faster than from the front."""
_BUSINESS = re.compile(rb"\x0135=(?:[^0-5A\x01]|[0-5A][^\x01])").search
_NUMBERED: Final = frozenset((b"34", b"43"))
_ENDS: Final = frozenset(b"\x0110=%03d\x01" % value for value in range(1000))
_SOME_END: Final = b"\x0110=000\x01"
"""Stands before the first message of a chunk: what was forwarded before it has ended."""


class Sizes:
    """What stands around a message's beginning, to the message's size; nothing for a MsgType that is the dialect's.

    Invariant: only what was read is known, and never more than LARGEST_CACHE of it, whatever the peers send.
    """

    __slots__ = ("_match", "_overhead", "known")

    def __init__(self, behind: bytes, begin: bytes, types: bytes) -> None:
        header = rb"8=%b\x019=([0-9]{1,12})\x0135=(?![%b]\x01)[^\x01]{1,2}\x01" % (re.escape(begin), types)
        self._match = re.compile(behind + header).match
        self._overhead = len(begin) + len(b"8=\x019=\x01") + TRAILER
        self.known: dict[bytes, int] = {}

    def learn(self, around: bytes) -> bool:
        """Read a size that is not known yet, if it can be read."""
        head = self._match(around)
        if head is None:
            return False
        if len(self.known) >= LARGEST_CACHE:
            self.known.clear()
        self.known[around] = self._overhead + len(head[1]) + int(head[1])
        return True

    def of(self, around: bytes) -> int:
        """Return the size, 0 for none."""
        return self.known[around] if around in self.known or self.learn(around) else 0


@lru_cache(maxsize=32)
def _sizes(behind: bytes, begin: bytes, types: bytes) -> Sizes:
    return Sizes(behind, begin, types)


class FixWatch:
    """One direction of a passing session.

    Invariants: what it forwards ends at a true message boundary, and holds no MsgType that is the dialect's (nor, from
    the client, an imitation of a Logon's); `tail` is what was held back; `last` the last forwarded chunk, until `settle`
    reads its `number`. While `exact` is set every chunk is the dialect's.
    """

    # fmt: off
    __slots__ = (
        "_behind", "_business", "_key", "_known", "_need", "_sizes", "exact", "last", "lost", "number", "tail",
    )
    # fmt: on

    def __init__(self, side: Side, begin: bytes) -> None:
        guarded = side is Side.CLIENT
        self._behind = _SOME_END if guarded else b""
        self._sizes = _sizes(CHECKSUM if guarded else b"", begin, b"A245" if guarded else b"A45")
        self._known = self._sizes.known
        self._key = KEY
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
        if self.exact:
            return None
        if self.tail:
            return self._joined(self.tail, chunk)
        end = len(chunk)
        if self._known.get(self._behind + chunk[: self._key]) != end:
            end = self._end(chunk, 0)
        return self._forward(b"", chunk, end) if self._is_sound(chunk, 0, end) else None

    def hold(self, tail: bytes, need: int) -> None:
        """Keep the beginning of a message; `need` is its whole size, 0 where that is not known yet."""
        self.tail, self._need = tail, need

    def settle(self) -> None:
        """Read the newest MsgSeqNum out of the last forwarded chunk into `number`; `lost` where it can't be read."""
        if self.last:
            found = self._newest(self.last)
            self.number, self.lost = found or self.number, found is None
            self.last = b""

    def _joined(self, held: bytes, chunk: bytes) -> bytes | None:
        """Look at the message that `held` begins by itself: then what follows it need not be copied to be looked at."""
        size = self._need or self._size(held + chunk[: self._key])
        begin = size - len(held)
        if not size or begin > len(chunk):
            return self._longer(held + chunk)
        first = held + chunk[:begin]
        if self._size(first) != len(first) or not self._is_sound(first, 0, size):
            return None
        end = self._end(chunk, begin)
        return self._forward(held, chunk, end) if self._is_sound(chunk, begin, end) else None

    def _longer(self, held: bytes) -> bytes | None:
        if not self._is_unfinished(held, 0):
            return None
        self.tail = held
        return b""

    def _size(self, message: bytes) -> int:
        return self._sizes.of(self._behind + message[: self._key])

    def _end(self, chunk: bytes, begin: int) -> int:
        """Return where the whole messages from `begin` on end, and only an unfinished one follows; -1: the dialect's."""
        known, behind = self._known, self._behind
        lead = len(behind)
        at, last, width = begin - lead, len(chunk) - lead, lead + self._key
        around, read = behind + chunk[begin : begin + self._key], True
        while read:
            try:
                while (at := at + known[around]) < last:
                    around = chunk[at : at + width]
                break
            except KeyError:
                read = self._sizes.learn(around)
        if read and at == last:
            return len(chunk)
        start = at + lead - (known[around] if read else 0)
        return start if self._is_unfinished(chunk, start) else -1

    def _is_unfinished(self, chunk: bytes, at: int) -> bool:
        """Whether the message that begins at `at` needs more bytes and can be held back until they come."""
        match frame(chunk, at):
            case More(size) if size <= LARGEST_HELD:
                self._need = size
                return True
            case Frame(body=body):
                self._key = max(self._key, body - at + LONGEST_TYPE)
        return False

    def _is_sound(self, chunk: bytes, begin: int, end: int) -> bool:
        """Whether what is whole, if anything, ends in a CheckSum field, and a guarded one imitates no Logon."""
        if end <= begin:
            return end == begin
        return chunk[end - TRAILER - 1 : end] in _ENDS and not (self._behind and _LOGON(chunk, begin, end))

    def _forward(self, held: bytes, chunk: bytes, end: int) -> bytes:
        """Return what is whole, copied at most once; hold back the rest."""
        whole = chunk
        if held or end < len(chunk):
            self.tail = chunk[end:]
            whole = b"".join((held, memoryview(chunk)[:end]))
        if whole:
            self.last = whole
            if not self._business and _BUSINESS(whole):
                self._business = True
        return whole

    def _newest(self, chunk: bytes) -> int | None:
        """Return the MsgSeqNum of the last message that is no PossDup; None where there is none."""
        ends = [0]
        while size := self._size(chunk[ends[-1] : ends[-1] + self._key]):
            ends.append(ends[-1] + size)
        messages = (chunk[start:end] for end, start in pairwise(reversed(ends)))
        return next((number for message in messages if (number := _live_number(message))), None)


def _live_number(message: bytes) -> int | None:
    header = values(message, scan(message) or (), _NUMBERED)
    if header.get(b"43") == [b"Y"] or not header.get(b"34", [b""])[0].isdigit():
        return None
    return int(header[b"34"][0])
