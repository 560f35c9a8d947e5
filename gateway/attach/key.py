"""The trader's TOTP key: where it is read from, and its codes. Nothing here may show the key, in an error least of all."""

import base64
import binascii
import os
import stat
from dataclasses import dataclass
from pathlib import Path

import pyotp

from gateway.core.secret import Secret
from gateway.policy.snapshot import Device
from gateway.policy.totp import HASHES, recognise, usable

LARGEST = 4096
"""Bytes of a key file: an otpauth URI is far shorter."""
PERIODS = range(5, 121)
"""Seconds of a step, as `gateway totp enroll` makes them."""


class KeyRefusedError(ValueError):
    """The key can't be used: one line that says why and holds nothing of it."""


@dataclass(frozen=True, slots=True)
class TotpKey:
    """One authenticator's key (RFC 6238). Invariant: codes can be made with it."""

    device: Device

    @property
    def period(self) -> int:
        """Seconds of a step."""
        return self.device.period

    def code(self, step: int) -> bytes:
        """Return the code of a step (RFC 6238 §4.2)."""
        device = self.device
        key = base64.b32encode(device.key.reveal()).decode()
        totp = pyotp.TOTP(key, digits=device.digits, digest=HASHES[device.algorithm], interval=device.period)
        return totp.generate_otp(step).encode()

    def made(self, digits: bytes, at: float) -> bool:
        """Say whether these are a code of this key from about `at` (seconds since 1970)."""
        return recognise(self.device, Secret(digits), at) is not None


def read_key_file(path: Path) -> TotpKey:
    """Read a key file that nobody but its owner may read. Raises KeyRefusedError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO would wait for ever
    except OSError as error:
        raise KeyRefusedError(f"key file {path}: {error.strerror}") from None
    try:
        _check_owner(path, os.fstat(descriptor))
        raw = os.read(descriptor, LARGEST + 1)
    finally:
        os.close(descriptor)
    return parse_key(_text(raw), f"key file {path}")


def parse_key(text: str, source: str) -> TotpKey:
    """Read base32 or an otpauth://totp URI. Raises KeyRefusedError, which names `source` only."""
    text = text.strip()
    if not text:
        raise KeyRefusedError(f"{source} is empty")
    key = TotpKey(_from_uri(text, source) if text.startswith("otpauth:") else Device("", _base32(text, source)))
    if key.period not in PERIODS or not usable(key.device):
        raise KeyRefusedError(f"{source}: a key has 16 bytes or more, 6 or 8 digits and a period of 5 to 120 s")
    return key


def _check_owner(path: Path, status: os.stat_result) -> None:
    mode = stat.S_IMODE(status.st_mode)
    if not stat.S_ISREG(status.st_mode):
        raise KeyRefusedError(f"key file {path} is not a file")
    if mode & 0o077:
        raise KeyRefusedError(f"key file {path}: others may use it (mode {mode:04o}); chmod 600 {path}")
    if status.st_uid not in {0, os.geteuid()}:
        raise KeyRefusedError(f"key file {path} belongs to another user")


def _text(raw: bytes) -> str:
    try:
        return raw.decode() if len(raw) <= LARGEST else "?"
    except UnicodeDecodeError:
        return "?"


def _base32(text: str, source: str) -> Secret:
    letters = "".join(text.split()).replace("-", "").rstrip("=").upper()
    try:
        return Secret(base64.b32decode(letters + "=" * (-len(letters) % 8)))
    except (binascii.Error, ValueError):
        raise KeyRefusedError(f"{source} holds neither base32 nor an otpauth://totp URI") from None


def _from_uri(uri: str, source: str) -> Device:
    try:
        found = pyotp.parse_uri(uri)
    except Exception:  # noqa: BLE001 - its message may quote the URI
        found = None
    if type(found) is not pyotp.TOTP:
        raise KeyRefusedError(f"{source} holds no valid otpauth://totp URI")
    algorithm = next((name for name, digest in HASHES.items() if digest is found.digest), "")
    return Device("", _base32(found.secret, source), algorithm, found.digits, found.interval)
