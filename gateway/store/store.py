"""Opens a store by its URL and hands out its ports. The only place that knows which engine there is."""

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from gateway.core.login import Moment
from gateway.policy.organisations import PolicyOf
from gateway.store.alerts import SqlAlertStore
from gateway.store.backup import SqlBackupStore
from gateway.store.chain import SqlAuditStore
from gateway.store.database import ChainKey, Database, Read, T
from gateway.store.devices import SqlDeviceStore
from gateway.store.drafts import SqlDraftStore
from gateway.store.errors import StoreError, StoreUnavailable
from gateway.store.groups import SqlGroupStore
from gateway.store.imports import SqlImportStore
from gateway.store.keys import SqlKeyStore
from gateway.store.links import SqlLinkStore
from gateway.store.logins import LEASE, SqlLoginStore
from gateway.store.migrate import open_store
from gateway.store.outbox import SqlOutboxStore
from gateway.store.passkeys import SqlPasskeyStore
from gateway.store.prune import prune
from gateway.store.readers import SqlReaderStore
from gateway.store.recovery import SqlRecoveryStore
from gateway.store.requests import SqlRequestStore
from gateway.store.sentcodes import SqlSentCodeStore
from gateway.store.sessions import SqlSessionStore
from gateway.store.sqlite import SqliteDatabase
from gateway.store.users import SqlUserStore
from gateway.store.vault import MasterKey, Vault
from gateway.store.websessions import SqlWebSessionStore

TIMEOUT = 5.0
"""Seconds any call may take: a hung database is as good as none, and a client waits behind it."""
MIGRATION_TIMEOUT = 300.0
"""Seconds a start may take to bring a large database to a new shape."""
DAY = 86400.0


class Store:
    """An open store. Invariant: its keys were checked against the master key, and its schema is this program's."""

    def __init__(self, database: Database, vault: Vault, chain: ChainKey) -> None:
        self._database = database
        self.vault = vault
        self.users = SqlUserStore(database)
        self.devices = SqlDeviceStore(database, vault)
        self.sessions = SqlSessionStore(database)
        self.audit = SqlAuditStore(database, chain)
        self.keys = SqlKeyStore(database, vault, chain.store_id)
        self.backups = SqlBackupStore(database, chain.store_id)
        self.links = SqlLinkStore(database)
        self.recovery = SqlRecoveryStore(database)
        self.imports = SqlImportStore(database, vault)
        self.drafts = SqlDraftStore(database, vault)
        self.groups = SqlGroupStore(database)
        self.requests = SqlRequestStore(database)
        self.alerts = SqlAlertStore(database)
        self.outbox = SqlOutboxStore(database, vault)
        self.readers = SqlReaderStore(database, vault)
        self.web_sessions = SqlWebSessionStore(database)
        self.passkeys = SqlPasskeyStore(database)
        self.sent_codes = SqlSentCodeStore(database)

    @classmethod
    async def open(
        cls,
        url: str,
        master: MasterKey,
        *,
        migrate: bool = True,
        timeout: float = TIMEOUT,  # noqa: ASYNC109 - of every later call
        pool_size: int = 8,
    ) -> Self:
        """Open "sqlite:///file" or "postgresql://user@host/name", creating or migrating it where that is allowed.

        `timeout` in seconds bounds every later call; `pool_size` is PostgreSQL's. Raises SchemaMismatch, KeyRefused,
        StoreUnavailable, or StoreError for a URL that names no engine of ours.
        """
        database = connect(url, timeout=timeout, pool_size=pool_size)
        try:
            vault, chain = await database.write(
                lambda tx: open_store(tx.connection, master, migrate=migrate), bound=MIGRATION_TIMEOUT
            )
        except BaseException:
            await database.close()
            raise
        database.chain = chain
        return cls(database, vault, chain)

    def logins(
        self,
        *,
        node: str,
        policy_of: PolicyOf,
        lease: float = LEASE,
        clock: Callable[[], Moment] = lambda: Moment(time.monotonic(), time.time()),
    ) -> SqlLoginStore:
        """Return the hot path's port for one process: `node` is its unique name, `lease` in seconds; `policy_of` says
        whose lock shuts whom, `clock` whose lease is over.
        """
        return SqlLoginStore(self._database, self.vault, node=node, policy_of=policy_of, lease=lease, clock=clock)

    async def prune(
        self, now: float, *, keep_burnt: float = DAY, keep_addresses: float = DAY, keep_sessions: float = 30 * DAY
    ) -> None:
        """Delete what is older than so many seconds and no judgement looks at; to be called every hour or so."""
        ages = {"keep_burnt": keep_burnt, "keep_addresses": keep_addresses, "keep_sessions": keep_sessions}
        await prune(self._database, now, **ages)

    async def survey(self, read: Read[T]) -> T:
        """Run a read over all tables at one moment: for reports, which count and load nothing."""
        return await self._database.read(read)

    async def close(self) -> None:
        """Finish what was begun and let the database go."""
        await self._database.close()


def connect(url: str, *, timeout: float, pool_size: int) -> Database:
    """Return the engine a URL names. Raises StoreError."""
    try:
        parsed = sa.make_url(url)
    except ArgumentError:
        raise StoreError('the store URL is not one: use "sqlite:///file" or "postgresql://user@host/name"') from None
    match parsed.get_backend_name():
        case "sqlite":
            return _sqlite(parsed, timeout)
        case "postgresql":
            from gateway.store.postgres import PostgresDatabase  # noqa: PLC0415 - who has SQLite need not load its libraries

            return PostgresDatabase(parsed, timeout=timeout, pool_size=pool_size)
        case other:
            raise StoreError(f"no store engine is called {other!r}: use sqlite or postgresql")


def _sqlite(url: sa.URL, timeout: float) -> SqliteDatabase:
    if not url.database or url.database == ":memory:":
        raise StoreError("the SQLite store needs a file: sqlite:///path (sqlite:////absolute/path)")
    if not Path(url.database).parent.is_dir():
        raise StoreUnavailable(f"SQLite database {url.database}: its directory does not exist; create it")
    with contextlib.suppress(OSError):  # it exists, or SQLite says what is wrong with it
        os.close(os.open(url.database, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))  # its -wal and -shm take after it
    return SqliteDatabase(url, timeout=timeout)
