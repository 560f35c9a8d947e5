"""A session after admission: judges a Logon in mid-session, follows the numbers, sees both Logouts.

The watch takes the short cut; what it leaves comes here. Strays, wrong checksums and odd lengths pass untouched; only a
Logon that can't be judged ends the session.
"""

import re
from dataclasses import dataclass
from math import ceil
from typing import Final

from gateway.core.dialect import Answered, Epilogue, Farewell, Output, Pass, Side, Violation
from gateway.core.login import Moment
from gateway.core.reason import Reason
from gateway.protocols.fix.continuity import encode
from gateway.protocols.fix.exact import LOGON, Cutter, Part, Piece, Stray, Whole
from gateway.protocols.fix.fields import Change, edit, scan
from gateway.protocols.fix.framing import TRAILER, sums_up
from gateway.protocols.fix.line import Line, Message, read
from gateway.protocols.fix.logon import Party, read_logon
from gateway.protocols.fix.messages import logout
from gateway.protocols.fix.venue import Venue
from gateway.protocols.fix.watch import LARGEST_HELD, FixWatch

LARGEST_EDITED: Final = 16_777_216
"""Bytes of a message that are held where its number must be mapped, and its checksum with it."""
SETTLING: Final = 30.0
"""Seconds after a login in which a client that saw a gap may not have asked for it yet: no Logout of ours."""

