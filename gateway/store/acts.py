"""What every administrative act does: move the user's revision, take rights away, leave an audit row."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from gateway.core.reason import Reason
from gateway.policy.snapshot import EndSession
from gateway.store.applying import end_for
from gateway.store.audit import AuditEntry, Detail, Event
from gateway.store.database import Tx
from gateway.store.errors import NotFound
from gateway.store.ports import Actor
from gateway.store.schema import links, password_history, sent_codes, sessions, users


def touch(tx: Tx, name: str) -> sa.Row[Any]:
    """Lock a user by moving its revision, and return its row. Raises NotFound."""
    move = sa.update(users).where(users.c.name == name).values(revision=users.c.revision + 1).returning(users)
    row = tx.execute(move).one_or_none()
    if row is None:
        raise NotFound(f"there is no user called {name!r}")
    return row


def end_all(tx: Tx, user: str, by: Actor) -> None:
    """Order every live session of a user (id) to end: a right it was opened with is gone."""
    live = (
        sa.select(sessions.c.id)
        .where(sessions.c.user_id == user, sessions.c.reported.is_(False), sessions.c.ended.is_(None))
        .order_by(sessions.c.id)
    )
    for (session,) in tx.execute(live).all():
        end_for(tx, EndSession(session, Reason.RIGHT_REMOVED), by.wall)


def void_links(tx: Tx, user: str, by: Actor) -> None:
    """Make every link of a user (id) useless: what they were issued for has changed, or where they went."""
    tx.execute(sa.update(links).where(links.c.user_id == user, links.c.used.is_(None)).values(used=by.wall))


def void_sent_codes(tx: Tx, user: str, now: float) -> None:
    """Let no code count that was sent to a user (id) until now."""
    open_ = sa.and_(sent_codes.c.user_id == user, sent_codes.c.used.is_(None), sent_codes.c.expires > now)
    tx.execute(sa.update(sent_codes).where(open_).values(expires=now))


def replace_password(tx: Tx, user: sa.Row[Any], password_hash: str, by: Actor, *, must_change: bool) -> None:
    """Replace the password hash of a locked row of `users`; the old one goes into the history."""
    if user.password_hash:
        old = {"user_id": user.id, "password_hash": user.password_hash, "replaced": by.wall}
        tx.execute(sa.insert(password_history), old)
    new = {"password_hash": password_hash, "password_changed": by.wall, "must_change": must_change}
    tx.execute(sa.update(users).where(users.c.id == user.id).values(new))


def record(tx: Tx, by: Actor, event: Event, user: str, details: Mapping[str, Detail] | None = None) -> None:
    """Append an administrative act to the audit chain."""
    tx.audit(AuditEntry(by.wall, event, None, user, "", by.address, {"actor": by.name, **(details or {})}))
