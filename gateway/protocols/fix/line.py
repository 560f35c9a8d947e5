"""The numbers of one live connection: maps them across the holes, answers for the holes, knows what the client expects.

Looks only at messages the dialect gives it. Client→engine MsgSeqNum is never rewritten: the engine sees its gap and asks.
"""

from dataclasses import dataclass
from typing import Final

from gateway.protocols.fix.continuity import MAX_HOLES, Claim, Known, Record
from gateway.protocols.fix.fields import Change, Field, edit, scan
from gateway.protocols.fix.holes import NO_HOLES, Holes
from gateway.protocols.fix.logon import Party
from gateway.protocols.fix.messages import gap_fill

_INFINITY: Final = frozenset((0, 999_999))
"""EndSeqNo for "all there is": 0 since FIX.4.2, 999999 before."""
_ALL: Final = 10**13


@dataclass(frozen=True, slots=True)
class Message:
    """A framed message and where its fields are; of a tag that repeats, the first counts."""

    data: bytes
    fields: dict[bytes, Field]

    @property
    def kind(self) -> bytes:
        """MsgType(35)."""
        return self.value(b"35")

    def value(self, tag: bytes) -> bytes:
        """Return a field's value, empty where it is absent."""
        field = self.fields.get(tag)
        return field.of(self.data) if field else b""

    def number(self, tag: bytes) -> int | None:
        """Return a field's value as a number, None where it is none."""
        digits = self.value(tag)
        return int(digits) if digits.isdigit() and len(digits) <= 12 else None  # noqa: PLR2004 - far above any MsgSeqNum

    def set(self, tag: bytes, old: int, new: int) -> list[Change]:
        """Return the change that makes `tag` read `new`; none if it does."""
        field = self.fields[tag]
        return [Change(field.value, field.end - 1, b"%d" % new)] if new != old else []


def read(message: bytes) -> Message | None:
    """Read a framed message; None where its bytes are no fields."""
    fields = scan(message)
    return Message(message, {field.tag: field for field in reversed(fields)}) if fields else None


