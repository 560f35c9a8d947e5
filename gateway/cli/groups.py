"""`group`: groups of users, and the routes their members may use (HK-9)."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.options import COMMAND, AsJson, ConfigFile, UserName, new_app
from gateway.cli.output import print_json, print_table, say
from gateway.cli.workplace import at_work

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.store.people import Group

app = new_app("Groups of users with the routes their members may use.")
GroupName = Annotated[str, typer.Argument(help="The group's name.", metavar="GROUP", show_default=False)]


@app.command("set", **COMMAND)
def set_group(
    name: GroupName,
    route: Annotated[list[str], typer.Option(help="Route its members may use; repeatable.", show_default=False)],
    config: ConfigFile = None,
    organisation: Annotated[str, typer.Option(help="Firm it belongs to; none: the exchange's.")] = "",
) -> None:
    """Make a group, or change its routes; sessions of members on a route that is gone are logged out."""
    from gateway.store.people import Group  # noqa: PLC0415

    with at_work(config) as work:
        work.run(work.store.groups.put(Group(name, organisation, frozenset(route)), work.actor()))
    say(f"members of {name} may use {', '.join(sorted(route))}")


@app.command("list", **COMMAND)
def list_groups(config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """List the groups and their routes."""
    with at_work(config) as work:
        found = work.run(work.store.groups.list())
    print_groups(found, as_json=as_json)


def print_groups(found: "Sequence[Group]", *, as_json: bool) -> None:
    """Print groups, a row for each."""
    rows = [(one.name, one.organisation, sorted(one.routes)) for one in found]
    if as_json:
        print_json([dict(zip(("name", "organisation", "routes"), row, strict=True)) for row in rows])
    else:
        print_table(
            ("group", "organisation", "routes"), ((name, firm, ", ".join(routes)) for name, firm, routes in rows)
        )


@app.command(**COMMAND)
def remove(name: GroupName, config: ConfigFile = None) -> None:
    """Remove a group that has no members any more."""
    with at_work(config) as work:
        work.run(work.store.groups.remove(name, work.actor()))
    say(f"removed group {name}")


@app.command(**COMMAND)
def join(name: GroupName, user: UserName, config: ConfigFile = None) -> None:
    """Make a user a member: it may use the group's routes, beside its own."""
    _change(user, name, config, member=True)
    say(f"{user} is in {name}")


@app.command(**COMMAND)
def leave(name: GroupName, user: UserName, config: ConfigFile = None) -> None:
    """Take a user out of a group; its sessions on a route that is gone are logged out."""
    _change(user, name, config, member=False)
    say(f"{user} is not in {name}")


def _change(user: str, group: str, config: ConfigFile, *, member: bool) -> None:
    with at_work(config) as work:
        account = work.run(work.store.users.show(user))
        groups = account.user.groups | {group} if member else account.user.groups - {group}
        work.run(work.store.users.change(replace(account.user, groups=groups), account.revision, work.actor()))
