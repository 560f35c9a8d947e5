"""People from CSV (RFC 4180): a header, then one person a line; all faults are found, not only the first. Pure."""

import base64
import binascii
import csv
import io
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

from gateway.auth.intake.values import MOST_BYTES, Candidate, Fault, Reading
from gateway.core.secret import Secret
from gateway.policy import totp
from gateway.policy.rules import SecondFactor
from gateway.policy.snapshot import Device, Method, User

COLUMNS = (
    "user", "organisation", "email", "method", "second_factor", "processes", "certificates", "routes", "groups",
    "valid_from", "valid_until", "totp_key", "algorithm", "digits", "period", "label",
)  # fmt: skip
"""What a header may name; only `user` must be there. Lists are separated by ";", `totp_key` is base32."""


class _Wrong(ValueError):  # noqa: N818 - a field that says so
    """One field can't be read; the text says why and does not show a secret."""


def read_csv(data: bytes) -> Reading:
    """Read a file of people. Every line either is a candidate or has its faults."""
    if len(data) > MOST_BYTES:
        return Reading(faults=(Fault(1, f"the file has more than {MOST_BYTES} bytes"),))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        return Reading(faults=(Fault(line, "is not UTF-8 text"),))
    reader = csv.DictReader(io.StringIO(text, newline=""), restkey="", strict=True)
    try:
        header = [name.strip() for name in reader.fieldnames or ()]
    except csv.Error as error:
        return Reading(faults=(Fault(1, f"the header can't be read: {error}"),))
    if faults := tuple(_header_faults(header)):
        return Reading(faults=faults)
    reader.fieldnames = header
    return _read_lines(reader)


def _header_faults(header: list[str]) -> Iterator[Fault]:
    if "user" not in header:
        yield Fault(1, f"the header names no column user (it may name: {', '.join(COLUMNS)})")
    for name in dict.fromkeys(header):
        if name not in COLUMNS:
            yield Fault(1, f"there is no column {name[:40]!r} (there are: {', '.join(COLUMNS)})")
        elif header.count(name) > 1:
            yield Fault(1, f"the column {name!r} is there twice")


def _read_lines(reader: "csv.DictReader[str]") -> Reading:
    candidates: list[Candidate] = []
    faults: list[Fault] = []
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            # Where a quote went wrong nobody knows where the next line begins.
            return Reading(
                tuple(candidates), (*faults, Fault(reader.line_num + 1, f"{error}; nothing behind it was read"))
            )
        if row is None:
            return Reading(tuple(candidates), tuple(faults))
        # Where it begins: a quoted field may hold line ends.
        line = reader.line_num - sum(text.count("\n") for text in row.values() if isinstance(text, str))
        found, wrong = _person(row, line)
        candidates += [found] if found else []
        faults += wrong


def _person(row: Mapping[str, str | None], line: int) -> tuple[Candidate | None, list[Fault]]:
    if row.get("", None) or None in row.values():
        return None, [Fault(line, "has not as many fields as the header")]
    faults: list[Fault] = []
    values: dict[str, object] = {}
    for name, read in _READ.items():
        typed = (row.get(name) or "").strip()
        try:
            values[name] = read(typed)
        except _Wrong as error:
            faults.append(Fault(line, f"{name}: {error}"))
    if faults:
        return None, faults
    key = values.pop("totp_key")
    said = {name: values.pop(name) for name in ("algorithm", "digits", "period")}
    label = str(values.pop("label"))
    person = User(id="", **{"name" if name == "user" else name: value for name, value in values.items()})  # type: ignore[arg-type]
    device = Device("", key, **said) if isinstance(key, Secret) else None  # type: ignore[arg-type]
    if device is not None and not totp.usable(device):
        return None, [
            Fault(line, "totp_key: codes can't be made with this key and these settings (RFC 4226: 128 bits)")
        ]
    return Candidate(line, person, device, label), []


def _name(text: str) -> str:
    if not text:
        raise _Wrong("is empty")
    return text


def _list(text: str) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split(";") if part.strip())


def _day(text: str) -> float | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise _Wrong("a date is 2026-12-31 or 2026-12-31T18:00:00Z") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def key_of(text: str) -> Secret | None:
    """Return a base32 key, however it is grouped and cased; None for none. Raises ValueError, which does not show it."""
    bare = text.replace(" ", "").replace("-", "").rstrip("=").upper()
    if not bare:
        return None
    try:
        return Secret(base64.b32decode(bare + "=" * (-len(bare) % 8)))
    except (binascii.Error, ValueError):
        raise _Wrong("is not base32") from None


def _choice(words: Mapping[str, object], default: str) -> Callable[[str], object]:
    def read(text: str) -> object:
        found = (text or default).casefold()
        if found not in words:
            raise _Wrong(f"is not one of {', '.join(word for word in words if word)}")
        return words[found]

    return read


def _period(text: str) -> int:
    if not text:
        return totp.DEFAULT_PERIOD
    if not text.isascii() or not text.isdigit() or not 5 <= int(text[:4]) <= 120 or len(text) > 3:  # noqa: PLR2004
        raise _Wrong("is not a number of seconds from 5 to 120")
    return int(text)


_READ: Mapping[str, Callable[[str], object]] = {
    "user": _name,
    "organisation": str,
    "email": str,
    "method": _choice({method.value: method for method in Method}, Method.PASSWORD_TOTP.value),
    "second_factor": _choice({"": None, **{one.value: one for one in SecondFactor}}, ""),
    "processes": _list,
    "certificates": _list,
    "routes": _list,
    "groups": _list,
    "valid_from": _day,
    "valid_until": _day,
    "totp_key": key_of,
    "algorithm": _choice({name.casefold(): name for name in totp.HASHES}, "SHA1"),
    "digits": _choice({"6": 6, "8": 8}, "6"),
    "period": _period,
    "label": lambda text: text or "imported",
}
