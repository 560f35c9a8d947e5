"""What is looked at of the two streams: the client's Logons, and the upstream's answer to them. Pure; holds no secret.

Nothing is repaired or judged: what can't be framed passes as it is. The gateway is the one that judges.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from gateway.core.dialect import Side
from gateway.protocols.fix.exact import LOGON, Cutter, Whole
from gateway.protocols.fix.fields import scan, values
from gateway.protocols.fix.watch import LARGEST_HELD, FixWatch

_LOGOUT: Final = b"35=5\x01"
_TEXT: Final = frozenset((b"58",))
_RETRY = re.compile(rb"(?i)\bretry\b.{0,60}?\bin ([0-9]{1,9}) ?s\b")


@dataclass(frozen=True, slots=True)
class FoundLogon:
    """A Logon of the client's, to be given a code."""

    message: bytes = field(repr=False)


class ClientStream:
    """What the client says. Invariant: bytes come out in the order they came in, and all of them, but for `unfinished`."""

    __slots__ = ("_cutter", "_held", "_stopped", "watch")

    def __init__(self) -> None:
        self._cutter = Cutter()
        self._held = b""
        self._stopped = False
        self.watch: FixWatch | None = None

    @property
    def unfinished(self) -> int:
        """Count the bytes held back of a message that is not complete."""
        return len(self.watch.tail if self.watch else self._held)

    def feed(self, data: bytes) -> list[bytes | FoundLogon]:
        """Cut what arrived (behind what is held back) at Logons."""
        pieces, tail, need = self._cutter.cut((self.watch.tail if self.watch else self._held) + data, LARGEST_HELD)
        if self.watch:
            self.watch.hold(tail, need)
        else:
            self._held = tail
        self._set_pace()
        found: list[bytes | FoundLogon] = []
        for piece in pieces:
            is_logon = isinstance(piece, Whole) and piece.data.startswith(LOGON, piece.body)
            found.append(FoundLogon(piece.data) if is_logon else piece.data)
        return found

    def began(self, logon: bytes) -> None:
        """From the first Logon on whole chunks may take the watch's short cut."""
        if self.watch is None:
            self.watch = FixWatch(Side.CLIENT, logon[2 : logon.find(b"\x01")])
            self.watch.hold(self._held, 0)
            self._held = b""
            self._set_pace()

    def stop(self, *, stopped: bool) -> None:
        """Let no chunk take the short cut while a Logon waits."""
        self._stopped = stopped
        self._set_pace()

    def _set_pace(self) -> None:
        if self.watch:
            self.watch.exact = self._stopped or self._cutter.inside


@dataclass(frozen=True, slots=True)
class Answer:
    """The upstream's answer to a Logon. `told`: the seconds a refusal says to wait, 0 for nothing said."""

    accepted: bool
    told: int = 0


class AnswerReader:
    """Reads along with what the upstream says until it has answered; holds back nothing of it."""

    __slots__ = ("_cutter", "_tail")

    def __init__(self) -> None:
        self._cutter = Cutter()
        self._tail = b""

    def feed(self, data: bytes) -> Answer | None:
        """Return the answer once it is there; call no more then."""
        pieces, self._tail, _ = self._cutter.cut(self._tail + data, LARGEST_HELD)
        for piece in pieces:
            if not isinstance(piece, Whole):
                continue
            if piece.data.startswith(LOGON, piece.body):
                return Answer(accepted=True)
            if piece.data.startswith(_LOGOUT, piece.body):
                return Answer(accepted=False, told=_told(piece.data))
        return None


def _told(logout: bytes) -> int:
    """Read N of "retry ... in N s" in Text(58), as `gateway.core.reason.public_text` writes it."""
    for text in values(logout, scan(logout) or (), _TEXT).get(b"58", []):
        if found := _RETRY.search(text):
            return int(found[1])
    return 0
