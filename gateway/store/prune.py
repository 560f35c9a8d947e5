"""What no judgement looks at any more is deleted, each table at its own age. The audit chain never is."""

import sqlalchemy as sa

from gateway.store.database import Database
from gateway.store.notices import Fate
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
from gateway.store.sessions import LIVE

A_YEAR = 365 * 86400.0
"""Seconds a request is kept: who asked whom for what is looked up in it for longer than a session's end."""


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
        sa.delete(sessions).where(LIVE, sessions.c.lease_until < now - keep_sessions),
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