class Line:
    """Invariants: `last_out` is the last client-facing number sent, None before the engine's first message;
    `holes` and numbers are those of this connection once the engine's first message has shown which hypothesis holds.
    """

    __slots__ = (
        "_claim",
        "_found",
        "_in_step",
        "_owed",
        "_party",
        "_reset_asked",
        "holes",
        "last_out",
        "next_in",
        "restart",
    )

    def __init__(self, found: Known | None, claim: Claim, party: Party) -> None:
        record = found.record if found else Record()
        self._found, self._claim, self._party = found, claim, party
        self._owed: int | None = None
        self._in_step = False
        self._reset_asked = False
        self.holes: Holes = NO_HOLES if claim.reset else record.holes
        self.restart = 0 if claim.reset else record.restart
        self.last_out: int | None = None
        self.next_in = claim.number + 1 if claim.reset else max(claim.number + 1, 2)

    @property
    def owing(self) -> bool:
        """Whether the client waits for messages to be sent again, so that what it expects is not known."""
        return self._owed is not None

    @property
    def in_doubt(self) -> bool:
        """Whether the client may be about to ask for a resend after this login."""
        return not self._in_step

    # ── engine to client ──

    def outbound(self, message: Message, wall: float) -> bytes:
        """Return an engine's message as the client shall see it, with the gateway's answer for holes behind it."""
        engine = message.number(b"34")
        if engine is None:
            return message.data
        kind = message.kind
        if self.last_out is None:
            self._resolve(engine, message)
        elif self._begins_again(message, engine):
            self._forget(0)
        if kind == b"4" and message.value(b"123") != b"Y":
            return self._restarted(message)
        return self._numbered(message, engine, wall)

    def answered(self) -> None:
        """The engine accepted the Logon: the other hypothesis is void."""
        self.restart = 0

    def _numbered(self, message: Message, engine: int, wall: float) -> bytes:
        number = self.holes.to_client(engine)
        changes = message.set(b"34", engine, number)
        following = number + 1
        skip = message.number(b"36") if message.kind == b"4" else None
        if skip is not None:
            following = self.holes.to_client(skip)
            changes += message.set(b"36", skip, following)
        again = number <= (self.last_out or 0)
        self.last_out = max(self.last_out or 0, following - 1)
        sent = edit(message.data, changes)
        return sent + self._resent(following, wall) if again and self._owed is not None else sent

    def _resent(self, following: int, wall: float) -> bytes:
        behind = self.holes.behind(following)
        if behind > min(self._owed or 0, self.last_out or 0):
            self._owed = None
        return self._filled(following, behind, wall)

    def _filled(self, number: int, following: int, wall: float) -> bytes:
        """Return the gateway's answer for its holes `number` to `following` - 1, the last one by itself.

        QuickFIX takes a resend for finished when it sees the last number it asked for, and asks for nothing until then.
        """
        last = following - 1
        first = gap_fill(self._party, number, last, wall) if last > number else b""
        return first + gap_fill(self._party, last, following, wall) if last >= number else b""

    def _restarted(self, message: Message) -> bytes:
        following = message.number(b"36")
        if following:
            self._forget(following - 1)
        return message.data

    def _begins_again(self, message: Message, engine: int) -> bool:
        """Whether the engine's numbers start anew here: with its Logon, or, once the client asked for it, even before."""
        if message.kind == b"A":
            return engine == 1 or message.value(b"141") == b"Y"
        lower = self.holes.to_client(engine) <= (self.last_out or 0)
        return self._reset_asked and lower and message.value(b"43") != b"Y"

    def _forget(self, last_out: int) -> None:
        self._reset_asked = False
        self.holes, self.restart, self.last_out, self._owed = NO_HOLES, 0, last_out, None

    def _resolve(self, engine: int, message: Message) -> None:
        """Decide by the engine's first number whether it goes on or has restarted its numbers."""
        record = self._found.record if self._found else Record()
        self.last_out, self._reset_asked = 0, False
        if self._claim.reset or (message.kind == b"A" and message.value(b"141") == b"Y"):
            self.holes, self._in_step = NO_HOLES, True
            return
        accepted = message.kind == b"A" and self._claim.number < record.next_in
        if engine == 1 or engine <= record.holes.last_engine(record.last_out) or accepted:
            self.holes = Holes(range(1, self.restart + 1))
            self._in_step = engine == 1 and not self.holes
            return
        known = self._found is not None and self._found.sure and record.orderly
        next_in_line = self.holes.to_client(engine) == record.last_out + 1
        self._in_step = known and next_in_line and record.last_out not in self.holes

    # ── client to engine ──

    def inbound(self, message: Message, wall: float) -> tuple[bytes, bytes]:
        """Return a client's message as the engine shall see it, and what the client gets at once."""
        self._count(message)
        if message.kind == b"2":
            self._in_step = True  # from here on what it waits for is counted
            return self._resend_request(message, wall)
        return edit(message.data, self._mapped_back(message)), b""

    def logon(self, message: Message) -> list[Change]:
        """Return the edits of a Logon's NextExpectedMsgSeqNum(789)."""
        self._reset_asked = message.value(b"141") == b"Y"
        expected = message.number(b"789")
        return message.set(b"789", expected, self.holes.to_engine(expected)) if expected else []

    def expect(self, wall: float) -> bytes:
        """Treat the 789 of the Logon as the request it is: the engine resends up to its own Logon without being asked."""
        expected, last_out = self._claim.expected, self.last_out or 0
        if self._claim.reset or expected is None or expected >= last_out:
            return b""
        self._owed = last_out - 1
        return self._resent(expected, wall)

    def _count(self, message: Message) -> None:
        number = message.number(b"34")
        following = message.number(b"36") if message.kind == b"4" else None
        if following:
            self.next_in = following
        elif number and message.value(b"43") != b"Y":
            self.next_in = number + 1

    def _mapped_back(self, message: Message) -> list[Change]:
        changes: list[Change] = []
        if not self.holes:
            return changes
        for tag in (b"369", b"45") if message.kind in {b"3", b"j"} else (b"369",):
            number = message.number(tag)
            if number is not None:
                changes += message.set(tag, number, self.holes.last_engine(number))
        return changes

    def _resend_request(self, message: Message, wall: float) -> tuple[bytes, bytes]:
        begin, end = message.number(b"7"), message.number(b"16")
        if begin is None or end is None:
            return message.data, b""
        last_out = self.last_out or 0
        self._owed = _ALL if end in _INFINITY else end
        start = self.holes.behind(begin)
        filled = self._filled(begin, start, wall)
        changes = self._mapped_back(message) + message.set(b"7", begin, self.holes.to_engine(begin))
        if end not in _INFINITY:
            changes += message.set(b"16", end, self.holes.last_engine(end))
        if start > min(self._owed, last_out):
            self._owed = None
            return edit(message.data, self._heartbeat(message) if filled else changes), filled
        return edit(message.data, changes), filled

    def _heartbeat(self, message: Message) -> list[Change]:
        """Return the edits that leave of an answered ResendRequest a Heartbeat with its number.

        Swallowed, it would be a gap for the engine, and QuickFIX asks for no gap while it takes another for unfilled.
        """
        kind, begin, end = (message.fields[tag] for tag in (b"35", b"7", b"16"))
        asked = [Change(field.start, field.end) for field in sorted((begin, end), key=lambda field: field.start)]
        return [*self._mapped_back(message), Change(kind.value, kind.end - 1, b"0"), *asked]

    # ── the end ──

    def can_say_more(self) -> bool:
        """Whether the client's next number is known, so that a Logout loses nothing."""
        return self.last_out is not None and not self.owing and len(self.holes.numbers) < MAX_HOLES

    def take_number(self) -> int:
        """Use the next client-facing number for a Logout: a hole from now on."""
        number = (self.last_out or 0) + 1
        self.holes, self.last_out = self.holes.with_hole(number), number
        return number

    def record(self, *, orderly: bool) -> Record | None:
        """Return what to remember of this connection; None where that is unknown."""
        if self.last_out is not None:
            return Record(self.last_out, self.next_in, orderly, self.holes, self.restart)
        if self._claim.reset:
            return Record(0, self.next_in, orderly=True)
        if self._found is None or not self._found.sure:
            return None
        found = self._found.record
        return Record(found.last_out, max(self.next_in, found.next_in), found.orderly, found.holes, found.restart)
