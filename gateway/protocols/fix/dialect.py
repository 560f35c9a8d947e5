"""One FIX connection, from its Logon to its last byte: FIX's side of `gateway.core.dialect`.

Finds the Logon, forwards it without its secrets, says no with a Logout where that loses nothing. It can never admit,
and nothing of the client leaves it upwards before `admitted` (BY-2).
"""

from gateway.core.dialect import Epilogue, Farewell, Found, Output, Pass, PerConnection, Side, Violation
from gateway.core.login import Admitted, Moment, Refused
from gateway.core.reason import Reason
from gateway.protocols.fix.continuity import Claim, Known, encode, recall, refusal
from gateway.protocols.fix.fields import edit
from gateway.protocols.fix.framing import Garbled, More, frame
from gateway.protocols.fix.line import Line, read
from gateway.protocols.fix.logon import Logon, read_logon, unacceptable
from gateway.protocols.fix.messages import logout
from gateway.protocols.fix.passing import Identity, Passing, Terms
from gateway.protocols.fix.venue import Acceptance, Refusal, Venue
from gateway.protocols.fix.watch import FixWatch


class FixDialect(PerConnection):
    """Invariants: before `admitted` nothing goes upstream; of the Logon only identity and numbers are kept after it."""

    __slots__ = ("_acceptance", "_arrived", "_buffer", "_found", "_known", "_logon", "_passing", "_venue")

    dials_on_accept = False

    def __init__(self, venue: Venue | None = None, acceptance: Acceptance | None = None) -> None:
        self._venue = venue or Venue()
        self._acceptance = acceptance or Acceptance()
        self._buffer = b""
        self._arrived = 0.0
        self._found = False
        self._logon: Logon | None = None
        self._known: Known | None = None
        self._passing: Passing | None = None

    def feed(self, side: Side, data: bytes, now: Moment) -> list[Output]:
        """Take bytes that arrived from `side`. Never raises, whatever the bytes."""
        if self._passing and (side is Side.UPSTREAM or self._passing.answered):
            return self._passing.feed(side, data, now)
        if side is Side.UPSTREAM:
            return []  # there is no upstream yet
        self._buffer += data
        if self._found:
            return [Violation(Reason.TOO_LARGE)] if len(self._buffer) > self._acceptance.held_bytes else []
        return self._look_for_logon(now)

    def admitted(self, verdict: Admitted) -> list[Output]:
        """Return the Logon without its secrets; every other byte is the client's (BY-2)."""
        logon, self._logon = self._logon, None
        message = read(logon.message) if logon else None
        if logon is None or message is None:
            return [Violation(Reason.NOT_A_LOGIN)]
        line = Line(recall(verdict.memory), _claim(logon), logon.party)
        login = logon.login
        identity = Identity(login.user, login.process, login.target, login.version)
        self._passing = Passing(line, Terms(identity, logon.party, self._venue, verdict.idle))
        return [Pass(Side.UPSTREAM, edit(logon.message, [*logon.secrets, *line.logon(message)]))]

    def released(self, now: Moment) -> list[Output]:
        """Return what the client sent behind its Logon, looked at as `feed` would."""
        held, self._buffer = self._buffer, b""
        return self.feed(Side.CLIENT, held, now) if held else []

    def refused(self, verdict: Refused) -> Farewell:
        """Say no with a Logout(35=5) that is a hole in the stream, or with silence; see `continuity.refusal`."""
        logon, self._logon = self._logon, None
        known = recall(verdict.memory) if verdict.memory else None
        if logon is None or known is None or self._acceptance.refusal is Refusal.CLOSE:
            return Farewell()
        self._known = known
        decided = refusal(known, _claim(logon), forced=self._acceptance.refusal is Refusal.LOGOUT)
        if decided is None:
            return Farewell()
        number, record = decided
        self._known = Known(record, known.sure)
        message = logout(logon.party, number, verdict.text, verdict.reason, self._arrived)
        return Farewell(message, encode(record))

    def dismissed(self, reason: Reason, text: str, now: Moment) -> Farewell:
        """Say Logout(35=5) to the client of a passing session (BY-5); the engine gets nothing."""
        if self._passing is None or self._acceptance.refusal is Refusal.CLOSE:
            return Farewell()
        return self._passing.dismissed(reason, text, now)

    def epilogue(self) -> Epilogue:
        """Say how it ended and what to remember of the stream."""
        if self._passing:
            return self._passing.epilogue()
        record = self._known.record if self._known and self._known.sure else None
        return Epilogue(orderly=False, value=encode(record) if record else None)

    def watch(self, side: Side) -> FixWatch:
        """Return the hot-path look at bytes from `side`; only after `admitted`."""
        if self._passing is None:
            raise RuntimeError("nothing passes before the login is admitted")
        return self._passing.watch(side)

    def _look_for_logon(self, now: Moment) -> list[Output]:
        limit = self._acceptance.login_bytes
        framed = frame(self._buffer)
        if isinstance(framed, Garbled):
            return [Violation(Reason.GARBLED)]
        if isinstance(framed, More):
            return [Violation(Reason.TOO_LARGE)] if max(framed.size, len(self._buffer)) > limit else []
        if framed.end > limit:
            return [Violation(Reason.TOO_LARGE)]
        logon = read_logon(self._buffer[: framed.end], framed.begin, self._venue, self._acceptance.password_key)
        if isinstance(logon, Reason):
            return [Violation(logon)]
        reason = unacceptable(logon, self._acceptance, now.wall)
        if reason:
            return [Violation(reason)]
        self._buffer = self._buffer[framed.end :]
        self._found, self._logon, self._arrived = True, logon, now.wall
        return [Found(logon.login, now)]


def _claim(logon: Logon) -> Claim:
    return Claim(logon.number, logon.reset, logon.expected)
