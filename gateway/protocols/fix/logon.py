"""Reading a Logon the venue's way: who, to whom, which secrets, and the edits that take the secrets out.

Nothing here judges credentials or forwards anything. A Logon that could be read in two ways is garbled: what the
gateway checks and what the engine reads must be the same.
"""

import calendar
import re
from dataclasses import dataclass, field, replace
from typing import Final

from gateway.core.login import Login, Sealed
from gateway.core.reason import Reason
from gateway.core.secret import Secret
from gateway.protocols.fix.fields import DATA_OF_LENGTH, Change, Field, cut, scan
from gateway.protocols.fix.framing import sums_up
from gateway.protocols.fix.venue import Acceptance, Venue

_SINGLE = frozenset(
    (b"8", b"9", b"34", b"35", b"49", b"50", b"52", b"56", b"57", b"141", b"142", b"143", b"789", b"10")
)
_ENCRYPTION: Final = frozenset((b"1400", b"1401", b"1402", b"1403", b"1404"))
_COMP_ID = re.compile(r"[!-~][ -~]{0,63}")
_TIME = re.compile(rb"(\d{4})(\d\d)(\d\d)-(\d\d):(\d\d):(\d\d)(\.\d{1,12})?")
_LENGTH_OF_DATA = {data: length for length, data in DATA_OF_LENGTH.items()}


@dataclass(frozen=True, slots=True)
class Party:
    """Whom the gateway speaks for and to, in the client's own words; subs are mirrored as FIX demands.

    `reply` is header fields 49, 56, 50, 57, 142 and 143 of a message to the client, SOH-ended.
    """

    begin: bytes
    reply: bytes


@dataclass(frozen=True, slots=True)
class Logon:
    """A Logon that was read. `secrets` are the edits that take them out; `expected` is 789, None where absent."""

    login: Login
    party: Party
    number: int
    reset: bool
    expected: int | None
    sent: float | None
    message: bytes = field(repr=False)
    secrets: tuple[Change, ...] = field(repr=False)
    next_expected: Field | None = field(default=None, repr=False)


def read_logon(message: bytes, begin: bytes, venue: Venue, key: str = "") -> Logon | Reason:
    """Read a framed message as the session's first: NOT_A_LOGIN, GARBLED and WRONG_COMP_ID are what it may be instead.

    `key` names what opens an EncryptedPassword(1402).
    """
    fields = scan(message)
    if fields is None or not sums_up(message):
        return Reason.GARBLED
    if fields[2].of(message) != b"A":
        return Reason.NOT_A_LOGIN
    found = _once(message, fields, venue)
    if found is None:
        return _which_doubled(fields)
    sender, target = _comp_id(message, found.get(b"49")), _comp_id(message, found.get(b"56"))
    if sender is None or target is None:
        return Reason.WRONG_COMP_ID
    user = _text(message, found.get(b"%d" % venue.user_tag))
    number, expected = _number(message, found.get(b"34")), _number(message, found.get(b"789"))
    if user is None or (user and not user.isprintable()) or not number or (b"789" in found and not expected):
        return Reason.GARBLED
    version = begin.decode()
    login = Login("fix", user, sender, target, version, stream=stream_key(version, sender, target))
    login = _with_credentials(login, message, found, venue, key)
    return Logon(
        login,
        Party(begin, _reply(message, found)),
        number,
        _value(message, found.get(b"141")) == b"Y",
        expected,
        sending_time(_value(message, found.get(b"52"))),
        message,
        tuple(_secrets(fields, found, venue, login.code)),
        found.get(b"789"),
    )


def unacceptable(logon: Logon, acceptance: Acceptance, wall: float) -> Reason | None:
    """Return why a listener does not take this Logon (FIX test cases 1S, 2k), None where it does."""
    if logon.login.version not in acceptance.versions:
        return Reason.UNSUPPORTED_VERSION
    if logon.sent is None or abs(logon.sent - wall) > acceptance.tolerance:
        return Reason.STALE_SENDING_TIME
    return None


