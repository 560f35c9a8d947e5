"""Where settings come from: the command line over the environment over the file over the defaults.

Environment: GATEWAY_STORE__URL is store.url; lists are JSON. Every name with the prefix must be an option,
so that a misspelt one is found at start and not in an incident.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from gateway.settings.model import Settings
from gateway.settings.problems import Problem

PREFIX = "GATEWAY_"
_TOOLING = ("CONFIG", "CACHE", "TEST_")
"""GATEWAY_CONFIG names the file; the others belong to this project's own tests and set-up."""


class _Environment(EnvSettingsSource):
    """The library's, but broken JSON is left to the model, which names the option and goes on to the next fault."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value


class Sources(Settings, BaseSettings):
    """Settings as read from all sources."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid")


def sources_with(file: Path | None) -> type[Sources]:
    """Return the sources with this file; its absence is for the caller to notice."""

    class WithFile(Sources):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            *args: PydanticBaseSettingsSource,
            **kwargs: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            init = kwargs.get("init_settings") or args[0]
            return init, _Environment(settings_cls), TomlConfigSettingsSource(settings_cls, file)

    return WithFile


def unknown_variables() -> Iterator[Problem]:
    """Yield the environment variables with our prefix that are no option; the library passes over those."""
    for name in sorted(os.environ):
        rest = name.upper().removeprefix(PREFIX)
        if rest == name.upper() or rest.startswith(_TOOLING):
            continue
        if rest.split("__")[0].lower() not in Settings.model_fields:
            yield Problem(
                name, f"unknown option in the environment (allowed: {PREFIX}{{{_names()}}}, {PREFIX}STORE__URL …)"
            )


def _names() -> str:
    return ",".join(name.upper() for name in Settings.model_fields)
