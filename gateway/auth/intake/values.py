"""What a file of people comes to: candidates and faults, each with its line. Values only."""

from dataclasses import dataclass

from gateway.policy.snapshot import Device, User

MOST_BYTES = 64 * 1024 * 1024
"""Of one file: a hundred thousand people fit."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One person of a file, or an authenticator for one. `label` is what the authenticator is called."""

    line: int
    user: User
    device: Device | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in which line (from 1), in words; never with a secret in it."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Reading:
    """A whole file. Invariant: a line with a fault has no candidate."""

    candidates: tuple[Candidate, ...] = ()
    faults: tuple[Fault, ...] = ()
