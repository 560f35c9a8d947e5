"""What the API is told and tells: bounded, closed (an unknown field is an error), secrets hidden from every repr."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, GetPydanticSchema
from pydantic_core import core_schema

from gateway.core.secret import Secret

NAME = 100
"""Characters of a name, as in the store."""
SUBJECT = 256
"""Characters of a certificate's subject or fingerprint."""
LABEL = 60
"""Characters of a name that somebody gives a thing of its own."""
WORDS = 300
"""Characters of a reason: it is read by people, and stays in the record."""
MANY = 100
"""Processes, certificates, routes or groups of one person."""
_LINE = r"^[^\x00-\x1f\x7f]*$"
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


class Model(BaseModel):
    """Invariant: no field but its own."""

    model_config = ConfigDict(extra="forbid", frozen=True, from_attributes=True, hide_input_in_errors=True)


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be one line of printable characters")
    return text


def _time(value: object) -> datetime:
    """RFC 3339 §5.6, and nothing that only looks like it."""
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise ValueError("must be a time with its zone, such as 2026-12-31T18:00:00Z (RFC 3339)")
    return datetime.fromisoformat(value.upper())


def moment(wall: float) -> datetime:
    """Return wall seconds as they are told."""
    return datetime.fromtimestamp(wall, UTC)


def _wall(value: object) -> object:
    return moment(value) if isinstance(value, int | float) else value


def _hidden(longest: int) -> GetPydanticSchema:
    text = core_schema.str_schema(strict=True, min_length=1, max_length=longest)
    return GetPydanticSchema(lambda _source, _handler: core_schema.no_info_after_validator_function(Secret, text))


Line = Annotated[str, Field(max_length=NAME, pattern=_LINE), AfterValidator(_printable)]
Name = Annotated[str, Field(min_length=1, max_length=NAME, pattern=_LINE), AfterValidator(_printable)]
Label = Annotated[str, Field(min_length=1, max_length=LABEL, pattern=_LINE), AfterValidator(_printable)]
Words = Annotated[str, Field(min_length=1, max_length=WORDS, pattern=_LINE), AfterValidator(_printable)]
Subject = Annotated[str, Field(min_length=1, max_length=SUBJECT, pattern=_LINE), AfterValidator(_printable)]
Lines = Annotated[list[Name], Field(max_length=MANY)]
Id = Annotated[str, Field(pattern=r"^[0-9A-Za-z-]{1,64}$")]
Until = Annotated[datetime, BeforeValidator(_time)]
"""A time as it is told."""
When = Annotated[datetime, BeforeValidator(_wall)]
"""A time as the store has it (wall seconds), told in UTC."""
_SECRET = Field(json_schema_extra={"format": "password"})
Password = Annotated[Secret, _hidden(1024), _SECRET]
Code = Annotated[Secret, _hidden(64), _SECRET]
Shown = Annotated[str, Field(repr=False)]
"""A secret that is told this once."""


class Fault(Model):
    """What is wrong where: a place in the request, or a line of a file."""

    at: str
    why: str


class Problem(Model):
    """Why something was not done (RFC 9457). Programs look at `type` alone."""

    type: str
    title: str
    status: int
    detail: str
    faults: list[Fault] = []


class Proof(Model):
    """The current password, which every change of a credential asks for (M7-4)."""

    password: Password


class Typed(Model):
    """A one-time code."""

    code: Code


class Session(Model):
    """A session at the venue."""

    id: str
    user: str
    protocol: str
    process: str
    address: str
    route: str
    opened: When
    started: When | None
    last_business: When
    lease_until: When


class Sessions(Model):
    """Live ones, the oldest first."""

    sessions: list[Session]


class Entry(Model):
    """One login, whatever became of it, or one end (TW-12). `reason` is the true one's key."""

    seq: int
    at: Annotated[When, Field(validation_alias="wall")]
    event: str
    reason: str
    why: str
    protocol: str
    process: str
    address: str
    route: str
    session: str


class History(Model):
    """The newest first. `next` is what to send as `before` for the page behind this one."""

    logins: list[Entry]
    next: int | None


class Link(Model):
    """A one-time link: whoever has it sets what it is for. It is told this once."""

    user: str
    url: Shown
    expires: When
    sent: bool
