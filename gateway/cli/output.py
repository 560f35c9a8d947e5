"""What commands print: a table for people, JSON for programs. Never a secret, unless showing it once is the command."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any


def print_json(value: Any) -> None:
    """Print one JSON document."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; cells are shown as they are, without markup."""
    from rich.console import Console  # noqa: PLC0415 - only when there is a table to draw
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    Console(soft_wrap=not sys.stdout.isatty()).print(table)


def print_fields(fields: Mapping[str, object]) -> None:
    """Print one thing, a line for each of its fields; empty fields are left out."""
    width = max(map(len, fields), default=0)
    for name, value in fields.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
        if shown not in ("", None):
            sys.stdout.write(f"{name.ljust(width)}  {shown}\n")


def say(text: str) -> None:
    """Print one line."""
    sys.stdout.write(f"{text}\n")


def when(seconds: float | None) -> str:
    """Write wall seconds as UTC, "" for none."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ") if seconds else ""
