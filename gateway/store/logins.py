"""The hot path's port over a database: snapshot, apply, and what becomes of the sessions. It judges nothing."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress

import sqlalchemy as sa

from gateway.core.authority import Ended, Order, Owed, Seen, Started
from gateway.core.login import Attempt, Moment, Note
from gateway.core.reason import Reason
from gateway.policy.lockout import address_key
from gateway.policy.organisations import PolicyOf
from gateway.policy.snapshot import Change, Snapshot
from gateway.store.applying import apply_changes
from gateway.store.audit import AuditEntry, Event, plain
from gateway.store.database import Database, Tx
from gateway.store.errors import Conflict, StoreError
from gateway.store.reading import Terms, read_snapshot, reason_from
from gateway.store.schema import burnt_steps, memories, meta, orders, sent_codes, sessions
from gateway.store.vault import Vault
from gateway.store.wills import Wills

LEASE = 30.0
"""Seconds a session outlives its node's last word: several renewals, so that one late one ends nothing."""
POLL = 0.4
"""Seconds between looks for orders where nothing wakes us: an order is known within a second (core.authority)."""

_CHANGE_MEMORY = (
    sa.update(memories)
    .where(memories.c.key == sa.bindparam("memory"), memories.c.version == sa.bindparam("seen"))
    .values(version=memories.c.version + 1, value=sa.bindparam("new"))
)
_CLOSE_MEMORY = (
    sa.update(memories)
    .where(memories.c.session == sa.bindparam("by"), memories.c.open.is_(True))
    .values(version=memories.c.version + 1, value=sa.bindparam("new"), open=False)
)
_START = (
    sa.update(sessions)
    .where(
        sessions.c.id == sa.bindparam("session"),
        sessions.c.started.is_(None),
        sessions.c.reported.is_(False),
        sessions.c.owed.is_(False),
    )
    .values(started=sa.bindparam("wall"), last_business=sa.bindparam("wall"), upstream=sa.bindparam("where"))
    .returning(sessions.c.user_name, sessions.c.address, sessions.c.protocol, sessions.c.process, sessions.c.route)
)
_START_WITH_WILL = _START.values(will=sa.bindparam("will"))
_RENEW = (
    sa.update(sessions)
    .where(sessions.c.id == sa.bindparam("session"), sessions.c.reported.is_(False), sessions.c.owed.is_(False))
    .values(lease_until=sa.bindparam("until"), last_business=sa.bindparam("business"))
)
_OVER = (
    sa.update(sessions)
    .where(sessions.c.id == sa.bindparam("session"), sessions.c.reported.is_(False), sessions.c.owed.is_(False))
    .values(
        ended=sa.func.coalesce(sessions.c.ended, sa.bindparam("wall", type_=sa.Double)),
        end_reason=sa.func.coalesce(sessions.c.end_reason, sa.bindparam("reason", type_=sa.Text)),
    )
    .returning(sessions.c.user_name, sessions.c.address, sessions.c.started, sessions.c.route, sessions.c.will)
)
_END = _OVER.values(reported=True, will=None)
_OWE = _OVER.where(sessions.c.will.is_not(None)).values(owed=True, lease_until=sa.bindparam("until"))
_SETTLE = (
    sa.update(sessions)
    .where(sessions.c.id == sa.bindparam("session"), sessions.c.owed.is_(True))
    .values(reported=True, owed=False, will=None)
)
_UNBURN = sa.delete(burnt_steps).where(burnt_steps.c.session == sa.bindparam("by"))
_UNSPEND = sa.update(sent_codes).where(sent_codes.c.session == sa.bindparam("by")).values(used=None, session="")
_MY_ORDERS = sa.select(orders).where(orders.c.node == sa.bindparam("node")).order_by(orders.c.id)
_DONE = sa.delete(orders).where(orders.c.id == sa.bindparam("order"))
_ALIVE = sa.select(meta.c.key).limit(1)


