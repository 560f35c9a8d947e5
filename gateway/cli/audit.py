"""`audit`: is the record as it was written (BY-6)?"""

from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.exits import Code, Refusal
from gateway.cli.options import COMMAND, AsJson, ConfigFile, new_app
from gateway.cli.output import print_json, say
from gateway.cli.workplace import at_work

if TYPE_CHECKING:
    from gateway.store.audit import Head

app = new_app("The audit record.")
NotedHead = Annotated[
    str,
    typer.Option(
        "--head", help="A head noted earlier, COUNT:HASH, that must be part of the chain.", show_default=False
    ),
]


@app.callback()
def audit() -> None:
    """The audit record: a hash chain."""


@app.command(**COMMAND)
def verify(config: ConfigFile = None, head: NotedHead = "", *, as_json: AsJson = False) -> None:
    """Walk the whole chain; exit 1 at the first row that was changed, removed or put in.

    Note the head that is printed somewhere else: with --head it proves later that the database was not set back.
    """
    with at_work(config) as work:
        now = work.run(work.store.audit.head())
        found = work.run(work.store.audit.verify(_noted(head) or now))
    if as_json:
        fields = {"rows": found.count, "row": found.row, "fault": found.fault, "head": _text(now)}
        print_json({"intact": found.intact, **fields})
    if not found.intact:
        raise Refusal(f"the audit chain is broken{f' at row {found.row}' if found.row else ''}: {found.fault}")
    if not as_json:
        say(f"the audit chain is whole: {found.count} rows, head {_text(now)}")


def _text(head: "Head") -> str:
    return f"{head.count}:{head.hash.hex()}"


def _noted(text: str) -> "Head | None":
    from gateway.store.audit import Head  # noqa: PLC0415 - the store is slow to import

    if not text:
        return None
    count, _, digest = text.partition(":")
    try:
        return Head(int(count), bytes.fromhex(digest), b"")
    except ValueError:
        raise Refusal("a head is COUNT:HASH, as this command prints it", Code.USAGE) from None
