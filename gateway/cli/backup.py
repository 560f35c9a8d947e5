"""`backup` and `restore`: the whole store as one encrypted file (SF-22). A passphrase is never an argument."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from gateway.cli.exits import Code, Refusal
from gateway.cli.options import ConfigFile
from gateway.cli.secrets import read_password
from gateway.cli.workplace import actor, at_work

if TYPE_CHECKING:
    import asyncio

    from gateway.settings import Configuration
    from gateway.store.restore import Archive
    from gateway.store.vault import MasterKey

BackupFile = Annotated[str, typer.Argument(help="The file; - is standard output or input.", metavar="FILE", show_default=False)]  # fmt: skip
PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file", help="Read the passphrase from a file's first line.", exists=True, dir_okay=False
    ),
]
PassphraseStdin = Annotated[bool, typer.Option("--passphrase-stdin", help="Read the passphrase from standard input.")]


def backup(
    file: BackupFile,
    config: ConfigFile = None,
    passphrase_file: PassphraseFile = None,
    *,
    passphrase_stdin: PassphraseStdin = False,
    with_master_key: Annotated[
        bool,
        typer.Option("--with-master-key", help="Put the master key in, too: file and passphrase are everything then."),
    ] = False,
) -> None:
    """Write the whole store, as it is at one moment, to one encrypted file, while gateways go on serving.

    The TOTP keys in it stay sealed under the master key, which is not in it: keep that one apart, or say --with-master-key.
    """
    from gateway.auth.backups import back_up  # noqa: PLC0415 - the store is slow to import

    if file == "-" and sys.stdout.isatty():
        raise Refusal("standard output is a terminal: give a file, or a pipe", Code.USAGE)
    with at_work(config) as work:
        passphrase = read_password(passphrase_file, stdin=passphrase_stdin, what="passphrase")
        master = _configured_key(work.configuration) if with_master_key else None
        with _output(file) as out:
            rows = work.run(back_up(work.store, out, passphrase, work.actor(), master=master))
    held = "with" if with_master_key else "without"
    _tell(f"backed up: {rows} rows, {held} the master key")
    if not with_master_key:
        _tell("Keep the master key apart from it: without that one nobody logs in on what is restored.")


def restore(
    file: BackupFile,
    config: ConfigFile = None,
    passphrase_file: PassphraseFile = None,
    *,
    passphrase_stdin: PassphraseStdin = False,
) -> None:
    """Make the configured store, which must be empty, what the back-up holds; SQLite or PostgreSQL, whichever it came from.

    All or nothing: a wrong passphrase or master key, or a file that was cut or changed, leaves the store as it was.
    """
    import asyncio  # noqa: PLC0415

    from gateway.settings import load  # noqa: PLC0415
    from gateway.store.restore import Archive  # noqa: PLC0415

    if file == "-" and passphrase_file is None:
        raise Refusal("the back-up comes from standard input: give --passphrase-file", Code.USAGE)
    configuration = load(config)
    passphrase = read_password(passphrase_file, stdin=passphrase_stdin, what="passphrase", twice=False)
    with _input(file) as source, asyncio.Runner() as runner:
        rows = _restore(configuration, Archive(source, passphrase), runner)
    _tell(f"restored: {rows} rows; the audit chain is whole and every authenticator opens")
    _tell("Restored is the moment of the back-up: let FIX streams used since then begin with a reset (141=Y).")


def _restore(configuration: "Configuration", archive: "Archive", runner: "asyncio.Runner") -> int:
    from gateway.store.errors import BackupRefused, KeyRefused, SchemaMismatch  # noqa: PLC0415
    from gateway.store.restore import restore as run  # noqa: PLC0415
    from gateway.store.vault import create_master_key  # noqa: PLC0415

    settings = configuration.settings.store
    master, made = _configured_key(configuration), None
    if master is None:
        master, made = archive.master, settings.key_file()
        if master is None or made is None:
            raise Refusal(f"the master key is not in this back-up: put it back as {made} first", Code.UNAVAILABLE)
        made.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        create_master_key(made, master)
    if settings.embedded:
        Path(settings.database().removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        return runner.run(run(settings.database(), archive, master, actor(), timeout=settings.statement_timeout))
    except (BackupRefused, KeyRefused, SchemaMismatch):  # nothing was written; after any other error that is not known
        if made is not None:
            with suppress(OSError):
                made.unlink()
        raise


def _configured_key(configuration: "Configuration") -> "MasterKey | None":
    """Return the master key the configuration names, None where its file is missing. Raises KeyRefused."""
    from gateway.store.vault import load_master_key, parse_master_key  # noqa: PLC0415

    settings = configuration.settings.store
    if settings.master_key is not None:
        return parse_master_key(settings.master_key.reveal(), "store.master_key")
    file = settings.key_file()
    return load_master_key(file) if file is not None and file.exists() else None


@contextmanager
def _output(file: str) -> Iterator[BinaryIO]:
    from gateway.auth.backups import new_file  # noqa: PLC0415

    if file != "-":
        with new_file(Path(file)) as out:
            yield out
        return
    yield sys.stdout.buffer
    sys.stdout.buffer.flush()


@contextmanager
def _input(file: str) -> Iterator[BinaryIO]:
    if file == "-":
        yield sys.stdin.buffer
        return
    with Path(file).open("rb") as source:
        yield source


def _tell(words: str) -> None:
    """Say something where it is not taken for the back-up itself."""
    sys.stderr.write(f"{words}\n")
