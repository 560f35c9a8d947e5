"""Passkeys (WebAuthn): public keys and counters, no secrets. What a good signature is, is not known here."""

import secrets
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from gateway.store.acts import record, touch
from gateway.store.audit import Event, plain
from gateway.store.database import Database, Tx
from gateway.store.errors import Conflict, NotFound
from gateway.store.portal import Passkey
from gateway.store.ports import Actor, PasskeyInfo
from gateway.store.schema import passkeys, users


class SqlPasskeyStore:
    """`PasskeyStore` over a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, user: str, passkey: Passkey, by: Actor, *, at_most: int) -> PasskeyInfo:
        """See PasskeyStore."""
        return await self._database.write(lambda tx: _add(tx, user, passkey, by, at_most))

    async def passkeys(self, user: str) -> tuple[Passkey, ...]:
        """See PasskeyStore."""
        mine = sa.select(passkeys).join(users, users.c.id == passkeys.c.user_id).where(users.c.name == user)
        found = mine.order_by(passkeys.c.created, passkeys.c.id)
        return await self._database.read(lambda connection: tuple(_passkey(row) for row in connection.execute(found)))

    async def rename(self, user: str, passkey: str, name: str, by: Actor) -> None:
        """See PasskeyStore."""

        def write(tx: Tx) -> None:
            mine = _owned(touch(tx, user).id, passkey)
            _one(tx.execute(sa.update(passkeys).where(mine).values(name=plain(name))), user, passkey)
            record(tx, by, Event.PASSKEY_CHANGED, user, {"device": passkey, "fields": "name"})

        await self._database.write(write)

    async def remove(self, user: str, passkey: str, by: Actor) -> None:
        """See PasskeyStore."""

        def write(tx: Tx) -> None:
            mine = _owned(touch(tx, user).id, passkey)
            _one(tx.execute(sa.delete(passkeys).where(mine)), user, passkey)
            record(tx, by, Event.PASSKEY_REMOVED, user, {"device": passkey})

        await self._database.write(write)


def passkey_infos(connection: sa.Connection, user_ids: Sequence[str]) -> dict[str, tuple[PasskeyInfo, ...]]:
    """Return the passkeys of each user id, oldest first."""
    found = sa.select(passkeys).where(passkeys.c.user_id.in_(user_ids)).order_by(passkeys.c.created, passkeys.c.id)
    infos: dict[str, tuple[PasskeyInfo, ...]] = {}
    for row in connection.execute(found):
        info = PasskeyInfo(row.id, row.name, row.created, row.last_used)
        infos[row.user_id] = (*infos.get(row.user_id, ()), info)
    return infos


def forget_passkeys(tx: Tx, user: str) -> None:
    """Forget the passkeys of a user (id): whoever resets the second factor resets all of it (M7-6)."""
    tx.execute(sa.delete(passkeys).where(passkeys.c.user_id == user))


def _add(tx: Tx, user: str, passkey: Passkey, by: Actor, at_most: int) -> PasskeyInfo:
    owner = touch(tx, user)
    mine = sa.select(sa.func.count()).select_from(passkeys).where(passkeys.c.user_id == owner.id)
    if tx.execute(mine).scalar_one() >= at_most:
        raise Conflict(f"user {user!r} has {at_most} passkeys already; remove one first")
    row = {
        "id": passkey.id or secrets.token_hex(8),
        "user_id": owner.id,
        "name": plain(passkey.name),
        "credential": passkey.credential,
        "public_key": passkey.public_key,
        "sign_count": passkey.count,
        "transports": " ".join(passkey.transports),
        "created": by.wall,
    }
    tx.execute(sa.insert(passkeys), row)
    record(tx, by, Event.PASSKEY_ADDED, user, {"device": str(row["id"])})
    return PasskeyInfo(str(row["id"]), str(row["name"]), by.wall, None)


def _owned(owner: str, passkey: str) -> sa.ColumnElement[bool]:
    return sa.and_(passkeys.c.user_id == owner, passkeys.c.id == passkey)


def _one(done: sa.CursorResult[Any], user: str, passkey: str) -> None:
    if done.rowcount != 1:
        raise NotFound(f"user {user!r} has no passkey {passkey!r}")


def _passkey(row: sa.Row[Any]) -> Passkey:
    transports = tuple(row.transports.split())
    return Passkey(row.id, row.name, bytes(row.credential), bytes(row.public_key), row.sign_count, transports)
