"""`compliance`: what a profile demands, row by row, and whether this installation holds it (BY-9)."""

import os
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.exits import Refusal
from gateway.cli.options import ConfigFile
from gateway.cli.output import say
from gateway.cli.workplace import Work, at_work

if TYPE_CHECKING:
    from gateway.compliance.report import Report


class Format(Enum):
    """How the report is written."""

    TEXT = "text"
    HTML = "html"
    JSON = "json"


Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write it to this file (mode 0600) instead.", show_default=False)
]


def compliance(
    config: ConfigFile = None,
    profile: Annotated[str, typer.Option(help="Measure by this profile; else by the configured one.")] = "",
    form: Annotated[Format, typer.Option("--format", help="How it is written.")] = Format.TEXT,
    output: Output = None,
) -> None:
    """Report row by row what the profile demands, what answers it, which test proves it, and whether it holds now.

    Exit 0 when no row deviates, 1 otherwise. A row that is not built yet is counted in the report and is no deviation:
    it is the same in every installation of this version.
    """
    with at_work(config) as work:
        report = _report(work, profile or work.configuration.settings.profile)
    text = _written(report, form)
    if output is None:
        say(text.removesuffix("\n"))
    else:
        with os.fdopen(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    if report.deviates:
        rows = ", ".join(line.row.id for line in report.lines if line.verdict.name == "DEVIATING")
        raise Refusal(f"profile {report.profile}: deviating in {rows}")


def _report(work: Work, name: str) -> "Report":
    import gateway  # noqa: PLC0415 - the rest of this is slow to import
    from gateway.compliance.facts import Facts  # noqa: PLC0415
    from gateway.compliance.lifetimes import assess, running  # noqa: PLC0415
    from gateway.compliance.report import build  # noqa: PLC0415
    from gateway.compliance.rows import read  # noqa: PLC0415
    from gateway.compliance.survey import survey  # noqa: PLC0415
    from gateway.settings.load import named_profile  # noqa: PLC0415

    found, policies, now = work.configuration, work.configuration.policies, work.now()
    profile = named_profile(name)
    seen = work.run(work.store.survey(lambda connection: survey(connection, policies, now)))
    software = assess(running(seen.server.version))
    facts = Facts(found.settings, policies, seen, work.run(work.store.audit.verify()), software, now)
    return build(profile, read(), facts, gateway.__version__)


def _written(report: "Report", form: Format) -> str:
    from gateway.compliance.html import as_html  # noqa: PLC0415
    from gateway.compliance.text import as_json, as_text  # noqa: PLC0415

    return {Format.TEXT: as_text, Format.HTML: as_html, Format.JSON: as_json}[form](report)
