"""The words of mails and text messages: Jinja2 templates in texts/, plain text, the subject in the first line.

A value can hold anything a client or an administrator typed: whatever could begin a new line, or turn its order around,
is shown as a space.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from gateway.core.reason import Reason

TEXTS = Path(__file__).parent / "texts"
LONGEST = 400
"""Characters of one value: a link's URL with room to spare."""


@dataclass(frozen=True, slots=True)
class Words:
    """A text: `subject` is one line."""

    subject: str
    body: str


def clean(value: object) -> object:
    """Return a value as one line that no value can break out of."""
    if not isinstance(value, str):
        return value
    return "".join(each if each.isprintable() else " " for each in value[:LONGEST])


def utc(wall: float) -> str:
    """Write wall seconds for people."""
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _meaning(key: str) -> str:
    return next((reason.meaning for reason in Reason if reason.key == key), key)


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEXTS),
        autoescape=False,  # noqa: S701 - plain text: every value passes `finalize`
        finalize=clean,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {"utc": utc, "meaning": _meaning}
    return made


_TEXTS = _environment()


def words(name: str, facts: Mapping[str, Any], wall: float, portal: str = "") -> Words:
    """Return the text called `name` about these facts. Raises jinja2.TemplateNotFound."""
    text = _TEXTS.get_template(f"{name}.txt").render({"portal": portal, **facts, "time": utc(wall)})
    subject, _, body = text.partition("\n")
    return Words(subject.strip(), body.strip() + "\n")