def sending_time(value: bytes) -> float | None:
    """Read a UTCTimestamp as seconds since 1970, None where it is none; a leap second counts as the next second."""
    match = _TIME.fullmatch(value)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(match[i]) for i in range(1, 7))
    if not (year >= 1970 and 1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second <= 60):  # noqa: PLR2004 - the calendar's own bounds
        return None
    return calendar.timegm((year, month, day, hour, minute, second, 0, 0, 0)) + float(match[7] or 0)


def stream_key(version: str, sender: str, target: str) -> str:
    """Name the stream whose numbers are remembered: QuickFIX's session identity, without the other sub-identifiers."""
    return "/".join(part.replace("%", "%25").replace("/", "%2F") for part in (version, sender, target))


def _once(message: bytes, fields: list[Field], venue: Venue) -> dict[bytes, Field] | None:
    password = b"%d" % venue.password_tag
    single = _SINGLE | {b"%d" % venue.user_tag, password, b"%d" % venue.code_tag, _LENGTH_OF_DATA.get(password, b"10")}
    found: dict[bytes, Field] = {}
    for item in fields:
        if item.tag in single and found.setdefault(item.tag, item) is not item:
            return None
    return found if fields[-1].tag == b"10" and message[fields[2].start : fields[2].value] == b"35=" else None


def _which_doubled(fields: list[Field]) -> Reason:
    tags = [item.tag for item in fields]
    return Reason.WRONG_COMP_ID if tags.count(b"49") > 1 or tags.count(b"56") > 1 else Reason.GARBLED


def _with_credentials(login: Login, message: bytes, found: dict[bytes, Field], venue: Venue, key: str) -> Login:
    item = found.get(b"%d" % venue.password_tag)
    password = item.of(message) if item else None
    code = _value(message, found.get(b"%d" % venue.code_tag)) if venue.code_tag else b""
    if venue.encrypted:
        inside = venue.code_digits if venue.code_tag == 0 else 0
        sealed = Sealed(key, Secret(password), inside) if password is not None else None
        return replace(login, code=_secret(code), sealed=sealed)
    if venue.code_tag == 0 and password is not None:
        password, code = _split(password, venue.code_digits)
    return replace(login, password=Secret(password) if password is not None else None, code=_secret(code))


def _secret(code: bytes) -> Secret | None:
    return Secret(code) if code else None


def _split(password: bytes, digits: int) -> tuple[bytes, bytes]:
    tail = password[-digits:]
    return (password[:-digits], tail) if len(tail) == digits and tail.isdigit() else (password, b"")


def _secrets(fields: list[Field], found: dict[bytes, Field], venue: Venue, code: Secret | None) -> list[Change]:
    tags = {b"%d" % tag for tag in venue.strip} | ({b"%d" % venue.code_tag} if venue.code_tag else set())
    password = b"%d" % venue.password_tag
    if not venue.forward_password:
        tags |= _ENCRYPTION if venue.encrypted else {password}
    changes = cut(fields, frozenset(tags))
    item, length = found.get(password), found.get(_LENGTH_OF_DATA.get(password, b""))
    if venue.code_tag == 0 and code and item and password not in tags:
        changes.append(Change(item.end - 1 - venue.code_digits, item.end - 1))
        if length:
            size = item.end - 1 - item.value - venue.code_digits
            changes.append(Change(length.value, length.end - 1, b"%d" % size))
    return changes


def _reply(message: bytes, found: dict[bytes, Field]) -> bytes:
    mirrored = ((b"49", b"56"), (b"56", b"49"), (b"50", b"57"), (b"57", b"50"), (b"142", b"143"), (b"143", b"142"))
    return b"".join(b"%b=%b\x01" % (to, found[origin].of(message)) for to, origin in mirrored if origin in found)


def _value(message: bytes, item: Field | None) -> bytes:
    return item.of(message) if item else b""


def _text(message: bytes, item: Field | None) -> str | None:
    try:
        return _value(message, item).decode()
    except UnicodeDecodeError:
        return None


def _number(message: bytes, item: Field | None) -> int | None:
    digits = _value(message, item)
    return int(digits) if digits.isdigit() and len(digits) <= 12 else None  # noqa: PLR2004 - far above any MsgSeqNum


def _comp_id(message: bytes, item: Field | None) -> str | None:
    text = _text(message, item)
    return text if text and _COMP_ID.fullmatch(text) else None
