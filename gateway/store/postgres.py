"""The distributed engine: PostgreSQL through asyncpg. One transaction per call, from a bounded pool.

Nothing waits longer than the bound: connecting, waiting for the pool, a lock, a statement, or all of them together.
A connection of its own LISTENs for orders; where it breaks it is made again, and polling goes on meanwhile.
"""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, TypeVar

import asyncpg  # type: ignore[import-untyped]  # asyncpg ships no types
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from gateway.store.database import ChainKey, Read, Tx, Write, translated
from gateway.store.errors import StoreUnavailable

T = TypeVar("T")
CHANNEL = "gateway_orders"
_RETRY = 1.0
_DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError)


class PostgresDatabase:
    """One PostgreSQL database. Invariant: a read sees one state (REPEATABLE READ), a write sees what is committed."""

    def __init__(self, url: sa.URL, *, timeout: float, pool_size: int) -> None:
        """Open nothing yet; `timeout` (seconds) bounds every call, `pool_size` the connections beside the listener's."""
        self.chain: ChainKey | None = None
        self._timeout = timeout
        self._where = f"PostgreSQL {url.host or ''}:{url.port or 5432}/{url.database}"
        self._engine = _engine(url, timeout, pool_size)
        self._reader = self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._wakes: set[asyncio.Event] = set()
        self._listener: asyncio.Task[None] | None = None

    async def read(self, read: Read[T], *, bound: float | None = None) -> T:
        """Run `read` in a read-only transaction."""
        return await self._bounded(self._read(read), bound or self._timeout)

    async def write(self, write: Write[T], *, bound: float | None = None) -> T:
        """Run `write` in a transaction and commit it."""
        return await self._bounded(self._write(write), bound or self._timeout)

    def subscribe(self, wake: asyncio.Event) -> None:
        """Set `wake` whenever any process gives an order."""
        self._wakes.add(wake)
        if self._listener is None:
            self._listener = asyncio.create_task(self._listen(), name="store-listener")

    def unsubscribe(self, wake: asyncio.Event) -> None:
        """Take back `subscribe`."""
        self._wakes.discard(wake)

    async def close(self) -> None:
        """End the listener and close the pool."""
        if self._listener is not None:
            self._listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listener
        await self._engine.dispose()

    async def _bounded(self, call: Coroutine[Any, Any, T], bound: float) -> T:
        try:
            async with asyncio.timeout(bound):
                return await call
        except _DRIVER_ERRORS as error:
            raise StoreUnavailable(f"{self._where}: {type(error).__name__}; check user, rights and limits") from None
        except Exception as error:  # noqa: BLE001 - translated, or raised again as it is
            raise translated(error, self._where) from None

    async def _read(self, read: Read[T]) -> T:
        async with self._reader.connect() as connection:
            return await connection.run_sync(read)

    async def _write(self, write: Write[T]) -> T:
        async with self._engine.begin() as connection:
            return await connection.run_sync(self._run, write)

    def _run(self, connection: sa.Connection, write: Write[T]) -> T:
        tx = Tx(connection, self.chain)
        result = write(tx)
        tx.finish()
        if tx.notified:
            connection.execute(sa.select(sa.func.pg_notify(CHANNEL, "")))
        return result

    async def _listen(self) -> None:
        while True:
            with contextlib.suppress(Exception):  # polling goes on meanwhile
                await self._listen_once()
            await asyncio.sleep(_RETRY)

    async def _listen_once(self) -> None:
        lost = asyncio.Event()
        async with self._engine.connect() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            if driver is None:
                return
            driver.add_termination_listener(lambda *_: lost.set())
            await driver.add_listener(CHANNEL, lambda *_: self._wake())
            self._wake()
            try:
                await lost.wait()
            finally:
                await connection.invalidate()

    def _wake(self) -> None:
        for wake in self._wakes:
            wake.set()


def _engine(url: sa.URL, timeout: float, pool_size: int) -> AsyncEngine:
    milliseconds = str(round(timeout * 1000))
    return create_async_engine(
        url.set(drivername="postgresql+asyncpg"),
        pool_size=pool_size + 1,
        max_overflow=0,
        pool_timeout=timeout,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={
            "timeout": timeout,
            "server_settings": {
                "application_name": "gateway",
                "statement_timeout": milliseconds,
                "lock_timeout": milliseconds,
                "idle_in_transaction_session_timeout": milliseconds,
                "jit": "off",
            },
        },
    )
