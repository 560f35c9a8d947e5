"""The edit: a one-time code into a Logon, where its venue keeps it; every other byte stays the client's.

The reverse of `gateway.protocols.fix.logon`: what that takes out is what this puts in.
"""

from typing import Final

from gateway.attach.key import TotpKey
from gateway.protocols.fix.fields import DATA_OF_LENGTH, Change, Field, edit, scan
from gateway.protocols.fix.venue import Venue

_LENGTH_OF_DATA = {data: length for length, data in DATA_OF_LENGTH.items()}
_TRAILER: Final = frozenset((b"93", b"89", b"10"))


class Dresser:
    """Puts codes of one key into Logons of one venue.

    Invariant: the venue has a place for the key's codes. Raises ValueError where it has none.
    """

    __slots__ = ("_digits", "_key", "_password", "_tag")

    def __init__(self, venue: Venue, key: TotpKey) -> None:
        if venue.code_tag == 0 and venue.encrypted:
            raise ValueError(f"venue {venue.name}: a code can't be put behind an encrypted password")
        if venue.code_tag == 0 and venue.code_digits != key.device.digits:
            raise ValueError(f"venue {venue.name} wants {venue.code_digits} digits, the key has {key.device.digits}")
        self._key = key
        self._tag = b"%d" % venue.code_tag if venue.code_tag else b""
        self._password = b"%d" % venue.password_tag
        self._digits = key.device.digits

    def fits(self, message: bytes) -> bool:
        """Say whether this framed Logon has a place for a code: readable fields, and a password where it goes behind one."""
        fields = scan(message)
        return fields is not None and (bool(self._tag) or len(_all(fields, self._password)) == 1)

    def dress(self, message: bytes, step: int) -> bytes:
        """Return the framed Logon with the step's code, or as it is where it has no place for one; a code there is replaced."""
        fields, code = scan(message) or [], self._key.code(step)
        changes = self._tagged(fields, code) if self._tag else self._appended(message, fields, code, step)
        return edit(message, changes)

    def _tagged(self, fields: list[Field], code: bytes) -> list[Change]:
        length = _LENGTH_OF_DATA.get(self._tag, b"")
        there = _all(fields, self._tag) + (_all(fields, length) if length else [])
        field = (b"%b=%d\x01" % (length, len(code)) if length else b"") + b"%b=%b\x01" % (self._tag, code)
        if there:
            first = min(there, key=lambda item: item.start)
            rest = [Change(item.start, item.end) for item in there if item is not first]
            return [Change(first.start, first.end, field), *rest]
        at = next((item.start for item in fields if item.tag in _TRAILER), 0)
        return [Change(at, at, field)] if at else []

    def _appended(self, message: bytes, fields: list[Field], code: bytes, step: int) -> list[Change]:
        found = _all(fields, self._password)
        if len(found) != 1:
            return []
        password = found[0].of(message)
        if self._key.made(password[-self._digits :], step * self._key.period):
            password = password[: -self._digits]
        value = password + code
        lengths = _all(fields, _LENGTH_OF_DATA.get(self._password, b""))
        sizes = [Change(item.value, item.end - 1, b"%d" % len(value)) for item in lengths]
        return [Change(found[0].value, found[0].end - 1, value), *sizes]


def _all(fields: list[Field], tag: bytes) -> list[Field]:
    return [field for field in fields if field.tag == tag]
