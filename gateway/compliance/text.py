"""The report as plain text and as JSON: for a terminal, a mail, a ticket, a program."""

import json
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from gateway.compliance.report import Line, Report

WIDTH = 100
_INDENT = " " * 12


def as_text(report: Report) -> str:
    """Return the report in lines of at most WIDTH characters, but for names that are longer."""
    counts = ", ".join(f"{count} {verdict.value}" for verdict, count in report.counts.items())
    head = [
        f"Compliance report: {report.title} (profile {report.profile})",
        f"Gateway {report.version}, configured profile {report.configured}, {stamp(report.made)}",
        f"{len(report.lines)} rows: {counts}",
        "",
        *(f"  {fact}" for fact in report.summary),
    ]
    return "\n".join([*head, *(text for line in report.lines for text in _line(line))]) + "\n"


def _line(line: Line) -> Iterator[str]:
    yield ""
    yield from _wrapped(f"{line.row.id:<7}", line.row.demand, " " * 7)
    yield from _wrapped("  verdict   ", line.verdict.value.upper() + (f": {line.why}" if line.why else ""))
    for name, value in line.settings:
        yield from _wrapped("  setting   ", f"{name} = {value}")
    if line.row.mechanism:
        yield from _wrapped("  mechanism ", line.row.mechanism)
    for fact in line.evidence:
        yield from _wrapped("  evidence  ", fact)
    yield from _wrapped("  tests     ", tests_in_words(line.row.tests))


def _wrapped(label: str, text: str, indent: str = _INDENT) -> list[str]:
    plain = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return textwrap.wrap(
        plain, WIDTH, initial_indent=label, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def tests_in_words(tests: tuple[str, ...]) -> str:
    """Say how many tests cite a row, and name the first; JSON and HTML have them all."""
    if not tests:
        return "none"
    return tests[0] if len(tests) == 1 else f"{tests[0]} and {len(tests) - 1} more"


def as_json(report: Report) -> str:
    """Return the report as one JSON document."""
    counts = {verdict.value: count for verdict, count in report.counts.items()}
    head = {name: getattr(report, name) for name in ("profile", "title", "configured", "version", "made")}
    rows = [_fields(line) for line in report.lines]
    document = {**head, "deviates": report.deviates, "counts": counts, "summary": report.summary, "rows": rows}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _fields(line: Line) -> dict[str, Any]:
    return {
        "row": line.row.id,
        "demand": line.row.demand,
        "verdict": line.verdict.value,
        "why": line.why,
        "settings": dict(line.settings),
        "mechanism": line.row.mechanism,
        "evidence": line.evidence,
        "tests": line.row.tests,
    }


def stamp(seconds: float) -> str:
    """Write wall seconds as UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
