"""Authenticators from otpauth URIs, one a line, as authenticator apps and their exports write them. Pure."""

from urllib.parse import parse_qs, unquote, urlsplit

from gateway.auth.intake.rows import key_of
from gateway.auth.intake.values import MOST_BYTES, Candidate, Fault, Reading
from gateway.policy import totp
from gateway.policy.snapshot import Device, User


def read_otpauth(data: bytes) -> Reading:
    """Read otpauth://totp/Issuer:user?secret=… lines; empty lines and those that begin with # are skipped."""
    if len(data) > MOST_BYTES:
        return Reading(faults=(Fault(1, f"the file has more than {MOST_BYTES} bytes"),))
    candidates: list[Candidate] = []
    faults: list[Fault] = []
    for line, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        text = raw.strip()
        if not text or text.startswith(b"#"):
            continue
        try:
            candidates.append(_candidate(text.decode(), line))
        except UnicodeDecodeError:
            faults.append(Fault(line, "is not UTF-8 text"))
        except ValueError as error:
            faults.append(Fault(line, str(error)))
    return Reading(tuple(candidates), tuple(faults))


def _candidate(text: str, line: int) -> Candidate:
    try:
        parts = urlsplit(text)
    except ValueError:
        raise ValueError("is no otpauth URI") from None  # urlsplit's own words may show the line
    if parts.scheme != "otpauth":
        raise ValueError("is no otpauth URI")
    if parts.netloc.casefold() != "totp":
        raise ValueError("is no time-based authenticator (otpauth://totp/)")
    said = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    issuer, _, account = unquote(parts.path.removeprefix("/")).rpartition(":")
    if not account.strip():
        raise ValueError("names no user")
    return Candidate(
        line, User("", account.strip()), _device(said), issuer.strip() or said.get("issuer", "") or "imported"
    )


def _device(said: dict[str, str]) -> Device:
    try:
        key = key_of(said.get("secret", ""))
    except ValueError:
        raise ValueError("its secret is not base32") from None
    numbers = [said.get("digits", "6"), said.get("period", str(totp.DEFAULT_PERIOD))]
    if key is None or not all(text.isascii() and text.isdigit() and len(text) < 4 for text in numbers):  # noqa: PLR2004
        raise ValueError("has no secret, or digits and period are no numbers")
    device = Device("", key, said.get("algorithm", "SHA1").upper(), int(numbers[0]), int(numbers[1]))
    if not totp.usable(device):
        raise ValueError("codes can't be made with this key, hash, digits and period")
    return device