class SqlLoginStore:
    """`LoginStore` of one process. `node` must be unique among all processes there ever were; `lease` is in seconds."""

    def __init__(  # noqa: PLR0913 - what a process is, by name
        self,
        database: Database,
        vault: Vault,
        *,
        node: str,
        policy_of: PolicyOf,
        lease: float = LEASE,
        clock: Callable[[], Moment] = lambda: Moment(time.monotonic(), time.time()),
    ) -> None:
        self._database = database
        self._vault = vault
        self._node = node
        self._policy_of = policy_of
        self._lease = lease
        self._clock = clock
        self._wills = Wills(database, node, lease, clock)
        self._wake = asyncio.Event()

    async def snapshot(self, attempt: Attempt, now: float) -> Snapshot:
        """See LoginStore. Raises KeyRefused where a device's key does not open."""
        terms = self._terms(attempt, now)
        return await self._database.read(lambda connection: read_snapshot(connection, self._vault, terms))

    async def apply(
        self, attempt: Attempt, snapshot: Snapshot, changes: Sequence[Change], entry: AuditEntry, now: float
    ) -> None:
        """See LoginStore."""
        terms = self._terms(attempt, now)
        await self._database.write(lambda tx: apply_changes(tx, terms, snapshot, changes, entry))

    async def remember(self, note: Note) -> bool:
        """See LoginStore."""
        with suppress(Conflict):
            return await self._database.write(lambda tx: _remember(tx, note))
        return False

    async def started(self, started: Started) -> None:
        """See LoginStore."""
        await self._database.write(lambda tx: _start(tx, started, self._node))

    async def seen(self, sightings: Sequence[Seen], now: float) -> None:
        """See LoginStore."""
        if not sightings:
            return
        # In the order of their ids: two nodes renewing the same rows must not wait for each other in a ring.
        rows = [
            {"session": one.session, "until": now + self._lease, "business": one.business}
            for one in sorted(sightings, key=lambda one: one.session)
        ]
        await self._database.write(lambda tx: tx.execute(_RENEW, rows) and None)

    async def ended(self, ended: Ended) -> None:
        """See LoginStore."""
        until = self._clock().wall + self._lease
        owed = await self._database.write(lambda tx: _end(tx, ended, until))
        if owed:
            self._wills.hold(owed, until)
            self._wake.set()
        elif not ended.owed:
            self._wills.settled(ended.session)

    async def orders(self) -> AsyncIterator[Order | Owed]:
        """See LoginStore."""
        wake = self._wake
        self._database.subscribe(wake)
        try:
            while True:
                wake.clear()
                for order in await self._take_orders():
                    yield order
                for owed in await self._wills.due():
                    yield owed
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL):
                        await wake.wait()
        finally:
            self._database.unsubscribe(wake)

    async def ready(self) -> bool:
        """See LoginStore."""
        try:
            return await self._database.write(lambda tx: tx.execute(_ALIVE).first() is not None)
        except StoreError:
            return False

    async def _take_orders(self) -> list[Order]:
        try:
            rows = await self._database.read(
                lambda connection: connection.execute(_MY_ORDERS, {"node": self._node}).all()
            )
            if rows:
                done = [{"order": row.id} for row in rows]
                await self._database.write(lambda tx: tx.execute(_DONE, done) and None)
        except StoreError:  # live sessions stay; the orders are still there when the store is back
            return []
        return [Order(row.session, reason_from(row.reason)) for row in rows]

    def _terms(self, attempt: Attempt, now: float) -> Terms:
        address = plain(address_key(attempt.origin.address))
        return Terms(attempt, self._policy_of, address, self._node, self._lease, now)


def _remember(tx: Tx, note: Note) -> bool:
    if tx.execute(_CHANGE_MEMORY, {"memory": note.key, "seen": note.version, "new": note.value}).rowcount == 1:
        return True
    if note.version != 0:
        return False
    row = {"key": note.key, "version": 1, "value": note.value, "open": False, "session": ""}
    tx.execute(sa.insert(memories), row)  # the primary key refuses it where somebody else was first
    return True


def _start(tx: Tx, started: Started, node: str) -> None:
    where = plain(started.upstream)
    values: dict[str, object] = {"session": started.session, "wall": started.wall, "where": where}
    start, values = (_START_WITH_WILL, values | {"will": started.will}) if started.will else (_START, values)
    row = tx.execute(start, values).one_or_none()
    if row is None:
        return
    details = {"upstream": where, "node": node, "protocol": row.protocol, "process": row.process, "route": row.route}
    tx.audit(
        AuditEntry(started.wall, Event.SESSION_STARTED, None, row.user_name, started.session, row.address, details)
    )


def _end(tx: Tx, ended: Ended, until: float) -> Owed | None:
    """Record an end; return the will where one is owed from now on, held by this process until `until`."""
    values = {"session": ended.session, "wall": ended.wall, "reason": ended.reason.key}
    owing = tx.execute(_OWE, values | {"until": until}).one_or_none() if ended.owed else None
    row = owing or tx.execute(_END, values).one_or_none()
    if row is None:
        if not ended.owed:
            tx.execute(_SETTLE, {"session": ended.session})
        return None
    if ended.reason is Reason.UPSTREAM_UNREACHABLE and row.started is None:
        for given_back in (_UNBURN, _UNSPEND):
            tx.execute(given_back, {"by": ended.session})
    if ended.value is not None:
        tx.execute(_CLOSE_MEMORY, {"by": ended.session, "new": ended.value})
    lasted = {} if row.started is None else {"duration": round(ended.wall - row.started, 3)}
    tx.audit(
        AuditEntry(ended.wall, Event.SESSION_ENDED, ended.reason, row.user_name, ended.session, row.address, lasted)
    )
    return Owed(ended.session, owing.route, bytes(owing.will)) if owing else None
