"""What an administrator may look at: everybody's, or its own firm's. Changes nothing but the record of its proof."""

from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.alerts import All, print_alerts
from gateway.cli.groups import print_groups
from gateway.cli.history import LINES, Before, Limit, print_visits
from gateway.cli.office import AsAdmin, FromStdin, at_desk
from gateway.cli.options import AsJson, ConfigFile, UserName
from gateway.cli.persons import print_account, print_accounts
from gateway.cli.sessions import print_sessions

if TYPE_CHECKING:
    from gateway.cli.office import Seat
    from gateway.store.finding import Which
    from gateway.store.ports import Account


MANY = 500
"""Users read at once."""


class Only(Enum):
    """What a list of users may be narrowed to."""

    UNFINISHED = "unfinished"
    LOCKED = "locked"
    DISABLED = "disabled"
    OLD_PASSWORD = "old_password"  # noqa: S105 - a condition


def list_users(  # noqa: PLR0913 - one option for each way to narrow the list
    as_admin: AsAdmin = "",
    config: ConfigFile = None,
    search: Annotated[str, typer.Option(help="Part of a name, an organisation or an address.")] = "",
    group: Annotated[str, typer.Option(help="Members of this group.")] = "",
    only: Annotated[
        Only | None, typer.Option(help="unfinished: who lacks what a setup link would set (CQ-6).", show_default=False)
    ] = None,
    *,
    credentials_stdin: FromStdin = False,
    as_json: AsJson = False,
) -> None:
    """List the users whom you may see, by name (HK-7)."""
    from gateway.store.finding import Condition, Which  # noqa: PLC0415

    which = Which(text=search, group=group, condition=Condition(only.value) if only else None)
    with at_desk(config, as_admin, "list", stdin=credentials_stdin) as seat:
        found = _all(seat, which)
    print_accounts(found, seat.by.wall, as_json=as_json)


def _all(seat: "Seat", which: "Which") -> "list[Account]":
    found: list[Account] = []
    while page := seat.run(seat.office.desk.find(which, seat.by, found[-1].user.name if found else "", MANY)):
        found += page
    return found


def show(
    name: UserName,
    as_admin: AsAdmin = "",
    config: ConfigFile = None,
    *,
    credentials_stdin: FromStdin = False,
    as_json: AsJson = False,
) -> None:
    """Show a user, its authenticators (without their keys), failures and locks."""
    with at_desk(config, as_admin, "show", stdin=credentials_stdin) as seat:
        account = seat.run(seat.office.desk.show(name, seat.by))
    print_account(account, seat.by.wall, as_json=as_json)


def history(  # noqa: PLR0913 - who looks, at whom, at which page
    name: UserName,
    as_admin: AsAdmin = "",
    config: ConfigFile = None,
    before: Before = None,
    limit: Limit = LINES,
    *,
    credentials_stdin: FromStdin = False,
    as_json: AsJson = False,
) -> None:
    """List a user's logins, newest first, with the true reason of each refusal. Times are UTC."""
    with at_desk(config, as_admin, "history", stdin=credentials_stdin) as seat:
        found = seat.run(seat.office.desk.history(name, seat.by, before, limit))
    print_visits(found, as_json=as_json)


def sessions(
    as_admin: AsAdmin = "",
    config: ConfigFile = None,
    user: Annotated[str, typer.Option(help="Only this user's.")] = "",
    *,
    credentials_stdin: FromStdin = False,
    as_json: AsJson = False,
) -> None:
    """List the live sessions of those whom you may see, oldest first (TW-12). Times are UTC."""
    with at_desk(config, as_admin, "sessions", stdin=credentials_stdin) as seat:
        desk = seat.office.desk
        rows = seat.run(desk.sessions(user, seat.by) if user else desk.live(seat.by))
    print_sessions(rows, as_json=as_json)


def groups(
    as_admin: AsAdmin = "", config: ConfigFile = None, *, credentials_stdin: FromStdin = False, as_json: AsJson = False
) -> None:
    """List the groups that you may see, and their routes (HK-9)."""
    with at_desk(config, as_admin, "groups", stdin=credentials_stdin) as seat:
        found = seat.run(seat.office.desk.groups(seat.by))
    print_groups(found, as_json=as_json)


def alerts(
    as_admin: AsAdmin = "",
    config: ConfigFile = None,
    *,
    everything: All = False,
    credentials_stdin: FromStdin = False,
    as_json: AsJson = False,
) -> None:
    """List the alerts that you may see and that nobody has acknowledged, the latest first (SF-18, SF-19, SF-20)."""
    with at_desk(config, as_admin, "alerts", stdin=credentials_stdin) as seat:
        found = seat.run(seat.office.desk.alerts(seat.by, open_only=not everything))
    print_alerts(found, as_json=as_json)