_SESSION_LEVEL: Final = frozenset((b"0", b"1", b"2", b"3", b"4", b"5", b"A"))
_NUMBER = re.compile(rb"\x0134=([0-9]{1,12})\x01")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who logged in: a Logon in mid-session must be the same."""

    user: str
    process: str
    target: str
    version: str


@dataclass(frozen=True, slots=True)
class Terms:
    """What was agreed at the login. `idle`: seconds the client is told where the venue has a tag for it."""

    identity: Identity
    party: Party
    venue: Venue
    idle: float


class Passing:
    """Invariants: no Logon of the client goes up unjudged or with its secrets; what the engine says goes down in order.

    `answered`: the engine accepted the Logon; before that its messages pass, the client's are not given here.
    """

    __slots__ = ("_answered_at", "_cutters", "_large", "_line", "_logouts", "_terms", "_watches")

    def __init__(self, line: Line, terms: Terms) -> None:
        self._line, self._terms = line, terms
        party = terms.party
        self._watches = (FixWatch(Side.CLIENT, party.begin), FixWatch(Side.UPSTREAM, party.begin))
        self._cutters = (Cutter(), Cutter())
        self._logouts = (False, False)
        self._answered_at: float | None = None
        self._large: int | None = None
        self._set_pace()

    @property
    def answered(self) -> bool:
        """Whether the engine has accepted the Logon."""
        return self._answered_at is not None

    def watch(self, side: Side) -> FixWatch:
        """Return the watch of bytes that come from `side`."""
        return self._watches[side is Side.UPSTREAM]

    def feed(self, side: Side, data: bytes, now: Moment) -> list[Output]:
        """Look exactly at what arrived, after what the watch held back."""
        self._read_numbers()
        watch, cutter = self.watch(side), self._cutters[side is Side.UPSTREAM]
        limit = LARGEST_EDITED if self._line.holes else LARGEST_HELD
        pieces, tail, need = cutter.cut(watch.tail + data, limit)
        watch.hold(tail, need)
        outputs: list[Output] = []
        for piece in pieces:
            outputs += self._from_client(piece, now) if side is Side.CLIENT else self._from_upstream(piece, now)
            if outputs and isinstance(outputs[-1], Violation):
                break
        self._set_pace()
        return _joined(outputs)

    # ── from the client ──

    def _from_client(self, piece: Piece, now: Moment) -> list[Output]:
        match piece:
            case Whole(data, body):
                return self._client_message(data, body, now)
            case Part(data, begins, _):
                if LOGON in data:
                    return [Violation(Reason.TOO_LARGE if begins else Reason.GARBLED)]
                self.watch(Side.CLIENT).business |= begins
                return [Pass(Side.UPSTREAM, data)] if not self._line.holes else [Violation(Reason.TOO_LARGE)]
            case Stray(data):
                return [Violation(Reason.GARBLED)] if LOGON in data else [Pass(Side.UPSTREAM, data)]

    def _client_message(self, data: bytes, body: int, now: Moment) -> list[Output]:
        if data.startswith(LOGON, body):
            return self._logon(data)
        if data.find(LOGON, body) >= 0 and not self._is_harmless(data):
            return [Violation(Reason.GARBLED)]
        message = read(data)
        if message is None:
            return [Pass(Side.UPSTREAM, data)]
        self._notice(message, Side.CLIENT)
        up, down = self._line.inbound(message, now.wall)
        return [Pass(Side.UPSTREAM, up), Pass(Side.CLIENT, down)]

    def _is_harmless(self, data: bytes) -> bool:
        """Whether an imitation of a Logon is inside a data field for every engine: boundaries and checksum are certain."""
        fields = scan(data)
        if fields is None or self._cutters[0].lost or not sums_up(data):
            return False
        return sum(field.tag == b"35" for field in fields) == 1

    def _logon(self, data: bytes) -> list[Output]:
        found = read_logon(data, self._terms.party.begin, self._terms.venue)
        message = read(data)
        if isinstance(found, Reason) or message is None or data[2 : data.find(b"\x01")] != self._terms.party.begin:
            return [Violation(found if isinstance(found, Reason) else Reason.GARBLED)]
        login = found.login
        if Identity(login.user, login.process, login.target, login.version) != self._terms.identity:
            return [Violation(Reason.IDENTITY_CHANGED)]
        self._line.next_in = found.number + 1
        return [Pass(Side.UPSTREAM, edit(data, [*found.secrets, *self._line.logon(message)]))]

    # ── from the engine ──

    def _from_upstream(self, piece: Piece, now: Moment) -> list[Output]:
        match piece:
            case Whole(data):
                self._cutters[1].lost = self._watches[1].lost = False
                message = read(data)
                return self._engine_message(message, now) if message else [Pass(Side.CLIENT, data)]
            case Part(data, begins, ends):
                if self._line.holes:
                    return [Violation(Reason.TOO_LARGE)]
                self._follow_large(data, begins=begins, ends=ends)
                return [Pass(Side.CLIENT, data)]
            case Stray(data):
                return [Pass(Side.CLIENT, data)]

    def _engine_message(self, message: Message, now: Moment) -> list[Output]:
        self._notice(message, Side.UPSTREAM)
        sent = self._line.outbound(message, now.wall)
        if self.answered:
            return [Pass(Side.CLIENT, sent)]
        if message.kind == b"A":
            self._answered_at = now.mono
            self._line.answered()
            answer = Pass(Side.CLIENT, self._with_inactivity(sent))
            return [answer, Answered(accepted=True), Pass(Side.CLIENT, self._line.expect(now.wall))]
        refused: list[Output] = [Answered(accepted=False)] if message.kind in {b"5", b"3"} else []
        return [Pass(Side.CLIENT, sent), *refused]

    def _with_inactivity(self, answer: bytes) -> bytes:
        tag = self._terms.venue.inactivity_tag
        if not tag or b"\x01%d=" % tag in answer:
            return answer
        at = len(answer) - TRAILER
        return edit(answer, [Change(at, at, b"%d=%d\x01" % (tag, ceil(self._terms.idle / 60)))])

    def _follow_large(self, data: bytes, *, begins: bool, ends: bool) -> None:
        if begins:
            number = _NUMBER.search(data)
            self._large = int(number[1]) if number else None
            self.watch(Side.UPSTREAM).business = True
        if ends and self._large:
            self._line.last_out, self._cutters[1].lost = max(self._line.last_out or 0, self._large), False

    # ── both ──

    def _notice(self, message: Message, side: Side) -> None:
        kind = message.kind
        if kind not in _SESSION_LEVEL:
            self.watch(side).business = True
        elif kind == b"5":
            client, engine = self._logouts
            self._logouts = (client or side is Side.CLIENT, engine or side is Side.UPSTREAM)

    def _read_numbers(self) -> None:
        client, upstream = self._watches
        client.settle()
        upstream.settle()
        if client.number:
            self._line.next_in, client.number = client.number + 1, 0
        if upstream.number:
            self._line.last_out, upstream.number = upstream.number, 0

    def _set_pace(self) -> None:
        mapped = bool(self._line.holes)
        client, upstream = self._watches
        client.exact = mapped or self._cutters[0].inside
        upstream.exact = mapped or not self.answered or self._line.owing or self._cutters[1].inside

    # ── the end ──

    def dismissed(self, reason: Reason, text: str, now: Moment) -> Farewell:
        """Say that the session is over, if the client's next number is certain; see `Dialect.dismissed`."""
        self._read_numbers()
        if self._answered_at is None or (self._line.in_doubt and now.mono - self._answered_at < SETTLING):
            return Farewell()
        if self._logouts[1] or not self._is_certain() or not self._line.can_say_more():
            return Farewell()
        number = self._line.take_number()
        record = self._line.record(orderly=False)
        if record is None:
            return Farewell()
        return Farewell(logout(self._terms.party, number, text, reason, now.wall), encode(record))

    def epilogue(self) -> Epilogue:
        """Say what to remember; see `Dialect.epilogue`."""
        self._read_numbers()
        orderly = all(self._logouts)
        record = self._line.record(orderly=orderly) if self._is_certain() else None
        return Epilogue(orderly, encode(record) if record else None)

    def _is_certain(self) -> bool:
        return not (self._cutters[1].lost or self._cutters[1].inside or self._watches[1].lost)


def _joined(outputs: list[Output]) -> list[Output]:
    joined: list[Output] = []
    for output in outputs:
        last = joined[-1] if joined else None
        if isinstance(output, Pass) and not output.data:
            continue
        if isinstance(output, Pass) and isinstance(last, Pass) and last.to is output.to:
            joined[-1] = Pass(last.to, last.data + output.data)
        else:
            joined.append(output)
    return joined
