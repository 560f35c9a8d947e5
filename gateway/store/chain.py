"""The audit chain in the database: append, read, and walk it from end to end (BY-6). `audit.py` has the arithmetic.

The walk streams: a few thousand rows at a time, each with the head as it was at the same moment, so that it can run
while rows are appended and still find a row that is there without the head, or the head without its row.
"""

import hmac
from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from gateway.store.audit import AuditEntry, AuditRow, Event, Head, Verification, genesis, link, plain
from gateway.store.database import ChainKey, Database
from gateway.store.errors import StoreError
from gateway.store.schema import audit, audit_head

CHUNK = 4000
"""Rows read at once: large enough to hide the round trip, a megabyte or so of memory."""

_HEAD = sa.select(audit_head.c.count, audit_head.c.hash, audit_head.c.mac)
_NEXT = (
    sa.select(*(audit.c[name] for name in AuditRow.__slots__))
    .where(audit.c.seq > sa.bindparam("after"))
    .order_by(audit.c.seq)
    .limit(sa.bindparam("limit"))
)
_OF_USER = (
    sa.select(*(audit.c[name] for name in AuditRow.__slots__))
    .where(audit.c.user == sa.bindparam("name"), audit.c.event.in_(sa.bindparam("events", expanding=True)))
    .order_by(audit.c.seq.desc())
    .limit(sa.bindparam("limit"))
)


class SqlAuditStore:
    """`AuditStore` over a database and the key its head is signed with."""

    def __init__(self, database: Database, key: ChainKey) -> None:
        self._database = database
        self._key = key

    async def append(self, entry: AuditEntry) -> AuditRow:
        """See AuditStore."""
        return await self._database.write(lambda tx: tx.audit(entry))

    async def rows(self, after: int = 0, limit: int = 1000) -> tuple[AuditRow, ...]:
        """See AuditStore."""
        found = {"after": after, "limit": limit}
        rows = await self._database.read(lambda connection: connection.execute(_NEXT, found).all())
        return tuple(AuditRow(*row) for row in rows)

    async def of_user(
        self, name: str, events: Collection[Event], before: int | None = None, limit: int = 1000
    ) -> tuple[AuditRow, ...]:
        """See AuditStore."""
        found = {"name": plain(name), "events": sorted(event.value for event in events), "limit": limit}
        statement = _OF_USER if before is None else _OF_USER.where(audit.c.seq < before)
        rows = await self._database.read(lambda connection: connection.execute(statement, found).all())
        return tuple(AuditRow(*row) for row in rows)

    async def head(self) -> Head:
        """See AuditStore. Raises StoreError where the head is gone."""
        head = await self._database.read(_read_head)
        if head is None:
            raise StoreError("the audit chain has no head: the store was tampered with; restore a back-up")
        return head

    async def verify(self, noted: Head | None = None) -> Verification:
        """See AuditStore. About 200,000 rows a second."""
        walk = Walk(self._key, noted)
        while True:
            head, rows = await self._database.read(lambda connection: _read_chunk(connection, walk.count))
            found = walk.take(rows)
            if found:
                return found
            if len(rows) < CHUNK:
                return walk.finish(head)


class Walk:
    """One pass over the chain. Invariant: rows 1 to `count` are proved to be those that were appended."""

    def __init__(self, key: ChainKey, noted: Head | None = None) -> None:
        self.count = 0
        self._key = key
        self._last = genesis(key.store_id)
        self._noted = noted

    def take(self, rows: Sequence[Sequence[Any]]) -> Verification | None:
        """Check the next rows; return the first fault, or None."""
        last, count = self._last, self.count
        noted = self._noted.count if self._noted else 0
        for row in rows:
            count += 1
            if row[0] != count:
                return Verification(count - 1, count, f"row {count} is missing: row {row[0]} comes in its place")
            found = link(last, row[:8])  # type: ignore[arg-type]  # the columns of one row, in their order
            if row[8] != last or row[9] != found:
                return Verification(count - 1, count, f"row {count} was changed")
            last = found
            if count == noted and self._noted and self._noted.hash != last:
                return Verification(
                    count - 1, count, f"row {count} is not the one that was noted: the chain was replaced"
                )
        self._last, self.count = last, count
        return None

    def finish(self, head: Head | None) -> Verification:
        """Check the end of the chain against its signed head, and against the one noted elsewhere."""
        count = self.count
        if head is None:
            return Verification(count, count + 1, "the head of the chain is missing")
        if not hmac.compare_digest(head.mac, self._key.head(head.count, head.hash).mac):
            return Verification(
                count, min(count, head.count) + 1, "the head of the chain was changed: its signature is wrong"
            )
        if head.count > count:
            return Verification(count, count + 1, f"rows {count + 1} to {head.count} are missing at the end")
        if head.count < count or head.hash != self._last:
            return Verification(count, head.count + 1, f"row {head.count + 1} was added without the head")
        if self._noted and self._noted.count > count:
            fault = f"rows {count + 1} to {self._noted.count} were noted and are missing: the database is an older copy"
            return Verification(count, count + 1, fault)
        return Verification(count)


def verify_at(connection: sa.Connection, key: ChainKey) -> Verification:
    """Walk the whole chain inside a transaction that goes on."""
    walk = Walk(key)
    while True:
        head, rows = _read_chunk(connection, walk.count)
        found = walk.take(rows)
        if found or len(rows) < CHUNK:
            return found or walk.finish(head)


def _read_head(connection: sa.Connection) -> Head | None:
    row = connection.execute(_HEAD).one_or_none()
    return None if row is None else Head(*row)


def _read_chunk(connection: sa.Connection, after: int) -> tuple[Head | None, Sequence[Sequence[Any]]]:
    rows = connection.execute(_NEXT, {"after": after, "limit": CHUNK}).all()
    return _read_head(connection), rows
