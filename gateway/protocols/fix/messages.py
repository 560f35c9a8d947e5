"""The two messages the gateway says itself, to the client only: Logout, and SequenceReset-GapFill over its own Logouts.

Neither is ever sent towards an engine.
"""

from time import gmtime, strftime
from typing import Final

from gateway.core.reason import Disclosure, Reason
from gateway.protocols.fix.framing import checksum
from gateway.protocols.fix.logon import Party

_SESSION_STATUS: Final = {
    Reason.MUST_CHANGE_PASSWORD: 8,
    Reason.NOT_ENROLLED: 7,
    Reason.UPSTREAM_REFUSED: 5,
    Reason.TOO_MANY_SESSIONS: 7,
    Reason.ALREADY_LOGGED_IN: 7,
    Reason.UNAVAILABLE: 7,
    Reason.UPSTREAM_UNREACHABLE: 7,
    Reason.UPSTREAM_SILENT: 7,
    Reason.UPSTREAM_CLOSED: 7,
}
_LOGOUT_COMPLETE: Final = 4
_INVALID_CREDENTIALS: Final = 5


def logout(party: Party, number: int, text: str, reason: Reason, wall: float) -> bytes:
    """Build a Logout (35=5) with Text(58); SessionStatus(1409) on FIXT.1.1 only, as FIX.4.x engines reject it."""
    status = b"1409=%d\x01" % session_status(reason) if party.begin.startswith(b"FIXT") else b""
    said = b"58=%b\x01" % text.encode("ascii", "replace").replace(b"\x01", b" ") if text else b""
    return _message(party, b"5", number, b"52=%b\x01" % timestamp(wall), status + said)


def gap_fill(party: Party, number: int, following: int, wall: float) -> bytes:
    """Build a SequenceReset-GapFill that answers a ResendRequest for `number` up to `following` - 1 (FIX 4.4 vol. 2)."""
    now = timestamp(wall)
    header = b"43=Y\x0152=%b\x01122=%b\x01" % (now, now)
    return _message(party, b"4", number, header, b"123=Y\x0136=%d\x01" % following)


def session_status(reason: Reason) -> int:
    """Return the SessionStatus(1409) of a reason (FIX 5.0 SP2): one value for every neutral reason."""
    if reason.disclosure is Disclosure.NEUTRAL:
        return _INVALID_CREDENTIALS
    return _SESSION_STATUS.get(reason, _LOGOUT_COMPLETE)


def timestamp(wall: float) -> bytes:
    """Write seconds since 1970 as a UTCTimestamp with milliseconds."""
    seconds, milliseconds = divmod(int(wall * 1000), 1000)
    return strftime("%Y%m%d-%H:%M:%S", gmtime(seconds)).encode() + b".%03d" % milliseconds


def _message(party: Party, kind: bytes, number: int, header: bytes, rest: bytes) -> bytes:
    body = b"35=%b\x01%b34=%d\x01%b%b" % (kind, party.reply, number, header, rest)
    begun = b"8=%b\x019=%d\x01%b" % (party.begin, len(body), body)
    return b"%b10=%03d\x01" % (begun, checksum(begun))
