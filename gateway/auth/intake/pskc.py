"""Authenticators from OATH PSKC (RFC 6030): plain, under a password (§6.2) or a pre-shared AES key (§6.1).

No DTD, no entities, no network; what is encrypted must carry its MAC, which is checked before anything is decrypted.
Never raises on a file's content, and says nothing of a key but where it is wrong.
"""

import base64
import binascii
from typing import Final

from lxml import etree

from gateway.auth.intake.pskccrypto import Cryptic, Locked, PskcKey
from gateway.auth.intake.values import MOST_BYTES, Candidate, Fault, Reading
from gateway.core.secret import Secret
from gateway.policy import totp
from gateway.policy.snapshot import Device, User
from gateway.protocols.xml import NotXmlError, document

PSKC: Final = "{urn:ietf:params:xml:ns:keyprov:pskc}"
TOTP: Final = "urn:ietf:params:xml:ns:keyprov:pskc:totp"


def read_pskc(data: bytes, key: PskcKey | None = None) -> Reading:
    """Read a KeyContainer; `key` opens one that is encrypted. A candidate's line is where its KeyPackage begins."""
    if len(data) > MOST_BYTES:
        return Reading(faults=(Fault(1, f"the file has more than {MOST_BYTES} bytes"),))
    try:
        root = document(data)
    except NotXmlError as error:
        return Reading(faults=(Fault(error.line, str(error)),))
    if root.tag != f"{PSKC}KeyContainer":
        return Reading(faults=(Fault(1, "is no PSKC KeyContainer (RFC 6030)"),))
    try:
        cryptic = Cryptic.of(root, key)
    except Locked as error:
        return Reading(faults=(Fault(_line(root), str(error)),))
    return _packages(root, cryptic)


def _line(element: etree._Element) -> int:
    line = element.sourceline
    return line if isinstance(line, int) else 1


def _packages(root: etree._Element, cryptic: Cryptic | None) -> Reading:
    candidates: list[Candidate] = []
    faults: list[Fault] = []
    for package in root.iterchildren(f"{PSKC}KeyPackage"):
        line = _line(package)
        try:
            candidates.append(_candidate(package, line, cryptic))
        except (Locked, ValueError) as error:
            faults.append(Fault(line, str(error)))
    if not candidates and not faults:
        faults.append(Fault(_line(root), "has no KeyPackage in it"))
    return Reading(tuple(candidates), tuple(faults))


def _candidate(package: etree._Element, line: int, cryptic: Cryptic | None) -> Candidate:
    key = package.find(f"{PSKC}Key")
    if key is None:
        raise ValueError("has no Key in it")
    if key.get("Algorithm") != TOTP:
        raise ValueError("is no time-based authenticator (only RFC 6238, TOTP)")
    user = _user(key.findtext(f"{PSKC}UserId") or package.findtext(f"{PSKC}DeviceInfo/{PSKC}UserId") or "")
    if not user:
        raise ValueError("says not whose it is (UserId)")
    serial = package.findtext(f"{PSKC}DeviceInfo/{PSKC}SerialNo") or key.get("Id") or "imported"
    device = _device(key, cryptic)
    if not totp.usable(device):
        raise ValueError("codes can't be made with its key, hash, digits and period")
    return Candidate(line, User("", user), device, serial.strip())


def _device(key: etree._Element, cryptic: Cryptic | None) -> Device:
    parameters = key.find(f"{PSKC}AlgorithmParameters")
    suite = key.findtext(f"{PSKC}AlgorithmParameters/{PSKC}Suite") or "HMAC-SHA1"
    shape = parameters.find(f"{PSKC}ResponseFormat") if parameters is not None else None
    if shape is not None and shape.get("Encoding", "DECIMAL") != "DECIMAL":
        raise ValueError("its codes are not decimal")
    digits = shape.get("Length", "6") if shape is not None else "6"
    period = _data(key, "TimeInterval", str(totp.DEFAULT_PERIOD))
    start = _data(key, "Time", "0")
    if start not in ("0", "") and not start.startswith("1970-01-01T00:00:00"):
        raise ValueError("its time does not begin in 1970 (RFC 6238: T0)")
    if not (digits.isdigit() and period.isdigit() and len(digits) + len(period) < 6):  # noqa: PLR2004 - "8" and "120"
        raise ValueError("digits or interval are no numbers")
    algorithm = suite.strip().upper().removeprefix("HMAC-").replace("-", "")
    return Device("", _secret(key, cryptic), algorithm, int(digits), int(period))


def _data(key: etree._Element, name: str, default: str) -> str:
    return (key.findtext(f"{PSKC}Data/{PSKC}{name}/{PSKC}PlainValue") or default).strip()


def _secret(key: etree._Element, cryptic: Cryptic | None) -> Secret:
    secret = key.find(f"{PSKC}Data/{PSKC}Secret")
    if secret is None:
        raise ValueError("has no Secret in it")
    plain = secret.findtext(f"{PSKC}PlainValue")
    if plain is not None:
        try:
            return Secret(base64.b64decode("".join(plain.split()), validate=True))
        except (binascii.Error, ValueError):
            raise ValueError("its PlainValue is not base64") from None
    if cryptic is None:
        raise Locked("its key is encrypted, and the file does not say how")
    return cryptic.open(secret)


def _user(text: str) -> str:
    """Return the name in a UserId, which RFC 6030 §4.1.1 makes a distinguished name: its CN or UID, or the text itself."""
    parts = [part.partition("=") for part in text.split(",")]
    named = {kind.strip().upper(): value.strip() for kind, equals, value in parts if equals}
    return named.get("UID") or named.get("CN") or ("" if named else text.strip())
