"""Sessions as operations see and end them."""

from typing import Any

import sqlalchemy as sa

from gateway.core.authority import Order
from gateway.policy.snapshot import EndSession
from gateway.store.applying import end_for
from gateway.store.audit import AuditEntry, Event
from gateway.store.database import Database, Tx
from gateway.store.errors import NotFound
from gateway.store.ports import Actor, SessionRow
from gateway.store.reading import reason_from
from gateway.store.schema import sessions

LIVE = sa.and_(sessions.c.reported.is_(False), sessions.c.ended.is_(None))


class SqlSessionStore:
    """`SessionStore` over a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def live(self, now: float, user: str = "") -> tuple[SessionRow, ...]:
        """See SessionStore."""
        found = sa.select(sessions).where(LIVE, sessions.c.lease_until > now).order_by(sessions.c.opened, sessions.c.id)
        if user:
            found = found.where(sessions.c.user_name == user)
        return await self._database.read(lambda connection: tuple(_row(row) for row in connection.execute(found)))

    async def show(self, session: str) -> SessionRow:
        """See SessionStore."""
        found = sa.select(sessions).where(sessions.c.id == session)
        row = await self._database.read(lambda connection: connection.execute(found).one_or_none())
        if row is None:
            raise NotFound(f"there is no session {session!r}")
        return _row(row)

    async def order(self, order: Order, by: Actor) -> None:
        """See SessionStore."""
        await self._database.write(lambda tx: _order(tx, order, by))


def _row(row: sa.Row[Any]) -> SessionRow:
    values = {name: getattr(row, name) for name in SessionRow.__slots__ if name != "user"}
    reason = reason_from(row.end_reason) if row.end_reason else None
    return SessionRow(**{**values, "user": row.user_name, "end_reason": reason})


def _order(tx: Tx, order: Order, by: Actor) -> None:
    found = sa.select(sessions.c.user_name, sessions.c.address).where(sessions.c.id == order.session)
    row = tx.execute(found.where(sessions.c.lease_until > by.wall)).one_or_none()
    if row is None or not end_for(tx, EndSession(order.session, order.reason), by.wall):
        raise NotFound(f"session {order.session!r} is not live")
    details = {"actor": by.name}
    tx.audit(
        AuditEntry(by.wall, Event.SESSION_ORDERED, order.reason, row.user_name, order.session, row.address, details)
    )
