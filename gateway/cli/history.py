"""A user's logins, as the command line shows them: newest first, a page at a time."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.output import print_json, print_table, say, when

if TYPE_CHECKING:
    from gateway.auth.history import Visit

Before = Annotated[int | None, typer.Option(help="Only those before this number: the next page.", min=1)]
Limit = Annotated[int, typer.Option(help="How many at most.", min=1, max=1000)]
LINES = 50


def print_visits(found: Sequence["Visit"], *, as_json: bool) -> None:
    """Print logins, a row for each."""
    if as_json:
        print_json([asdict(one) for one in found])
    elif not found:
        say("no logins")
    else:
        columns = ("number", "when", "what", "why", "protocol", "CompID", "address", "route")
        rows = (
            (one.seq, when(one.wall), one.event, one.why, one.protocol, one.process, one.address, one.route)
            for one in found
        )
        print_table(columns, rows)
