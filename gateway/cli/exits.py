"""Exit codes, and how an error becomes one line on standard error and one of them."""

import sys
from enum import IntEnum
from typing import NoReturn


class Code(IntEnum):
    """What a command's exit code means; the documentation is made from `MEANINGS`."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    UNAVAILABLE = 4
    INTERRUPTED = 130


MEANINGS = {
    Code.OK: "done",
    Code.FAILED: "refused or failed: the line on standard error says why; nothing was changed",
    Code.USAGE: "wrong usage or configuration: every fault is listed",
    Code.NOT_FOUND: "there is no such user, device or session",
    Code.UNAVAILABLE: "the store cannot be used: not reachable, wrong master key or wrong schema",
    Code.INTERRUPTED: "interrupted from the keyboard",
}
EPILOG = "Exit codes: " + "; ".join(f"{code.value} {words}" for code, words in MEANINGS.items()) + "."


class Refusal(Exception):  # noqa: N818 - what the operator reads
    """The command says no: one line for the operator, and the code to end with."""

    def __init__(self, message: str, code: Code = Code.FAILED) -> None:
        super().__init__(message)
        self.code = code


def fail(message: str, code: Code) -> NoReturn:
    """End with one line on standard error."""
    sys.stderr.write(f"gateway: {message}\n")
    raise SystemExit(code)


def code_of(error: Exception) -> Code | None:
    """Return the exit code of an error that is expected to happen; None is a defect, whose traceback is wanted."""
    from gateway.auth.desk import Forbidden  # noqa: PLC0415 - only when something went wrong
    from gateway.auth.proofs import Denied  # noqa: PLC0415
    from gateway.auth.users import WrongCode, WrongPassword  # noqa: PLC0415
    from gateway.net.spec import StartError  # noqa: PLC0415
    from gateway.settings import ConfigError  # noqa: PLC0415
    from gateway.store.errors import KeyRefused, NotFound, SchemaMismatch, StoreError, StoreUnavailable  # noqa: PLC0415

    if isinstance(error, Refusal):
        return error.code
    for kind, code in (
        (ConfigError, Code.USAGE),
        (NotFound, Code.NOT_FOUND),
        ((StoreUnavailable, KeyRefused, SchemaMismatch), Code.UNAVAILABLE),
        ((StoreError, Forbidden, Denied, WrongCode, WrongPassword, StartError, OSError, ValueError), Code.FAILED),
    ):
        if isinstance(error, kind):
            return code
    return None
