"""The machine: its clock, its limits, and whether its software is still mended by those who make it."""

import ctypes
import os
import resource
import struct
import time
from collections.abc import Iterator

from gateway.cli.checkup.finding import Finding, ok, warning
from gateway.compliance.lifetimes import assess, day
from gateway.settings.model import Settings

_UNSYNCHRONISED = 0x40  # STA_UNSYNC in timex.h
_TIMEX = struct.Struct(
    "@i4xqqqqi"
)  # modes, offset, freq, maxerror, esterror, status: how struct timex begins on 64 bits
_TIMEX_ROOM = 512
TRUSTED_ERROR = 1.0
"""Seconds: a code's interval is 30, and a client's clock is wrong by its own share."""
RESERVE = 64
"""Descriptors for log, store, admin and the listeners themselves."""
_SYNC = "run chrony or systemd-timesyncd: one-time codes are judged by this clock"


def clock() -> Finding:
    """Ask the kernel (adjtimex, which reads only) whether something disciplines its clock."""
    try:
        status, error = _adjtimex()
    except (OSError, AttributeError):
        return warning("clock", "the kernel does not say whether it is synchronised", f"see to it: {_SYNC}")
    if status & _UNSYNCHRONISED:
        return warning("clock", "nothing synchronises it, says the kernel", _SYNC)
    if error > TRUSTED_ERROR:
        return warning("clock", f"may be wrong by {error:.1f} s, says the kernel", _SYNC)
    return ok("clock", f"synchronised, wrong by {error * 1000:.0f} ms at most")


def _adjtimex() -> tuple[int, float]:
    """Return the kernel's status bits and its greatest error in seconds. Raises OSError, AttributeError."""
    buffer = ctypes.create_string_buffer(_TIMEX_ROOM)
    if ctypes.CDLL(None, use_errno=True).adjtimex(buffer) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    _, _, _, error, _, status = _TIMEX.unpack_from(buffer.raw)
    return status, error / 1e6


def descriptors(settings: Settings) -> Finding:
    """Compare the limit of open files with what the listeners may need: two for a connection, in each process."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * sum(listener.max_connections for listener in settings.listener) + RESERVE
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return ok("open files", f"limit {soft}, at most {needed} are needed")
    mend = f"raise it (ulimit -n {needed}; systemd: LimitNOFILE={needed}), or lower listener.max_connections"
    return warning("open files", f"limit {soft}, but max_connections may need {needed}", mend)


def software(versions: dict[str, str], now: float | None = None) -> Iterator[Finding]:
    """Say of each program how long its makers mend it (SF-15). `now` in seconds since 1970; the clock's if not given."""
    today = day(time.time() if now is None else now)
    for one in assess(versions):
        words = one.words(today)
        if one.ended(today):
            yield warning(
                "software", words, f"update {one.name}, unless your distribution mends this line: then keep its updates"
            )
        elif one.ends is None:
            yield warning(
                "software", words, f"look up how long {one.name} {one.version} is maintained, and add the line"
            )
        elif one.ends_soon(today):
            yield warning("software", words, f"plan the update of {one.name}")
        else:
            yield ok("software", words)
