"""A finding: what was looked at, how it is, and how to mend it."""

from dataclasses import dataclass
from enum import Enum


class State(Enum):
    """How it is. Only FAILED makes the doctor's exit code 1."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's. `mend` is empty only where it is well."""

    subject: str
    state: State
    found: str
    mend: str = ""


def ok(subject: str, found: str) -> Finding:
    """Return what is well."""
    return Finding(subject, State.OK, found)


def warning(subject: str, found: str, mend: str) -> Finding:
    """Return what works today and may not tomorrow, or what could not be told."""
    return Finding(subject, State.WARNING, found, mend)


def failed(subject: str, found: str, mend: str) -> Finding:
    """Return what does not work, or is not safe."""
    return Finding(subject, State.FAILED, found, mend)
