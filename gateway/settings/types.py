"""The kinds of value an option may have: each says its unit, what is allowed, and how a value reads.

Must not know any option. Every parser raises ValueError with words an operator can act on; none echoes a secret.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FilePath,
    IPvAnyNetwork,
    PlainSerializer,
)

from gateway.core.secret import Secret


@dataclass(frozen=True, slots=True)
class Unit:
    """What a number counts; printed beside the option."""

    name: str


@dataclass(frozen=True, slots=True)
class Form:
    """What a text must look like; printed beside the option."""

    name: str


class Section(BaseModel):
    """A table of the configuration. Unknown keys are errors; a loaded section never changes."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, validate_default=True, arbitrary_types_allowed=True
    )


_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(ms|s|min|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(value: object) -> object:
    """Read "40 s", "30 min", "24 h", "90 d" or "250 ms" as seconds; numbers are seconds already."""
    if isinstance(value, bool):
        raise ValueError('a duration is a number of seconds or text such as "30 min"')  # noqa: TRY004 - pydantic's protocol
    if not isinstance(value, str) or re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):  # the environment has text only
        return value
    match = _DURATION.fullmatch(value)
    if match is None:
        raise ValueError('a duration is a number of seconds or text such as "40 s", "30 min", "24 h", "90 d"')
    return float(match[1]) * _SECONDS[match[2]]


_HOST = re.compile(r"\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9_.-]+")
_LAST_PORT = 65535


def split_address(address: str) -> tuple[str, int]:
    """Split "host:port" or "[::1]:port" into host (without brackets) and port; raises ValueError."""
    host, colon, port = address.rpartition(":")
    if not colon or not _HOST.fullmatch(host) or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > _LAST_PORT:
        raise ValueError('an address is "host:port", "192.0.2.1:port" or "[2001:db8::1]:port", port 0 to 65535')
    return host.strip("[]"), int(port)


def _checked_address(address: str) -> str:
    split_address(address)
    return address


def _checked_or_off(address: str) -> str:
    return address if address == "off" else _checked_address(address)


def _secret(value: object) -> Any:
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str) or not value:
        raise ValueError("must be text that is not empty")
    return Secret(value)


def read_secret_file(path: Path) -> Secret:
    """Read a secret from a file, without the line end; raises ValueError, which never holds the content."""
    try:
        text = path.read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read {path}: {type(error).__name__}") from None
    if not text:
        raise ValueError(f"{path} is empty")
    return Secret(text)


def given_secret(value: Secret | None, file: Path | None, option: str) -> Secret:
    """Return the secret of an option, or of the file that the option with `_file` behind its name gives.

    Raises ValueError where neither or both are given, or the file can't be read.
    """
    if (value is None) == (file is None):
        raise ValueError(f"needs either {option} or {option}_file, not both")
    return value or read_secret_file(file or Path())


Seconds = Annotated[float, BeforeValidator(seconds), Field(gt=0, allow_inf_nan=False), Unit("seconds")]
SecondsOrNone = Annotated[float, BeforeValidator(seconds), Field(ge=0, allow_inf_nan=False), Unit("seconds")]
"""Seconds where 0 switches the thing off or makes it immediate; the option says which."""
Address = Annotated[str, AfterValidator(_checked_address), Form("host:port")]
AddressOrOff = Annotated[str, AfterValidator(_checked_or_off), Form("host:port | off")]
Network = Annotated[IPvAnyNetwork, Form("network such as 192.0.2.0/24")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Count = Annotated[int, Field(ge=1)]
SecretText = Annotated[Secret, BeforeValidator(_secret), PlainSerializer(repr)]
File = FilePath
