"""The log: one line per event on standard output, with a fixed list of keys and no secret in any of them (TW-10)."""

import atexit
import logging
import os
import re
import sys
from collections.abc import Callable
from typing import Any, Literal, TextIO, cast

import structlog
from structlog.typing import EventDict, WrappedLogger

from gateway.core.secret import Secret
from gateway.observe.outlet import Outlet

KEYS = frozenset({
    "event", "level", "timestamp", "worker",  # every line
    "connection", "session", "listener", "protocol", "address", "port", "certificate",  # which contact
    "user", "process", "target", "version", "route", "upstream", "stream",  # who and where
    "outcome", "reason", "meaning", "drift", "seconds",  # what was decided
    "call", "error", "count", "detail", "signal", "profile", "pid",  # what the gateway itself did
    "channel",  # by which way people are told
    "rule", "subject", "country",  # what detection found
})  # fmt: skip
"""Every key a line may have. An unknown one is dropped, and named under `detail` when the level is debug."""

SECRET_KEYS = re.compile(r"(?i)pass(word|wd)?|code|otp|totp|secret|token|seed|raw_?data|private")
"""Keys whose values are never shown, whatever they hold: the second line behind `Secret` and KEYS."""

HIDDEN = "***"
_SAFE = str.maketrans({number: f"\\x{number:02x}" for number in (*range(32), 127)})


def configure(
    style: Literal["json", "console"] = "json", level: str = "info", out: TextIO | None = None, worker: int = 0
) -> None:
    """Set up structlog and the standard library's log alike; `worker` numbers the process in every line."""
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.contextvars.clear_contextvars()
    if worker:
        structlog.contextvars.bind_contextvars(worker=worker)
    structlog.configure(
        processors=_processors(style, debug=threshold <= logging.DEBUG),
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=out or _standard_output()),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Bridge()], level=max(threshold, logging.WARNING), force=True)


def _standard_output() -> TextIO:
    """Return standard output as something that never holds us up; as it is where it is no real file."""
    try:
        descriptor = os.dup(sys.stdout.fileno())  # ours, whatever becomes of the other
    except (OSError, ValueError):
        return sys.stdout
    outlet = Outlet(descriptor, lambda count: structlog.get_logger().warning("log_lines_lost", count=count))
    atexit.register(outlet.close)
    return cast("TextIO", outlet)


def _processors(style: str, *, debug: bool) -> list[Any]:
    last: Any = (
        structlog.dev.ConsoleRenderer(colors=False, sort_keys=False)
        if style == "console"
        else structlog.processors.JSONRenderer()
    )
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        redact,
        only_known(debug=debug),
        last,
    ]


def redact(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """Hide every Secret and every value under a telling key; make control characters visible (log injection)."""
    return {key: HIDDEN if SECRET_KEYS.search(key) else _clean(value) for key, value in line.items()}


def _clean(value: Any) -> Any:
    match value:
        case Secret() | bytes() | bytearray() | memoryview():  # bytes are wire data: nothing to show
            return HIDDEN
        case str():
            return value.translate(_SAFE)
        case bool() | int() | float() | None:
            return value
        case _:
            return str(value).translate(_SAFE)


def only_known(*, debug: bool) -> Callable[[WrappedLogger, str, EventDict], EventDict]:
    """Return a processor that drops keys which are not in KEYS, and says so when debugging."""

    def processor(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
        unknown = sorted(line.keys() - KEYS)
        known = {key: value for key, value in line.items() if key in KEYS}
        return known | {"detail": f"dropped keys: {', '.join(unknown)}"} if unknown and debug else known

    return processor


class _Bridge(logging.Handler):
    """Brings lines of libraries into the same format. Their exceptions are named, never printed: they may hold wire data."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        log = structlog.get_logger()
        kind = type(error).__name__ if error else ""
        text = "library" if error else record.getMessage()
        log.log(record.levelno, text, call=record.name, **({"error": kind} if kind else {}))
