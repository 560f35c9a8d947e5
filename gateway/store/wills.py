"""Wills: what venues must be told of sessions that are over, and the sessions whose gateway is gone.

A row that is not reported and has no lease left belongs to nobody; the first process to move its lease has it. Dead is
a session only whose lease is over *and* did not move for a while by our own monotonic clock: a live gateway renews it
every few seconds, so no jump of anybody's wall clock ends a live session. It delivers nothing itself.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gateway.core.authority import Owed
from gateway.core.login import Moment
from gateway.core.reason import Reason
from gateway.store.audit import AuditEntry, Event
from gateway.store.database import Database, Tx
from gateway.store.errors import StoreError
from gateway.store.schema import orders, sessions

LOOK = 2.0
"""Seconds between looks for what belongs to nobody."""
QUIET = 0.4
"""Of the lease: how long it must not have moved. Two renewals of a live gateway, and some more."""
AGAIN = 1 / 3
"""Of the lease: when whoever delivers a will renews its hold on it and is handed it again."""
AT_ONCE = 500
"""Rows of one look: the dead of a large gateway take a few looks, and no transaction is long."""

_NOBODYS = (
    sa.select(sessions)
    .where(
        sessions.c.reported.is_(False),
        sessions.c.lease_until < sa.bindparam("before"),
        sa.or_(sessions.c.owed.is_(True), sessions.c.node != sa.bindparam("mine")),
    )
    .order_by(sessions.c.lease_until)
    .limit(AT_ONCE)
)
_UNMOVED = sa.update(sessions).where(
    sessions.c.id == sa.bindparam("session"),
    sessions.c.reported.is_(False),
    sessions.c.lease_until == sa.bindparam("seen"),
)
_OVER = {
    "ended": sa.func.coalesce(sessions.c.ended, sa.bindparam("wall", type_=sa.Double)),
    "end_reason": sa.func.coalesce(sessions.c.end_reason, Reason.GATEWAY_LOST.key),
}
_TAKE = _UNMOVED.values(_OVER | {"owed": True, "lease_until": sa.bindparam("until")})
_BURY = _UNMOVED.values(_OVER | {"reported": True})
_KEEP = _UNMOVED.where(sessions.c.owed.is_(True)).values(lease_until=sa.bindparam("until"))
_TELL = sa.insert(orders)


@dataclass(slots=True)
class _Held:
    """A will this process has to deliver: until when it is ours (wall), since when, and when it is handed out next (mono)."""

    owed: Owed
    until: float
    since: float
    due: float


class Wills:
    """What one process owes to venues. Invariants: a will is handed out only while the store holds it for this process;
    a session of `node` itself, which is this very process, is never dead.
    """

    def __init__(self, database: Database, node: str, lease: float, clock: Callable[[], Moment]) -> None:
        self._database = database
        self._node = node
        self._lease = lease
        self._clock = clock
        self._held: dict[str, _Held] = {}
        self._still: dict[str, tuple[float, float]] = {}
        self._look_at = float("-inf")

    def hold(self, owed: Owed, until: float) -> None:
        """Deliver this one: the store holds it for this process until `until` (wall)."""
        now = self._clock().mono
        self._held[owed.session] = _Held(owed, until, now, now)

    def settled(self, session: str) -> None:
        """Forget a will: it was delivered, or there is none."""
        self._held.pop(session, None)

    async def due(self) -> list[Owed]:
        """Return the wills to be delivered now: new ones, and those that are not settled yet again every few seconds.

        A store that is away owes nothing meanwhile: all of it is still there when it is back.
        """
        try:
            if self._clock().mono >= self._look_at:
                await self._look()
            return [owed for one in self._now_due() if (owed := await self._hand_out(one))]
        except StoreError:
            return []

    def _now_due(self) -> list[_Held]:
        now = self._clock().mono
        return [one for one in self._held.values() if one.due <= now]

    async def _hand_out(self, held: _Held) -> Owed | None:
        """Renew our hold before it is over; None where the will is settled, or another process has it by now."""
        now = self._clock()
        if now.mono - held.since >= AGAIN * self._lease:
            until = now.wall + self._lease
            change = {"session": held.owed.session, "seen": held.until, "until": until}
            if not await self._database.write(lambda tx: tx.execute(_KEEP, change).rowcount):
                self.settled(held.owed.session)
                return None
            held.until, held.since = until, now.mono
        held.due = now.mono + AGAIN * self._lease
        return held.owed

    # ── the dead ──

    async def _look(self) -> None:
        now = self._clock()
        before = now.wall + (1 - QUIET) * self._lease
        found = {"before": before, "mine": self._node}
        rows = await self._database.read(lambda connection: connection.execute(_NOBODYS, found).all())
        dead = self._dead(rows, now)
        if dead:
            until = now.wall + self._lease
            for row in await self._database.write(lambda tx: _take(tx, dead, now.wall, until)):
                self.hold(Owed(row.id, row.route, bytes(row.will)), until)
        self._look_at = now.mono + LOOK

    def _dead(self, rows: Iterable[sa.Row[Any]], now: Moment) -> list[sa.Row[Any]]:
        """Return the rows whose lease is over and has not moved since we first saw it."""
        before, self._still = self._still, {}
        dead = []
        for row in rows:
            if row.id in self._held:
                continue
            lease, since = before.get(row.id, (row.lease_until, now.mono))
            since = since if lease == row.lease_until else now.mono
            self._still[row.id] = (row.lease_until, since)
            if row.lease_until < now.wall and now.mono - since >= QUIET * self._lease:
                dead.append(row)
        return dead


def _take(tx: Tx, dead: Sequence[sa.Row[Any]], wall: float, until: float) -> list[sa.Row[Any]]:
    """Make ours what is still nobody's; return those with a will. What was not known to be over is recorded, once."""
    ours = []
    for row in sorted(dead, key=lambda row: row.id):
        change: dict[str, object] = {"session": row.id, "seen": row.lease_until, "wall": wall}
        statement = _BURY if row.will is None else _TAKE
        if tx.execute(statement, change if row.will is None else change | {"until": until}).rowcount == 1:
            ours.append(row)
    lost = [row for row in ours if not row.owed]
    for row in lost:  # should its gateway be alive after all, it learns that the session is over
        order = {"node": row.node, "session": row.id, "reason": Reason.GATEWAY_LOST.key, "wall": wall}
        tx.execute(_TELL, order)
        tx.notify()
    for row in lost:
        about = {"node": row.node, "protocol": row.protocol, "process": row.process, "route": row.route}
        tx.audit(AuditEntry(wall, Event.SESSION_ENDED, Reason.GATEWAY_LOST, row.user_name, row.id, row.address, about))
    return [row for row in ours if row.will is not None]
