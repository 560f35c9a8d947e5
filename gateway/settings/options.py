"""The model, option by option: what the generated documents and the error messages say about each.

Reads the model only; knows no option by name.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gateway.core.secret import Secret
from gateway.settings.types import Form, Unit


@dataclass(frozen=True, slots=True)
class Option:
    """One option: `table` is its TOML table ("listener.tls"), `default` is None where there is none."""

    table: str
    name: str
    default: Any
    required: bool
    unit: str
    allowed: str
    reason: str


@dataclass(frozen=True, slots=True)
class Table:
    """One TOML table; `many` for an array of tables, `optional` where naming it alone would set something."""

    path: str
    many: bool
    optional: bool
    reason: str
    options: tuple[Option, ...]


def tables(model: type[BaseModel], path: str = "", *, many: bool = False, optional: bool = False) -> Iterator[Table]:
    """Yield the model's own options as one table, then its sub-tables, depth first."""
    own = [(name, info) for name, info in model.model_fields.items() if section_of(info) is None]
    reason = " ".join((model.__doc__ or "").split())
    yield Table(path, many, optional, reason, tuple(_option(path, name, info) for name, info in own))
    for name, info in model.model_fields.items():
        section = section_of(info)
        if section is not None:
            inner, listed = section
            below = f"{path}.{name}" if path else name
            yield from tables(inner, below, many=listed, optional=optional or listed or info.default is None)


def section_of(info: FieldInfo) -> tuple[type[BaseModel], bool] | None:
    """Return the section a field holds and whether it holds a list of them; None for an option."""
    for kind, listed in _kinds(info.annotation):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind, listed
    return None


def _kinds(annotation: Any, *, listed: bool = False) -> Iterator[tuple[Any, bool]]:
    """Yield the plain types in an annotation, with whether they stand inside a list or a set."""
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        for part in get_args(annotation):
            yield from _kinds(part, listed=listed)
    elif origin in (tuple, frozenset):
        yield from _kinds(get_args(annotation)[0], listed=True)
    elif hasattr(annotation, "__metadata__"):
        yield from _kinds(annotation.__origin__, listed=listed)
    elif annotation is not NoneType and annotation is not Ellipsis:
        yield annotation, listed


def metadata(annotation: Any) -> list[Any]:
    """Return everything that stands beside the types of an annotation: limits and units."""
    found = list(getattr(annotation, "__metadata__", ()))
    inner = [annotation.__origin__] if found else [part for part in get_args(annotation) if part is not Ellipsis]
    for part in inner:
        found += metadata(part)
    return [item for one in found for item in (one.metadata if isinstance(one, FieldInfo) else [one])]


def _option(table: str, name: str, info: FieldInfo) -> Option:
    facts = [*info.metadata, *metadata(info.annotation)]
    unit = next((fact.name for fact in facts if isinstance(fact, Unit)), "")
    default = None if info.is_required() else info.default
    reason = " ".join((info.description or "").split())
    return Option(table, name, default, info.is_required(), unit, _allowed(info, facts), reason)


def _allowed(info: FieldInfo, facts: list[Any]) -> str:
    kind, listed = next(_kinds(info.annotation))
    limits = _limits(facts) if kind in (int, float) else []
    words = [_word(kind, facts), *limits]
    text = " ".join(words)
    return f"list of {text}" if listed else text


def _word(kind: Any, facts: list[Any]) -> str:
    if get_origin(kind) is Literal:
        return " | ".join(str(value) for value in get_args(kind))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return " | ".join(str(member.value) for member in kind)
    if kind in (bool, int, float):
        duration = kind is float and any(isinstance(fact, Unit) for fact in facts)
        return "duration" if duration else {bool: "true | false", int: "integer", float: "number"}[kind]
    if kind is Path:
        return "path"
    form = next((fact.name for fact in facts if isinstance(fact, Form)), "text")
    return "secret text" if kind is Secret else form


def _limits(facts: list[Any]) -> list[str]:
    signs = {Ge: ("≥", "ge"), Gt: (">", "gt"), Le: ("≤", "le"), Lt: ("<", "lt")}
    found = [
        f"{sign} {getattr(fact, name)}" for fact in facts for kind, (sign, name) in signs.items() if type(fact) is kind
    ]
    return [", ".join(found)] if found else []
