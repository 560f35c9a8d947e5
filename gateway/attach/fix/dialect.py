"""What is looked at of a FIX connection: the client's Logons, and the upstream's answer to them. Pure; holds no secret.

Nothing is repaired or judged: what can't be framed passes as it is.
"""

from dataclasses import dataclass, field
from typing import Final

from gateway.attach.dialect import Answer, Dials, Login, told_in
from gateway.attach.fix.logon import Dresser
from gateway.core.dialect import Side
from gateway.protocols.fix.exact import LOGON, Cutter, Whole
from gateway.protocols.fix.fields import scan, values
from gateway.protocols.fix.watch import LARGEST_HELD, FixWatch

_LOGOUT: Final = b"35=5\x01"
_TEXT: Final = frozenset((b"58",))


@dataclass(frozen=True, slots=True)
class FoundLogon:
    """A Logon of the client's, to be given a code."""

    message: bytes = field(repr=False)
    dresser: Dresser

    @property
    def fits(self) -> bool:
        """Say whether its venue's place for the code is there."""
        return self.dresser.fits(self.message)

    def dressed(self, step: int) -> bytes:
        """Return it with the step's code."""
        return self.dresser.dress(self.message, step)


class FixDialect:
    """One connection (`gateway.attach.dialect`). From the first Logon on whole chunks may take the watch's short cut."""

    __slots__ = ("_cutter", "_dresser", "_held", "_reader", "_stopped", "_watch")

    dials = Dials.AT_LOGIN

    def __init__(self, dresser: Dresser) -> None:
        self._dresser = dresser
        self._cutter = Cutter()
        self._held = b""
        self._stopped = False
        self._watch: FixWatch | None = None
        self._reader: AnswerReader | None = None

    @property
    def unfinished(self) -> int:
        """Count the bytes held back of a message that is not complete."""
        return len(self._watch.tail if self._watch else self._held)

    def feed(self, data: bytes) -> list[bytes | Login]:
        """Cut what arrived (behind what is held back) at Logons."""
        pieces, tail, need = self._cutter.cut((self._watch.tail if self._watch else self._held) + data, LARGEST_HELD)
        if self._watch:
            self._watch.hold(tail, need)
        else:
            self._held = tail
        self._set_pace()
        found: list[bytes | Login] = []
        for piece in pieces:
            is_logon = isinstance(piece, Whole) and piece.data.startswith(LOGON, piece.body)
            found.append(FoundLogon(piece.data, self._dresser) if is_logon else piece.data)
        return found

    def found(self, login: Login) -> None:
        """Let no chunk take the short cut while this Logon waits; the first one names the version that the watch looks for."""
        if self._watch is None and isinstance(login, FoundLogon):
            self._watch = FixWatch(Side.CLIENT, login.message[2 : login.message.find(b"\x01")])
            self._watch.hold(self._held, 0)
            self._held = b""
        self._stopped = True
        self._set_pace()

    def sent(self, login: Login) -> None:  # noqa: ARG002 - the contract's
        """Await the next Logon or Logout."""
        self._stopped = False
        self._set_pace()
        self._reader = AnswerReader()

    def hear(self, data: bytes) -> Answer | None:
        """Read along until the Logon is answered."""
        answer = self._reader.feed(data) if self._reader else None
        if answer is not None:
            self._reader = None
        return answer

    def watch(self, side: Side) -> FixWatch | None:
        """Return the client's; nothing is looked at of what the engine says behind its answer."""
        return self._watch if side is Side.CLIENT else None

    def beat(self, now: float) -> bytes:  # noqa: ARG002 - the contract's
        """Say nothing: it would take a number of the engine's stream."""
        return b""

    def _set_pace(self) -> None:
        if self._watch:
            self._watch.exact = self._stopped or self._cutter.inside


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
    texts = values(logout, scan(logout) or (), _TEXT).get(b"58", [])
    return max((told_in(text.decode(errors="replace")) for text in texts), default=0)
