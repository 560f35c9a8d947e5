"""`user import`: people and authenticators from a file; all faults by line, and nothing imported unless all is right."""

import binascii
import sys
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.exits import Code, Refusal
from gateway.cli.options import ConfigFile
from gateway.cli.output import say
from gateway.cli.secrets import read_password
from gateway.cli.workplace import at_work
from gateway.core.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.auth.intake.intake import Checked
    from gateway.auth.intake.pskccrypto import PskcKey
    from gateway.auth.intake.values import Reading
    from gateway.store.imports import Watch

SHOWN = 1000
"""Faults printed; the rest is counted."""


class Form(Enum):
    """What kind of file it is."""

    CSV = "csv"
    PSKC = "pskc"
    OTPAUTH = "otpauth"


SUFFIXES = {".csv": Form.CSV, ".xml": Form.PSKC, ".pskc": Form.PSKC, ".pskcxml": Form.PSKC}


ImportFile = Annotated[Path, typer.Argument(help="The file.", exists=True, dir_okay=False, show_default=False)]
FormOption = Annotated[Form | None, typer.Option("--form", help="What it is; default: by its name.")]
PskcPassword = Annotated[
    Path | None,
    typer.Option("--password-file", help="PSKC under a password: its first line.", exists=True, dir_okay=False),
]
PskcKeyFile = Annotated[
    Path | None, typer.Option("--key-file", help="PSKC under a pre-shared key: in hex.", exists=True, dir_okay=False)
]
Partial = Annotated[bool, typer.Option("--partial", help="Import what is right, leave out what is not.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check everything, write nothing.")]


def import_file(  # noqa: PLR0913 - one option for each thing an import has
    file: ImportFile,
    config: ConfigFile = None,
    form: FormOption = None,
    password_file: PskcPassword = None,
    key_file: PskcKeyFile = None,
    *,
    partial: Partial = False,
    dry_run: DryRun = False,
) -> None:
    """Import users (CSV) or authenticators (OATH PSKC, otpauth URIs). Either all of it is written, or nothing.

    Columns of a CSV file: user, organisation, email, method, second_factor, processes, certificates, routes, groups,
    valid_from, valid_until, totp_key, algorithm, digits, period, label. Only user must be there.
    """
    from gateway.auth.intake.intake import Intake  # noqa: PLC0415
    from gateway.credentials import house_of  # noqa: PLC0415

    reading = reading_of(file, form, password_file, key_file)
    with at_work(config) as work:
        intake = Intake(work.store, work.policies, house_of(work.configuration.settings))
        with progress() as watch:
            checked = work.run(intake.check(reading, strangers=True, watch=watch))
        tell_faults(checked, file, partial=partial)
        if not dry_run:
            with progress() as watch:
                work.run(intake.write(checked, work.actor(), partial=partial, watch=watch))
    tell_done(checked, dry_run=dry_run)


@contextmanager
def progress() -> "Iterator[Watch]":
    """Show how far an import is, on a terminal; elsewhere nothing."""
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import Progress  # noqa: PLC0415

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("people", total=None)

        def watch(done: str, count: int, of: int) -> None:
            bar.update(task, description=f"people {done}", completed=count, total=of)

        yield watch


def tell_faults(checked: "Checked", file: Path, *, partial: bool) -> None:
    """Print what is wrong with a file. Raises Refusal where that keeps all of it out."""
    for fault in checked.faults[:SHOWN]:
        sys.stderr.write(f"{file}:{fault.line}: {fault.text}\n")
    if checked.faults and not partial:
        raise Refusal(f"{len(checked.faults)} faults in {file}: nothing was imported")


def tell_done(checked: "Checked", *, dry_run: bool) -> None:
    """Print how much of it was imported."""
    done = "would be imported" if dry_run else "imported"
    left = f"; {len(checked.faults)} faults left out" if checked.faults else ""
    say(f"{checked.users} users and {checked.devices} authenticators {done}{left}")


def reading_of(file: Path, form: Form | None, password_file: Path | None, key_file: Path | None) -> "Reading":
    """Read a file as what it is, by its name where nobody says. Raises what the readers raise."""
    data = file.read_bytes()
    return _read(data, form or SUFFIXES.get(file.suffix.casefold(), Form.OTPAUTH), password_file, key_file)


def _read(data: bytes, form: Form, password_file: Path | None, key_file: Path | None) -> "Reading":
    from gateway.auth.intake.otpauth import read_otpauth  # noqa: PLC0415
    from gateway.auth.intake.pskc import read_pskc  # noqa: PLC0415
    from gateway.auth.intake.rows import read_csv  # noqa: PLC0415

    match form:
        case Form.CSV:
            return read_csv(data)
        case Form.OTPAUTH:
            return read_otpauth(data)
        case Form.PSKC:
            return read_pskc(data, _key(password_file, key_file))


def _key(password_file: Path | None, key_file: Path | None) -> "PskcKey | None":
    from gateway.auth.intake.pskccrypto import PskcKey  # noqa: PLC0415

    if password_file is not None:
        return PskcKey(password=read_password(password_file, stdin=False))
    if key_file is None:
        return None
    try:
        return PskcKey(preshared=Secret(binascii.unhexlify("".join(key_file.read_text().split()))))
    except (ValueError, UnicodeDecodeError):
        raise Refusal(f"{key_file} is not hex", Code.USAGE) from None
