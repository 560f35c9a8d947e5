"""Readers of the audit chain, each row once: the reader moves in the transaction that queues what the row is told by."""

from collections.abc import Collection, Sequence

import sqlalchemy as sa

from gateway.store.acts import record, touch
from gateway.store.audit import AuditRow, Event
from gateway.store.database import Database, Tx
from gateway.store.errors import Conflict, NotFound
from gateway.store.notices import News, Notice
from gateway.store.outbox import queue
from gateway.store.ports import Account, Actor
from gateway.store.schema import audit, audit_head, outbox, readers, users
from gateway.store.users import accounts_where
from gateway.store.vault import Vault

_COLUMNS = [audit.c[name] for name in AuditRow.__slots__]


class SqlReaderStore:
    """`ReaderStore` over a database and the vault that seals what is queued."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def begin(self, name: str, at: int | None = None) -> None:
        """See ReaderStore."""
        try:
            await self._database.write(lambda tx: _begin(tx, name, at))
        except Conflict:  # another process did it at this moment
            return

    async def look(self, name: str, limit: int) -> News:
        """See ReaderStore."""
        return await self._database.read(lambda connection: _look(connection, name, limit))

    async def advance(self, name: str, seen: int, to: int, notices: Sequence[Notice]) -> bool:
        """See ReaderStore."""

        def write(tx: Tx) -> bool:
            # Its row is the lock: who comes second finds the reader further on.
            here = sa.and_(readers.c.name == name, readers.c.seq == seen)
            if tx.execute(sa.update(readers).where(here).values(seq=to)).rowcount != 1:
                return False
            queue(tx, self._vault, notices)
            return True

        return await self._database.write(write)

    async def queued(self, prefix: str, since: float) -> tuple[str, ...]:
        """See ReaderStore."""
        found = sa.select(outbox.c.tag).where(
            outbox.c.created > since, outbox.c.tag.startswith(prefix, autoescape=True)
        )
        return await self._database.read(lambda connection: tuple(connection.execute(found).scalars()))

    async def accounts(self, names: Collection[str]) -> tuple[Account, ...]:
        """See ReaderStore."""
        return await self._database.read(lambda connection: accounts_where(connection, users.c.name.in_(list(names))))

    async def administrators(self, now: float) -> tuple[Account, ...]:
        """See ReaderStore."""
        return await self._database.read(lambda connection: accounts_where(connection, users.c.role_until > now))

    async def set_quiet(self, name: str, by: Actor, *, quiet: bool) -> None:
        """See ReaderStore."""

        def write(tx: Tx) -> None:
            user = touch(tx, name)
            since = by.wall if quiet else None
            tx.execute(sa.update(users).where(users.c.id == user.id).values(quiet_since=since))
            record(tx, by, Event.NOTICES_STOPPED if quiet else Event.NOTICES_RESUMED, name)

        await self._database.write(write)


def _begin(tx: Tx, name: str, at: int | None) -> None:
    if tx.execute(sa.select(readers.c.seq).where(readers.c.name == name)).first() is None:
        end = tx.execute(sa.select(audit_head.c.count)).scalar_one() if at is None else at
        tx.execute(sa.insert(readers), {"name": name, "seq": end})


def _look(connection: sa.Connection, name: str, limit: int) -> News:
    seen = connection.execute(sa.select(readers.c.seq).where(readers.c.name == name)).scalar_one_or_none()
    if seen is None:
        raise NotFound(f"there is no reader called {name!r}")
    later = sa.select(*_COLUMNS).where(audit.c.seq > seen).order_by(audit.c.seq).limit(limit)
    return News(seen, tuple(AuditRow(*row) for row in connection.execute(later)))
