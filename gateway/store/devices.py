"""Authenticators: their keys go in sealed and come out only as `Secret`. What a good code is, is not known here."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gateway.policy.snapshot import Device
from gateway.store.acts import end_all, record, touch
from gateway.store.audit import Detail, Event, plain
from gateway.store.database import Database, Tx
from gateway.store.errors import Conflict, NotFound
from gateway.store.keyring import sealing_key
from gateway.store.ports import Actor, DeviceInfo
from gateway.store.reading import read_devices
from gateway.store.schema import burnt_steps, devices, users
from gateway.store.vault import Vault


class SqlDeviceStore:
    """`DeviceStore` over a database and the vault that opens its keys."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def add(  # noqa: PLR0913 - what a device is, by name
        self, user: str, device: Device, name: str, by: Actor, *, at_most: int = 3, replaces: str = ""
    ) -> DeviceInfo:
        """See DeviceStore."""
        rest = _Rest(plain(name), by, at_most, replaces)
        return await self._database.write(lambda tx: _add(tx, self._vault, user, device, rest))

    async def devices(self, user: str) -> tuple[Device, ...]:
        """See DeviceStore. Raises NotFound, KeyRefused."""

        def read(connection: sa.Connection) -> tuple[Device, ...]:
            id_ = connection.execute(sa.select(users.c.id).where(users.c.name == user)).scalar_one_or_none()
            if id_ is None:
                raise NotFound(f"there is no user called {user!r}")
            return read_devices(connection, self._vault, id_, 0)

        return await self._database.read(read)

    async def confirm(self, user: str, device: str, step: int, by: Actor) -> None:
        """See DeviceStore."""
        await self._database.write(lambda tx: _confirm(tx, user, device, step, by))

    async def remove(
        self, user: str, device: str, by: Actor, *, end_sessions: bool = True, begun: bool = False
    ) -> None:
        """See DeviceStore."""
        await self._database.write(lambda tx: _remove(tx, user, device, by, end_sessions=end_sessions, begun=begun))

    async def rename(self, user: str, device: str, name: str, by: Actor) -> None:
        """See DeviceStore."""
        await self._database.write(lambda tx: _rename(tx, user, device, plain(name), by))


def device_infos(connection: sa.Connection, user_ids: Sequence[str]) -> dict[str, tuple[DeviceInfo, ...]]:
    """Return the devices of each user id, oldest first, without their keys."""
    found = sa.select(devices).where(devices.c.user_id.in_(user_ids)).order_by(devices.c.created, devices.c.id)
    infos: dict[str, tuple[DeviceInfo, ...]] = {}
    for row in connection.execute(found):
        infos[row.user_id] = (*infos.get(row.user_id, ()), _info(row))
    return infos


@dataclass(frozen=True, slots=True)
class _Rest:
    """What is said of a new device beside its key."""

    name: str
    by: Actor
    at_most: int
    replaces: str


def _info(row: sa.Row[Any]) -> DeviceInfo:
    return DeviceInfo(*(getattr(row, name) for name in DeviceInfo.__slots__))


def _add(tx: Tx, vault: Vault, user: str, device: Device, rest: "_Rest") -> DeviceInfo:
    by, owner = rest.by, touch(tx, user)
    if rest.replaces:
        _owned(tx, owner.id, user, rest.replaces)
    if len(device_infos(tx.connection, [owner.id]).get(owner.id, ())) >= rest.at_most:
        raise Conflict(f"user {user!r} has as many devices as it may ({rest.at_most}): remove one first")
    values = sealed_row(vault, sealing_key(tx, vault), owner.id, device, rest.name, by.wall) | {
        "replaces": rest.replaces
    }
    row = tx.execute(sa.insert(devices).returning(devices), values).one()
    confirmed: dict[str, Detail] = {"fields": "confirmed"} if device.confirmed else {}
    record(tx, by, Event.DEVICE_ADDED, user, {"device": row.id, **confirmed})
    return _info(row)


def sealed_row(  # noqa: PLR0913, PLR0917 - what a row is made of
    vault: Vault, under: str, owner: str, device: Device, name: str, wall: float
) -> dict[str, object]:
    """Return a device as a row of `devices`, its key sealed under the data key `under`; an empty id is given one."""
    id_ = device.id or secrets.token_hex(8)
    sealed = vault.seal(device.key, id_, owner, under)
    return {
        "id": id_,
        "user_id": owner,
        "name": name,
        "key_id": sealed.key_id,
        "sealed": sealed.blob,
        "algorithm": device.algorithm,
        "digits": device.digits,
        "period": device.period,
        "confirmed": device.confirmed,
        "created": wall,
    }


def _confirm(tx: Tx, user: str, device: str, step: int, by: Actor) -> None:
    owner = touch(tx, user)
    row = _owned(tx, owner.id, user, device)
    burn = {"device_id": row.id, "step": step, "slot": "", "session": "", "wall": by.wall}
    tx.execute(sa.insert(burnt_steps), burn)
    tx.execute(sa.update(devices).where(devices.c.id == row.id).values(confirmed=True, last_used=by.wall))
    if row.replaces:
        old = sa.and_(devices.c.id == row.replaces, devices.c.user_id == owner.id)
        if tx.execute(sa.delete(devices).where(old)).rowcount:
            end_all(tx, owner.id, by)
            record(tx, by, Event.DEVICE_REMOVED, user, {"device": row.replaces})
    record(tx, by, Event.DEVICE_CONFIRMED, user, {"device": row.id, "step": step})


def _remove(  # noqa: PLR0913 - what a removal is, by name
    tx: Tx, user: str, device: str, by: Actor, *, end_sessions: bool, begun: bool
) -> None:
    owner = touch(tx, user)
    row = _owned(tx, owner.id, user, device)
    if begun and row.confirmed:
        raise Conflict("the authenticator that was begun counts by now: look again")
    tx.execute(sa.delete(devices).where(devices.c.id == row.id))
    if end_sessions and row.confirmed:
        end_all(tx, owner.id, by)
    record(tx, by, Event.DEVICE_REMOVED, user, {"device": row.id})


def _rename(tx: Tx, user: str, device: str, name: str, by: Actor) -> None:
    owner = touch(tx, user)
    row = _owned(tx, owner.id, user, device)
    tx.execute(sa.update(devices).where(devices.c.id == row.id).values(name=name))
    record(tx, by, Event.DEVICE_CHANGED, user, {"device": row.id, "fields": "name"})


def _owned(tx: Tx, owner: str, user: str, device: str) -> sa.Row[Any]:
    found = sa.select(devices).where(devices.c.id == device, devices.c.user_id == owner)
    row = tx.execute(found).one_or_none()
    if row is None:
        raise NotFound(f"user {user!r} has no device {device!r}")
    return row
