"""Groups of users with the routes their members may use (HK-9).

What a login is judged by stands with its user: a member's routes are written beside its own (`kind` via) whenever group
or membership change, so that a login reads no more for it.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from gateway.policy.snapshot import User
from gateway.store.acts import record
from gateway.store.audit import Event, plain
from gateway.store.database import Database, Tx
from gateway.store.errors import AlreadyExists, Conflict, NotFound
from gateway.store.people import Group
from gateway.store.ports import Actor
from gateway.store.rights import end_what_was_lost
from gateway.store.schema import bindings, group_routes, groups, users
from gateway.store.users import NAME_LIMIT, accounts_where, write_group_routes

_AT_ONCE = 500
"""Members in one statement."""


class SqlGroupStore:
    """`GroupStore` over a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def make(self, group: Group, by: Actor) -> None:
        """See GroupStore."""
        _check(group)
        try:
            await self._database.write(lambda tx: _make(tx, group, by))
        except Conflict:  # the unique name decides, and between two at once, too
            raise AlreadyExists(f"a group called {group.name!r} exists already") from None

    async def put(self, group: Group, by: Actor) -> None:
        """See GroupStore."""
        _check(group)
        await self._database.write(lambda tx: _put(tx, group, by))

    async def list(self) -> tuple[Group, ...]:
        """See GroupStore."""
        return await self._database.read(_groups)

    async def remove(self, name: str, by: Actor) -> None:
        """See GroupStore."""
        await self._database.write(lambda tx: _remove(tx, name, by))


def _check(group: Group) -> None:
    if not group.name.strip() or not group.routes:
        raise ValueError("a group has a name, and at least one route: without one its members could use every route")
    for text in (group.name, group.organisation, *group.routes):
        if plain(text, NAME_LIMIT) != text:
            raise ValueError(f"{text[:NAME_LIMIT]!r} is longer than {NAME_LIMIT} characters or holds a NUL")


def _groups(connection: sa.Connection) -> tuple[Group, ...]:
    routes: dict[str, set[str]] = {}
    for row in connection.execute(sa.select(group_routes)):
        routes.setdefault(row.group_name, set()).add(row.route)
    ordered = connection.execute(sa.select(groups).order_by(groups.c.name))
    return tuple(Group(row.name, row.organisation, frozenset(routes.get(row.name, ()))) for row in ordered)


def _make(tx: Tx, group: Group, by: Actor) -> None:
    tx.execute(sa.insert(groups), {"name": group.name, "organisation": group.organisation})
    _put(tx, group, by)


def _put(tx: Tx, group: Group, by: Actor) -> None:
    row = {"organisation": group.organisation}
    if tx.execute(sa.update(groups).where(groups.c.name == group.name).values(row)).rowcount == 0:
        tx.execute(sa.insert(groups), {"name": group.name, **row})
    members = _lock_members(tx, group.name)
    before = {user.id: user for user in _users(tx, members)}
    tx.execute(sa.delete(group_routes).where(group_routes.c.group_name == group.name))
    tx.execute(sa.insert(group_routes), [{"group_name": group.name, "route": route} for route in sorted(group.routes)])
    write_group_routes(tx, members)
    for user in _users(tx, members):
        end_what_was_lost(tx, before[user.id], user, by)
    record(tx, by, Event.GROUP_CHANGED, "", {"group": group.name, "route": ",".join(sorted(group.routes))})


def _users(tx: Tx, ids: Sequence[str]) -> list[User]:
    found: list[User] = []
    for start in range(0, len(ids), _AT_ONCE):
        found += [one.user for one in accounts_where(tx.connection, users.c.id.in_(ids[start : start + _AT_ONCE]))]
    return found


def _lock_members(tx: Tx, name: str) -> Sequence[str]:
    """Move the members' revisions, in the order of their ids: logins that are being judged look again."""
    mine = sa.select(bindings.c.user_id).where(bindings.c.kind == "group", bindings.c.value == name)
    members = sorted(tx.execute(mine).scalars())
    for member in members:
        tx.execute(sa.update(users).where(users.c.id == member).values(revision=users.c.revision + 1))
    return members


def _remove(tx: Tx, name: str, by: Actor) -> None:
    if _lock_members(tx, name):
        raise Conflict(f"group {name!r} has members: take them out first")
    tx.execute(sa.delete(group_routes).where(group_routes.c.group_name == name))
    if tx.execute(sa.delete(groups).where(groups.c.name == name)).rowcount == 0:
        raise NotFound(f"there is no group called {name!r}")
    record(tx, by, Event.GROUP_CHANGED, "", {"group": name, "route": ""})
