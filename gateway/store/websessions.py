"""The portal's sessions: only a token's digest is here, no token. Whether a session is still good is not known here."""

from dataclasses import fields
from typing import Any

import sqlalchemy as sa

from gateway.store.acts import record, touch
from gateway.store.audit import AuditEntry, Detail, Event, plain
from gateway.store.database import Database, Tx
from gateway.store.errors import NotFound
from gateway.store.portal import Level, WebRow
from gateway.store.ports import Account, Actor
from gateway.store.schema import users, web_sessions
from gateway.store.users import accounts_where

_GONE = "there is no such session"


class SqlWebSessionStore:
    """`WebSessionStore` over a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, row: WebRow, by: Actor, *, at_most: int) -> None:
        """See WebSessionStore."""

        def write(tx: Tx) -> None:
            user = _user(tx, row.user)
            gone = _make_room(tx, user, row, at_most)
            tx.execute(sa.insert(web_sessions), _values(row, user))
            _record(tx, row, gone, by, signed_in=row.level is not Level.PASSWORD)

        await self._database.write(write)

    async def show(self, digest: bytes) -> tuple[WebRow, Account]:
        """See WebSessionStore."""

        def read(connection: sa.Connection) -> tuple[WebRow, Account]:
            row = connection.execute(sa.select(web_sessions).where(web_sessions.c.digest == digest)).one_or_none()
            if row is None:
                raise NotFound(_GONE)
            (account,) = accounts_where(connection, users.c.id == row.user_id)
            return _row(row, account.user.name), account

        return await self._database.read(read)

    async def seen(self, digest: bytes, now: float) -> None:
        """See WebSessionStore."""
        mine = sa.update(web_sessions).where(web_sessions.c.digest == digest)
        await self._database.write(lambda tx: tx.execute(mine.values(seen=now)) and None)

    async def replace(self, digest: bytes, row: WebRow, by: Actor, *, at_most: int) -> None:
        """See WebSessionStore."""

        def write(tx: Tx) -> None:
            user = _user(tx, row.user)
            mine = sa.and_(web_sessions.c.digest == digest, web_sessions.c.user_id == user)
            before = tx.execute(
                sa.delete(web_sessions).where(mine).returning(web_sessions.c.level)
            ).scalar_one_or_none()
            if before is None:
                raise NotFound(_GONE)
            gone = _make_room(tx, user, row, at_most)
            tx.execute(sa.insert(web_sessions), _values(row, user))
            signed_in = before == Level.PASSWORD.value and row.level is not Level.PASSWORD
            _record(tx, row, gone, by, signed_in=signed_in)

        await self._database.write(write)

    async def close(self, digest: bytes, why: str, by: Actor) -> None:
        """See WebSessionStore."""

        def write(tx: Tx) -> None:
            gone = sa.delete(web_sessions).where(web_sessions.c.digest == digest).returning(web_sessions)
            row = tx.execute(gone).one_or_none()
            if row is not None and row.level != Level.PASSWORD.value:
                name = tx.execute(sa.select(users.c.name).where(users.c.id == row.user_id)).scalar_one()
                tx.audit(AuditEntry(by.wall, Event.WEB_SIGNED_OUT, None, name, "", by.address, {"why": why}))

        await self._database.write(write)

    async def close_all(self, name: str, by: Actor) -> int:
        """See WebSessionStore."""

        def write(tx: Tx) -> int:
            user = touch(tx, name)
            count = tx.execute(sa.delete(web_sessions).where(web_sessions.c.user_id == user.id)).rowcount
            record(tx, by, Event.WEB_SIGNED_OUT, name, {"count": count})
            return count

        return await self._database.write(write)

    async def challenge(self, digest: bytes, challenge: bytes) -> None:
        """See WebSessionStore."""

        def write(tx: Tx) -> None:
            mine = sa.update(web_sessions).where(web_sessions.c.digest == digest)
            if tx.execute(mine.values(challenge=challenge)).rowcount != 1:
                raise NotFound(_GONE)

        await self._database.write(write)

    async def answered(self, digest: bytes) -> bytes:
        """See WebSessionStore."""

        def write(tx: Tx) -> bytes:
            found = sa.select(web_sessions.c.challenge).where(web_sessions.c.digest == digest)
            held = tx.execute(found.with_for_update()).scalar_one_or_none()
            if held is None:
                raise NotFound("nothing was asked of a passkey: begin again")
            tx.execute(sa.update(web_sessions).where(web_sessions.c.digest == digest).values(challenge=None))
            return bytes(held)

        return await self._database.write(write)


def _user(tx: Tx, name: str) -> str:
    id_ = tx.execute(sa.select(users.c.id).where(users.c.name == name)).scalar_one_or_none()
    if id_ is None:
        raise NotFound(f"there is no user called {name!r}")
    return str(id_)


def _make_room(tx: Tx, user: str, row: WebRow, at_most: int) -> int:
    """Leave room for one more of those that proved as much: half a session must not push a whole one out."""
    half = web_sessions.c.level == Level.PASSWORD.value
    alike = sa.and_(web_sessions.c.user_id == user, half if row.level is Level.PASSWORD else ~half)
    newest = sa.select(web_sessions.c.digest).where(alike).order_by(web_sessions.c.seen.desc(), web_sessions.c.digest)
    digests = tx.execute(newest.offset(at_most - 1)).scalars().all()
    return tx.execute(sa.delete(web_sessions).where(web_sessions.c.digest.in_(digests))).rowcount if digests else 0


def _record(tx: Tx, row: WebRow, gone: int, by: Actor, *, signed_in: bool) -> None:
    if gone and row.level is not Level.PASSWORD:
        details: dict[str, Detail] = {"why": "newer ones took its place", "count": gone}
        tx.audit(AuditEntry(by.wall, Event.WEB_SIGNED_OUT, None, row.user, "", by.address, details))
    if signed_in:
        tx.audit(AuditEntry(by.wall, Event.WEB_SIGNED_IN, None, row.user, "", by.address))


def _values(row: WebRow, user: str) -> dict[str, object]:
    values = {each.name: getattr(row, each.name) for each in fields(row) if each.name != "user"}
    return {**values, "user_id": user, "level": row.level.value, "address": plain(row.address)}


def _row(row: sa.Row[Any], name: str) -> WebRow:
    return WebRow(
        bytes(row.digest), name, Level(row.level), bytes(row.stamp), row.created, row.seen, row.expires, row.address
    )
