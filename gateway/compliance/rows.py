"""The rows as data: what each demands and which tests cite it (requirements.json), what answers it (compliance.toml)."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.settings.data import data_folder


@dataclass(frozen=True, slots=True)
class Row:
    """One requirement. `tests` are pytest ids without parameters; an empty `missing` says that nothing is."""

    id: str
    demand: str
    tests: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    mechanism: str = ""
    evidence: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    missing: str = ""
    not_applicable: str = ""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Every row, in the order of the sources, and the families of rows that each profile is measured by."""

    rows: Mapping[str, Row]
    profiles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def concerning(self, profile: str, bound: frozenset[str]) -> tuple[Row, ...]:
        """Return the rows of a profile: those of its families, and those its own bounds name (`bound`)."""
        families = self.profiles.get(profile, ("TW", "SF", "BY"))
        return tuple(row for row in self.rows.values() if row.id.partition("-")[0] in families or row.id in bound)


def read() -> Catalogue:
    """Read what was shipped with the gateway."""
    folder = data_folder() / "config"
    answers = tomllib.loads((folder / "compliance.toml").read_text())
    demands: dict[str, dict[str, Any]] = json.loads((folder / "requirements.json").read_text())
    rows = {
        id_: Row(id_, known["demand"], tuple(known["tests"]), **_values(answers["rows"].get(id_, {})))
        for id_, known in demands.items()
    }
    return Catalogue(rows, {name: tuple(families) for name, families in answers["profiles"].items()})


def _values(answer: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in answer.items()}
