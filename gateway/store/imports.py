"""Many people at once (HK-8): all of them in one transaction, or none. Whether they are right was checked before."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from gateway.policy.snapshot import Device, User
from gateway.store.acts import record
from gateway.store.audit import Event, plain
from gateway.store.database import Database, Tx, take_your_time
from gateway.store.devices import sealed_row
from gateway.store.errors import Conflict
from gateway.store.keyring import sealing_key
from gateway.store.ports import Actor
from gateway.store.schema import bindings, devices, users
from gateway.store.users import binding_rows, check_groups, columns_of, role_columns, write_group_routes
from gateway.store.vault import Vault

CHUNK = 500
"""Names asked for, or rows written, in one statement."""
LONG = 300.0
"""Seconds an import may take."""

Watch = Callable[[str, int, int], None]
"""Told how far an import is: what was done, to how many, of how many."""


def unwatched(done: str, count: int, of: int) -> None:
    """Look away."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One person and its authenticators (what each is called, and itself). `known`: it is in the store already, and only
    gets those.
    """

    user: User
    devices: tuple[tuple[str, Device], ...] = ()
    known: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """A person who is in the store already."""

    organisation: str
    authenticators: int


class SqlImportStore:
    """Writes imports. Every person and every authenticator has its audit row."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def known(self, names: Sequence[str]) -> dict[str, Known]:
        """Return those of the names that are taken."""

        def read(connection: sa.Connection) -> dict[str, Known]:
            found: dict[str, Known] = {}
            for start in range(0, len(names), CHUNK):
                found |= _known(connection, names[start : start + CHUNK])
            return found

        return await self._database.read(read, bound=LONG)

    async def write(self, entries: Sequence[Entry], by: Actor, watch: Watch = unwatched) -> None:
        """Write all of them, or nothing; `watch` is told from another thread, and not of the commit.

        Raises Conflict where a name was taken, or is gone, since it was checked.
        """
        await self._database.write(lambda tx: _write(tx, self._vault, entries, by, watch), bound=LONG)


def _known(connection: sa.Connection, names: Sequence[str]) -> dict[str, Known]:
    counted = (
        sa.select(users.c.name, users.c.organisation, sa.func.count(devices.c.id).label("owned"))
        .select_from(users.outerjoin(devices, devices.c.user_id == users.c.id))
        .where(users.c.name.in_(names))
        .group_by(users.c.name, users.c.organisation)
    )
    return {row.name: Known(row.organisation, row.owned) for row in connection.execute(counted)}


def _write(tx: Tx, vault: Vault, entries: Sequence[Entry], by: Actor, watch: Watch) -> None:
    take_your_time(tx.connection)
    ids = _owners(tx, [entry for entry in entries if entry.known])
    new = [entry.user for entry in entries if not entry.known]
    ids |= {user.name: secrets.token_hex(8) for user in new}
    _insert(tx, users, [_user_row(user, ids[user.name], by.wall) for user in new])
    _insert(tx, bindings, [row for user in new for row in binding_rows(ids[user.name], user)])
    grouped = [user for user in new if user.groups]
    if grouped:
        check_groups(tx.connection, frozenset[str]().union(*(user.groups for user in grouped)))
        write_group_routes(tx, [ids[user.name] for user in grouped])
    under = sealing_key(tx, vault)
    owned = [(entry.user.name, plain(name), device) for entry in entries for name, device in entry.devices]
    rows = [sealed_row(vault, under, ids[name], device, label, by.wall) for name, label, device in owned]
    _insert(tx, devices, rows)
    for number, user in enumerate(new):
        if number % CHUNK == 0:
            watch("written", number, len(new))
        record(tx, by, Event.USER_ADDED, user.name, {"method": user.method.value})
    for (name, _, _), row in zip(owned, rows, strict=True):
        record(tx, by, Event.DEVICE_ADDED, name, {"device": str(row["id"])})
    record(tx, by, Event.USERS_IMPORTED, "", {"count": len(entries)})


def _insert(tx: Tx, table: sa.Table, rows: Sequence[dict[str, object]] | Sequence[dict[str, str]]) -> None:
    for start in range(0, len(rows), CHUNK):
        tx.execute(sa.insert(table), rows[start : start + CHUNK])


def _owners(tx: Tx, known: Sequence[Entry]) -> dict[str, str]:
    """Lock the users who are there already, in the order of their names, and return their ids."""
    ids: dict[str, str] = {}
    for name in sorted({entry.user.name for entry in known}):
        move = sa.update(users).where(users.c.name == name).values(revision=users.c.revision + 1).returning(users.c.id)
        id_ = tx.execute(move).scalar_one_or_none()
        if id_ is None:
            raise Conflict(f"user {name!r} is gone since the file was checked: check it again")
        ids[name] = id_
    return ids


def _user_row(user: User, id_: str, wall: float) -> dict[str, object]:
    row = {"id": id_, "name": user.name, "created": wall, "revision": 1, **columns_of(user), **role_columns(user.grant)}
    return row | {"password_hash": user.password_hash, "password_changed": user.password_changed}
