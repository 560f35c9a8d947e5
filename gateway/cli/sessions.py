"""`sessions` and `kick`: who is logged in, and ending that (TW-12)."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.options import AsJson, ConfigFile
from gateway.cli.output import print_json, print_table, say, when
from gateway.cli.workplace import at_work

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.store.ports import SessionRow

_COLUMNS = ("session", "user", "CompID", "target", "version", "address", "route", "since", "last business", "node")
SessionId = Annotated[str, typer.Argument(help="The session's id, as `gateway sessions` prints it.", metavar="SESSION")]


def sessions(
    config: ConfigFile = None,
    user: Annotated[str, typer.Option(help="Only this user's.")] = "",
    *,
    as_json: AsJson = False,
) -> None:
    """List the live sessions, oldest first. Times are UTC."""
    with at_work(config) as work:
        rows = work.run(work.people.sessions(work.now(), user))
    print_sessions(rows, as_json=as_json)


def kick(session: SessionId, config: ConfigFile = None) -> None:
    """End a live session, on whichever host it is; its owner is told why and needs a new login with a new code."""
    with at_work(config) as work:
        work.run(work.people.kick(session, work.actor()))
    say(f"ordered: session {session} ends within a second")


def print_sessions(rows: "Sequence[SessionRow]", *, as_json: bool) -> None:
    """Print sessions, a row for each."""
    if as_json:
        print_json([as_fields(row) for row in rows])
    elif not rows:
        say("nobody is logged in")
    else:
        print_table(_COLUMNS, map(_cells, rows))


def as_fields(row: "SessionRow") -> dict[str, Any]:
    """Return a session as JSON shows it; times are seconds since 1970."""
    names = ("id", "user", "protocol", "process", "target", "version", "address", "port", "certificate", "listener")
    more = ("route", "upstream", "node", "opened", "started", "last_business", "lease_until")
    return {name: getattr(row, name) for name in (*names, *more)}


def _cells(row: "SessionRow") -> tuple[str, ...]:
    since = when(row.started or row.opened)
    peer = f"{row.address}:{row.port}"
    return (
        row.id,
        row.user,
        row.process,
        row.target,
        row.version,
        peer,
        row.route,
        since,
        when(row.last_business),
        row.node,
    )
