"""One-time links: what they are for, how long, and that they work once. Only a token's digest is here, no token."""

import secrets
from typing import Any

import sqlalchemy as sa

from gateway.policy.links import Purpose
from gateway.policy.roles import Grant, Role
from gateway.policy.snapshot import User
from gateway.store.acts import end_all, record, replace_password, touch, void_links
from gateway.store.audit import Event
from gateway.store.database import Database, Tx, exclusively
from gateway.store.errors import Conflict, NotFound
from gateway.store.passkeys import forget_passkeys
from gateway.store.people import Link, Redemption
from gateway.store.ports import Actor
from gateway.store.schema import burnt_steps, devices, links, users
from gateway.store.users import add_user, give_role

_FIRST = 0x6669_7273_7421  # "first!": one bootstrap at a time on a shared server
FOUR_EYES = 2
"""Exchange administrators that are needed before every further role can be asked for and approved."""
_ENROLLED = sa.exists().where(devices.c.user_id == users.c.id, devices.c.confirmed.is_(True))
_GONE = "this link is not good: it was used, it is too old, or there never was one"


class SqlLinkStore:
    """`LinkStore` over a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def issue(self, link: Link, by: Actor) -> None:
        """See LinkStore."""
        await self._database.write(lambda tx: issue(tx, link, by))

    async def recent(self, name: str, since: float) -> int:
        """See LinkStore."""
        mine = sa.select(sa.func.count()).select_from(links.join(users, users.c.id == links.c.user_id))
        found = mine.where(users.c.name == name, links.c.asked_by == name, links.c.created >= since)
        return await self._database.read(lambda connection: int(connection.execute(found).scalar_one()))

    async def show(self, digest: bytes, now: float) -> Link:
        """See LinkStore."""
        return await self._database.read(lambda connection: _link(_good(connection, digest, now)))

    async def enrolling(self, digest: bytes, device: str, by: Actor) -> None:
        """See LinkStore."""

        def write(tx: Tx) -> None:
            row = _good(tx.connection, digest, by.wall)
            touch(tx, row.name)
            begun = sa.and_(devices.c.id == row.device, devices.c.confirmed.is_(False))
            tx.execute(sa.delete(devices).where(begun))
            tx.execute(sa.update(links).where(links.c.digest == digest).values(device=device))

        await self._database.write(write)

    async def redeem(self, digest: bytes, redemption: Redemption, by: Actor) -> str:
        """See LinkStore."""
        return await self._database.write(lambda tx: _redeem(tx, digest, redemption, by))

    async def bootstrap(self, link: Link, grant: Grant, by: Actor) -> None:
        """See LinkStore."""
        await self._database.write(lambda tx: _bootstrap(tx, link, grant, by))


def issue(tx: Tx, link: Link, by: Actor) -> None:
    """Record a link inside a transaction; see LinkStore."""
    user = touch(tx, link.user)
    older = sa.and_(links.c.user_id == user.id, links.c.purpose == link.purpose.value, links.c.used.is_(None))
    tx.execute(sa.update(links).where(older).values(used=by.wall))
    row = {
        "digest": link.digest,
        "user_id": user.id,
        "purpose": link.purpose.value,
        "asked_by": by.name,
        "created": by.wall,
        "expires": link.expires,
        "device": "",
    }
    tx.execute(sa.insert(links), row)
    record(tx, by, Event.LINK_ISSUED, link.user, {"purpose": link.purpose.value, "expires": link.expires})


def _good(connection: sa.Connection, digest: bytes, now: float) -> sa.Row[Any]:
    found = sa.select(links, users.c.name).join(users, users.c.id == links.c.user_id)
    row = connection.execute(
        found.where(links.c.digest == digest, links.c.used.is_(None), links.c.expires > now)
    ).one_or_none()
    if row is None:
        raise NotFound(_GONE)
    return row


def _link(row: sa.Row[Any]) -> Link:
    return Link(bytes(row.digest), row.name, Purpose(row.purpose), row.expires, row.device)


def _redeem(tx: Tx, digest: bytes, redemption: Redemption, by: Actor) -> str:
    row = _good(tx.connection, digest, by.wall)
    user = touch(tx, row.name)
    use = sa.update(links).where(links.c.digest == digest, links.c.used.is_(None)).values(used=by.wall)
    if tx.execute(use).rowcount != 1:  # two browsers at once: the other one was first
        raise NotFound(_GONE)
    if redemption.password_hash:
        replace_password(tx, user, redemption.password_hash, by, must_change=False)
    if redemption.device:
        _confirm(tx, user.id, redemption, by)
    void_links(tx, user.id, by)
    end_all(tx, user.id, by)
    record(tx, by, Event.LINK_USED, user.name, {"purpose": row.purpose})
    if redemption.password_hash:
        record(tx, by, Event.PASSWORD_SET, user.name)
    if redemption.device:
        record(tx, by, Event.DEVICE_CONFIRMED, user.name, {"device": redemption.device, "step": redemption.step})
    return str(user.name)


def _confirm(tx: Tx, user: str, redemption: Redemption, by: Actor) -> None:
    mine = sa.and_(devices.c.user_id == user, devices.c.id == redemption.device)
    if tx.execute(sa.update(devices).where(mine).values(confirmed=True, last_used=by.wall)).rowcount != 1:
        raise NotFound("the authenticator that was begun is gone: begin again")
    if redemption.others_go:
        tx.execute(sa.delete(devices).where(devices.c.user_id == user, devices.c.id != redemption.device))
        forget_passkeys(tx, user)
    burn = {"device_id": redemption.device, "step": redemption.step, "slot": "", "session": "", "wall": by.wall}
    tx.execute(sa.insert(burnt_steps), burn)


def _bootstrap(tx: Tx, link: Link, grant: Grant, by: Actor) -> None:
    exclusively(tx.connection, _FIRST)
    able = tx.execute(_able(by.wall)).scalars().all()
    if len(able) >= FOUR_EYES:
        raise Conflict(
            f"there are exchange administrators already ({', '.join(sorted(able))}): ask one of them for a role"
        )
    there = tx.execute(sa.select(users.c.password_hash, _ENROLLED).where(users.c.name == link.user)).one_or_none()
    if there is not None and any(there):
        raise Conflict(f"{link.user!r} is in use: give the administrator a name of its own")
    if there is None:
        add_user(tx, User(secrets.token_hex(8), link.user, processes=frozenset({link.user})), by)
    give_role(tx, link.user, grant, by)
    issue(tx, link, by)
    record(tx, by, Event.GATEWAY_BOOTSTRAPPED, link.user)


def _able(now: float) -> sa.Select[Any]:
    """Return who could act as exchange administrator: without one nobody could ever give a role again."""
    return sa.select(users.c.name).where(
        users.c.role == Role.EXCHANGE_ADMIN.value,
        users.c.role_until > now,
        users.c.enabled.is_(True),
        sa.or_(users.c.valid_until.is_(None), users.c.valid_until > now),
        _ENROLLED,
    )
