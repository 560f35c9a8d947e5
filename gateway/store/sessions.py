"""Sessions as operations see and end them, and the pruning of what no judgement looks at any more."""

from typing import Any

import sqlalchemy as sa

from gateway.core.authority import Order
from gateway.policy.snapshot import EndSession
from gateway.store.applying import end_for
from gateway.store.audit import AuditEntry, Event
from gateway.store.database import Database, Tx
from gateway.store.errors import NotFound
from gateway.store.notices import Fate
from gateway.store.ports import Actor, SessionRow
from gateway.store.reading import reason_from
from gateway.store.schema import (
    addresses,
    alerts,
    burnt_steps,
    drafts,
    links,
    orders,
    outbox,
    requests,
    sent_codes,
    sessions,
    sightings,
    web_sessions,
)

_LIVE = sa.and_(sessions.c.reported.is_(False), sessions.c.ended.is_(None))


A_YEAR = 365 * 86400.0
"""Seconds a request is kept: who asked whom for what is looked up in it for longer than a session's end."""


class SqlSessionStore:
    """`SessionStore` over a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def live(self, now: float, user: str = "") -> tuple[SessionRow, ...]:
        """See SessionStore."""
        found = (
            sa.select(sessions).where(_LIVE, sessions.c.lease_until > now).order_by(sessions.c.opened, sessions.c.id)
        )
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


async def prune(
    database: Database, now: float, *, keep_burnt: float, keep_addresses: float, keep_sessions: float
) -> None:
    """Delete burnt steps and sent codes, addresses' records and who was seen from them, ended sessions, orders nobody took,
    what left the outbox, acknowledged alerts and links that were used or expired, all older than so many seconds; requests
    that were decided or expired a year ago, alerts that nobody looked at for a year; and the portal's sessions and drafts that are over.

    The audit chain and the streams' memories are never pruned. A session whose lease ran out counts as ended then.
    """
    older = (
        sa.delete(burnt_steps).where(burnt_steps.c.wall < now - keep_burnt),
        sa.delete(addresses).where(addresses.c.since < now - keep_addresses),
        sa.delete(sightings).where(sightings.c.seen < now - keep_addresses),
        sa.delete(alerts).where(sa.or_(alerts.c.acknowledged < now - keep_sessions, alerts.c.last < now - A_YEAR)),
        sa.delete(sessions).where(sessions.c.ended < now - keep_sessions),
        sa.delete(sessions).where(_LIVE, sessions.c.lease_until < now - keep_sessions),
        sa.delete(orders).where(orders.c.wall < now - keep_sessions),
        sa.delete(outbox).where(outbox.c.state != Fate.WAITING.value, outbox.c.due < now - keep_sessions),
        sa.delete(links).where(sa.or_(*(at < now - keep_sessions for at in (links.c.used, links.c.expires)))),
        sa.delete(requests).where(sa.or_(*(at < now - A_YEAR for at in (requests.c.decided, requests.c.expires)))),
        sa.delete(web_sessions).where(web_sessions.c.expires < now),
        sa.delete(drafts).where(drafts.c.expires < now),
        sa.delete(sent_codes).where(sent_codes.c.expires < now - keep_burnt),
    )
    for statement in older:  # one short transaction each: logins go on between them
        await database.write(lambda tx, statement=statement: tx.execute(statement) and None)  # type: ignore[misc]


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
