"""What is wrong with a configuration, every fault at once, each with its path and what is allowed there.

Never repeats a value that could be a secret: nothing from an unknown key, a secret option or a whole table.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

from gateway.settings.options import Option, section_of, tables


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault; `path` is like listener[0].venue, "" for the whole configuration."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class ConfigError(Exception):
    """The configuration cannot be used. Holds every problem that was found, at least one."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def problems_in(error: ValidationError, model: type[BaseModel]) -> Iterator[Problem]:
    """Translate the model's complaints."""
    for fault in error.errors(include_url=False):
        location = fault["loc"]
        if fault["type"] == "extra_forbidden":
            yield Problem(path_of(location), _unknown(location, model))
        else:
            yield Problem(path_of(location), _message(dict(fault), location, model))


def path_of(location: Sequence[int | str]) -> str:
    """Write ("listener", 0, "venue") as listener[0].venue."""
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def _unknown(location: Sequence[int | str], model: type[BaseModel]) -> str:
    section = _section_at(location[:-1], model)
    names = sorted(section.model_fields)
    close = get_close_matches(str(location[-1]), names, 1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"unknown option{hint} (allowed here: {', '.join(names)})"


def _message(fault: dict[str, Any], location: Sequence[int | str], model: type[BaseModel]) -> str:
    text = str(fault["msg"]).removeprefix("Value error, ")
    text = text[:1].lower() + text[1:]
    option = _option_at(location, model)
    if fault["type"] == "missing":
        text = "is missing"
    elif option and option.allowed != "secret text" and isinstance(fault["input"], str | int | float):
        text += f", got {fault['input']!r}"
    return f"{text} (allowed: {_allowed(option)}. {option.reason})" if option else text


def _allowed(option: Option) -> str:
    return f"{option.allowed}, in {option.unit}" if option.unit else option.allowed


def _section_at(location: Sequence[int | str], model: type[BaseModel]) -> type[BaseModel]:
    for part in location:
        if isinstance(part, str) and part in model.model_fields:
            section = section_of(model.model_fields[part])
            model = section[0] if section else model
    return model


def _option_at(location: Sequence[int | str], model: type[BaseModel]) -> Option | None:
    names = [part for part in location if isinstance(part, str)]
    if not names:
        return None
    own = next(tables(_section_at(location[: _index(location, names[-1])], model))).options
    return next((option for option in own if option.name == names[-1]), None)


def _index(location: Sequence[int | str], name: str) -> int:
    return len(location) - 1 - list(reversed(location)).index(name)
