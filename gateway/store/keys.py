"""Rotation of keys while logins go on (BY-7): a new data key, device after device under it, then the old one destroyed.

A rotation has no state of its own: as long as two data keys are not retired it is unfinished, and whoever comes next
goes on with it. So a process may be killed anywhere. A TOTP key is open in this process's memory only, one at a time.
"""

import secrets

import sqlalchemy as sa

from gateway.store.acts import record
from gateway.store.audit import Event
from gateway.store.database import Database, Tx, exclusively
from gateway.store.errors import KeyRefused
from gateway.store.keyring import learn_keys, sealing_key
from gateway.store.ports import Actor, DataKey
from gateway.store.schema import devices, keys, meta
from gateway.store.vault import MasterKey, Sealed, Vault, key_check

_LOCK = 0x6B65_7973  # "keys": rotations and changes of the master key one after the other
_LATER = 0.001
"""Seconds between two data keys at least, whatever the clocks say: the newest one seals."""


class SqlKeyStore:
    """`KeyStore` over a database and the vault of this process."""

    def __init__(self, database: Database, vault: Vault, store_id: str) -> None:
        self._database = database
        self._vault = vault
        self._store_id = store_id

    async def list(self) -> tuple[DataKey, ...]:
        """See KeyStore."""
        return await self._database.read(_list)

    async def begin(self, by: Actor) -> DataKey:
        """See KeyStore."""
        return await self._database.write(lambda tx: self._begin(tx, by))

    async def reseal(self, limit: int) -> int:
        """See KeyStore."""
        return await self._database.write(lambda tx: _reseal(tx, self._vault, limit))

    async def finish(self, by: Actor) -> bool:
        """See KeyStore."""
        return await self._database.write(lambda tx: _finish(tx, by))

    async def change_master(self, new: MasterKey, by: Actor) -> int:
        """See KeyStore."""
        return await self._database.write(lambda tx: self._change_master(tx, new, by))

    def _begin(self, tx: Tx, by: Actor) -> DataKey:
        self._alone(tx)
        open_now = [key for key in _list(tx.connection) if key.retired is None]
        if len(open_now) > 1:  # somebody's rotation was cut short, or goes on beside us: help it
            return open_now[-1]
        key_id = secrets.token_hex(4)
        made = DataKey(key_id, max(by.wall, open_now[-1].created + _LATER), None, 0)
        row = {"id": key_id, "sealed": self._vault.new_data_key(key_id), "created": made.created, "retired": None}
        tx.execute(sa.insert(keys), row)
        record(tx, by, Event.KEY_MADE, "", {"key_id": key_id})
        return made

    def _change_master(self, tx: Tx, new: MasterKey, by: Actor) -> int:
        self._alone(tx)
        check = key_check(new, self._store_id)
        if check == self._vault.check:
            raise KeyRefused("that is the master key the store has already: give the file of a new one")
        rows = tx.execute(sa.select(keys.c.id, keys.c.sealed).where(keys.c.retired.is_(None))).all()
        for row in rows:
            blob = self._vault.resealed(row.id, bytes(row.sealed), new)
            tx.execute(sa.update(keys).where(keys.c.id == row.id).values(sealed=blob))
        kept = {purpose: blob.hex() for purpose, blob in self._vault.kept_under(new).items()}
        tx.execute(sa.delete(meta).where(meta.c.key.in_(kept)))
        tx.execute(sa.insert(meta), [{"key": purpose, "value": blob} for purpose, blob in kept.items()])
        tx.execute(sa.update(meta).where(meta.c.key == "key_check").values(value=check))
        record(tx, by, Event.MASTER_KEY_CHANGED, "", {"count": len(rows)})
        return len(rows)

    def _alone(self, tx: Tx) -> None:
        """Wait for other changes of keys, and see to it that our master key is still the store's."""
        exclusively(tx.connection, _LOCK)
        check = tx.execute(sa.select(meta.c.value).where(meta.c.key == "key_check")).scalar_one_or_none()
        if check != self._vault.check:
            raise KeyRefused("the store has another master key by now: start again with the new one")


def _list(connection: sa.Connection) -> tuple[DataKey, ...]:
    counted = (
        sa.select(keys.c.id, keys.c.created, keys.c.retired, sa.func.count(devices.c.id))
        .select_from(keys.outerjoin(devices, devices.c.key_id == keys.c.id))
        .group_by(keys.c.id, keys.c.created, keys.c.retired)
        .order_by(keys.c.created, keys.c.id)
    )
    return tuple(DataKey(*row) for row in connection.execute(counted))


def _reseal(tx: Tx, vault: Vault, limit: int) -> int:
    """Move up to `limit` devices, in the order of their ids: two rotations at once never wait in a ring."""
    newest = sealing_key(tx, vault)
    others = sa.select(devices.c.id, devices.c.user_id, devices.c.key_id, devices.c.sealed)
    rows = tx.execute(others.where(devices.c.key_id != newest).order_by(devices.c.id).limit(limit)).all()
    learn_keys(tx.connection, vault, {row.key_id for row in rows})
    for row in rows:
        key = vault.unseal(Sealed(row.key_id, bytes(row.sealed)), row.id, row.user_id)
        again = vault.seal(key, row.id, row.user_id, newest)
        same = sa.and_(devices.c.id == row.id, devices.c.key_id == row.key_id)
        tx.execute(sa.update(devices).where(same).values(key_id=again.key_id, sealed=again.blob))
    return len(rows)


def _finish(tx: Tx, by: Actor) -> bool:
    """Destroy the old data keys where no device needs them. Locks first and counts then, each in a statement of its own:
    an enrolment that is sealing under an old key holds its lock until its device can be counted.
    """
    exclusively(tx.connection, _LOCK)
    rows = tx.execute(sa.select(keys).where(keys.c.retired.is_(None)).order_by(keys.c.created).with_for_update()).all()
    old = [row.id for row in rows[:-1]]
    if not old:
        return True
    if tx.execute(sa.select(devices.c.id).where(devices.c.key_id.in_(old)).limit(1)).first() is not None:
        return False
    tx.execute(sa.update(keys).where(keys.c.id.in_(old)).values(retired=by.wall, sealed=b""))
    for key_id in old:
        record(tx, by, Event.KEY_DESTROYED, "", {"key_id": key_id})
    return True
