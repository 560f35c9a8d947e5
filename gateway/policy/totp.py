"""One-time codes (RFC 6238): which step of which authenticator does a code belong to?

Pure: the time is an argument, and it is the time the login *arrived* (BY-4). Nothing here knows what was burnt,
counts a failure or decides. A device that can't make a code (a key too short, an unknown hash) matches nothing.
"""

import base64
import hashlib
import hmac
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyotp

from gateway.core.secret import Secret
from gateway.policy.snapshot import Device

HASHES: dict[str, Callable[..., Any]] = {"SHA1": hashlib.sha1, "SHA256": hashlib.sha256, "SHA512": hashlib.sha512}

RECOGNISED = 10
"""How many steps before and after the accepted ones a code is still recognised, to say why it was wrong."""

DEFAULT_PERIOD = 30


@dataclass(frozen=True, slots=True)
class Match:
    """A code of `device` for `step`; `drift` is the step minus the current one: negative old, positive from the future."""

    device: Device
    step: int
    drift: int


def match(device: Device, code: Secret, at: float, window: int) -> int | None:
    """Return the newest accepted step that `code` is the code of, or None. RFC 6238 §5.2.

    `at` is seconds since 1970; the current step and the `window` steps before it are accepted (M7-8: window 0).
    """
    found = recognise(device, code, at, back=window, ahead=0)
    return found.step if found else None


def recognise(
    device: Device, code: Secret, at: float, *, back: int = RECOGNISED, ahead: int = RECOGNISED
) -> Match | None:
    """Return the match nearest to now among `back` steps before and `ahead` steps after the current one.

    Every candidate is compared, in constant time, whichever one fits.
    """
    totp, typed = _generator(device), code.reveal()
    if totp is None or not math.isfinite(at) or at < 0:
        return None
    now = step_at(device, at)
    fits = [
        drift
        for drift in range(max(-back, -now), ahead + 1)
        if hmac.compare_digest(totp.generate_otp(now + drift).encode(), typed)
    ]
    nearest = min(fits, key=abs, default=None)
    return None if nearest is None else Match(device, now + nearest, nearest)


def step_at(device: Device, at: float) -> int:
    """Return the step (RFC 6238 §4.2: T, with T0 = 0) of `at`, seconds since 1970."""
    return int(at // device.period)


def until_next_step(devices: Sequence[Device], now: float) -> int:
    """Return the whole seconds, at least 1, until every device has a new code (BY-3)."""
    periods = {device.period for device in devices if device.period > 0} or {DEFAULT_PERIOD}
    return max(1, *(math.ceil(period - now % period) for period in periods))


def usable(device: Device) -> bool:
    """Say whether codes can be made with the device's key, hash, digits and period at all."""
    return _generator(device) is not None


def _generator(device: Device) -> pyotp.TOTP | None:
    digest = HASHES.get(device.algorithm)
    if digest is None or device.digits not in (6, 8):
        return None
    key = base64.b32encode(device.key.reveal()).decode()
    try:
        return pyotp.TOTP(key, digits=device.digits, digest=digest, interval=device.period)
    except ValueError:  # a key under 112 bits, a period over two minutes
        return None
