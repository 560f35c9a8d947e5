"""A goal of the bench, and how a number is shown that may be missing."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Goal:
    """One line of an issue's "What it must reach"; `met` is None when this run did not measure it."""

    text: str
    value: float | None
    bound: float
    at_most: bool

    @property
    def met(self) -> bool | None:
        if self.value is None:
            return None
        return self.value <= self.bound if self.at_most else self.value >= self.bound


def shown(value: float | None, style: str) -> str:
    """The number in its style, or a dash."""
    return "-" if value is None else format(value, style)
