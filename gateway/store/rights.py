"""Which live sessions a change of their user ends: those that could not be opened any more. Judges no login."""

from typing import Any

import sqlalchemy as sa

from gateway.core.reason import Reason
from gateway.policy.snapshot import EndSession, User
from gateway.store.acts import end_all
from gateway.store.applying import end_for
from gateway.store.database import Tx
from gateway.store.ports import Actor
from gateway.store.schema import sessions

_LIVE = (
    sa.select(sessions.c.id, sessions.c.process, sessions.c.certificate, sessions.c.route)
    .where(sessions.c.user_id == sa.bindparam("user"), sessions.c.reported.is_(False), sessions.c.ended.is_(None))
    .order_by(sessions.c.id)
)


def end_what_was_lost(tx: Tx, before: User, after: User, by: Actor) -> None:
    """Order the sessions to end that `after` may not have any more; all of them where the person itself is shut out.

    Who is given an earlier end logs in again: the session's lifetime was measured by the later one (HK-7).
    """
    if not after.enabled or not _within(after, by.wall) or _shortened(before, after):
        end_all(tx, after.id, by)
        return
    for row in tx.execute(_LIVE, {"user": after.id}).all():
        if not _fits(after, row):
            end_for(tx, EndSession(row.id, Reason.RIGHT_REMOVED), by.wall)


def _within(user: User, now: float) -> bool:
    early = user.valid_from is not None and now < user.valid_from
    return not early and (user.valid_until is None or now < user.valid_until)


def _shortened(before: User, after: User) -> bool:
    return after.valid_until is not None and (before.valid_until is None or after.valid_until < before.valid_until)


def _fits(user: User, row: sa.Row[Any]) -> bool:
    return (
        row.process in user.processes
        and (not user.certificates or row.certificate in user.certificates)
        and user.may_use(row.route)
    )
