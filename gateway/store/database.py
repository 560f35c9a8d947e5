"""What both engines offer to the rest of the store: one function in one transaction, within a bound of time.

A transaction is a plain function of a `Tx`; it may run more than once only if its caller says so, and it never
awaits. Driver errors become StoreError here; their text is dropped, as it may hold a row's values (TW-10).
"""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from gateway.core.secret import Secret
from gateway.store.audit import AuditEntry, AuditRow, Head, head_mac, seal
from gateway.store.errors import Conflict, StoreError, StoreUnavailable
from gateway.store.schema import audit, audit_head

T = TypeVar("T")
Params = Mapping[str, Any] | Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class ChainKey:
    """What the end of this store's audit chain is signed with."""

    store_id: str
    key: Secret

    def head(self, count: int, last: bytes) -> Head:
        """Return the signed head of a chain of `count` rows whose last hash is `last`."""
        return Head(count, last, head_mac(self.key.reveal(), self.store_id, count, last))


_LOCKED_HEAD = sa.select(audit_head.c.count, audit_head.c.hash).with_for_update()
_ADD_ROW = sa.insert(audit)
_MOVE_HEAD = sa.update(audit_head).values(
    count=sa.bindparam("new_count"), hash=sa.bindparam("new_hash"), mac=sa.bindparam("new_mac")
)


class Tx:
    """One transaction: statements, audit rows, and a wake-up call for those who wait for orders.

    Invariants: the head's lock is taken with the first audit row and never before other rows' locks of the same
    operation, so two transactions cannot wait for each other; rows and head are written once, at the end.
    """

    __slots__ = ("_chain", "_count", "_last", "_rows", "connection", "notified")

    def __init__(self, connection: sa.Connection, chain: ChainKey | None) -> None:
        self.connection = connection
        self.notified = False
        self._chain = chain
        self._count: int | None = None
        self._last = b""
        self._rows: list[dict[str, Any]] = []

    def execute(self, statement: sa.Executable, params: Params | None = None) -> sa.CursorResult[Any]:
        """Run one statement."""
        return self.connection.execute(statement, params)

    def audit(self, entry: AuditEntry) -> AuditRow:
        """Append one row to the chain. Call it last: it takes the chain's lock."""
        if self._count is None:
            self._count, self._last = self.connection.execute(_LOCKED_HEAD).one()
        row = seal(self._count + 1, self._last, entry)
        self._rows.append({name: getattr(row, name) for name in AuditRow.__slots__})
        self._count, self._last = row.seq, row.hash
        return row

    def notify(self) -> None:
        """Wake whoever waits for orders once this transaction is committed."""
        self.notified = True

    def mark(self) -> tuple[int | None, bytes, bool, int]:
        """Return where this transaction stands, for `reset` after a savepoint was rolled back."""
        return self._count, self._last, self.notified, len(self._rows)

    def reset(self, mark: tuple[int | None, bytes, bool, int]) -> None:
        """Forget what was appended since `mark`."""
        self._count, self._last, self.notified, rows = mark
        del self._rows[rows:]

    def finish(self) -> None:
        """Write the audit rows, then sign and write the head. Called once, before the commit."""
        if self._count is None:
            return
        if self._chain is None:
            raise StoreError("the audit chain has no key yet: the store is not open")
        self.connection.execute(_ADD_ROW, self._rows)
        head = self._chain.head(self._count, self._last)
        self.connection.execute(_MOVE_HEAD, {"new_count": head.count, "new_hash": head.hash, "new_mac": head.mac})


Read = Callable[[sa.Connection], T]
Write = Callable[[Tx], T]


class Database(Protocol):
    """One engine. Every method raises StoreUnavailable within its bound."""

    chain: ChainKey | None

    async def read(self, read: Read[T], *, bound: float | None = None) -> T:
        """Run `read` on one consistent state of the database; it cannot write. `bound` as in `write`."""

    async def write(self, write: Write[T], *, bound: float | None = None) -> T:
        """Run `write` in one transaction and commit it durably; where it raises, nothing of it happened.

        `bound` in seconds, where the usual one will not do.
        """

    def subscribe(self, wake: asyncio.Event) -> None:
        """Set `wake` whenever orders may be there."""

    def unsubscribe(self, wake: asyncio.Event) -> None:
        """Take back `subscribe`."""

    async def close(self) -> None:
        """Let everything go; what was begun ends first."""


def take_your_time(connection: sa.Connection) -> None:
    """Lift the engine's own time limits for the rest of this transaction; the caller's bound remains."""
    if connection.dialect.name == "postgresql":
        for limit in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
            connection.execute(sa.select(sa.func.set_config(limit, "0", True)))


def exclusively(connection: sa.Connection, lock: int) -> None:
    """Wait for whoever holds the lock of this number, and hold it to the end of the transaction (SQLite: has one writer)."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(lock)))


def translated(error: BaseException, where: str) -> BaseException:
    """Return a driver's error as ours, without the driver's text; anything else as it is."""
    match error:
        case IntegrityError():
            return Conflict(f"{where}: another change came first; read again and decide again")
        case DBAPIError() if _sqlstate(error) in {"40001", "40P01"}:
            return Conflict(f"{where}: two changes crossed; read again and decide again")
        case DBAPIError():
            return StoreUnavailable(f"{where}: {_cause(error)}; check that it runs, is reachable and has space")
        case TimeoutError() | SQLAlchemyError() | sqlite3.Error() | OSError():
            return StoreUnavailable(f"{where}: {type(error).__name__}; check that it runs, is reachable and has space")
        case _:
            return error


def _sqlstate(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", None) or "")


def _cause(error: DBAPIError) -> str:
    code = _sqlstate(error) or getattr(error.orig, "sqlite_errorname", None) or ""
    return f"{type(error.orig).__name__} {code}".strip()
