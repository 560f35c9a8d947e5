"""Writes the whole store as lines of JSON, at one moment, into whatever encrypts them (SF-22); `restore.py` reads them.

First what it is, then table after table in the order in which rows may refer to each other, then how many there were.
Sealed keys stay sealed: the master key is in it only where the operator asks for that. Never more than a page in memory.
"""

import base64
import json
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from gateway.store.acts import record
from gateway.store.audit import Event
from gateway.store.database import Database, take_your_time
from gateway.store.ports import Actor
from gateway.store.schema import REVISION, metadata
from gateway.store.strongbox import SealingWriter
from gateway.store.vault import MasterKey

PAGE = 500
"""Rows read at once."""
LONG = 86400.0
"""Seconds a back-up or a restore may take: a bound, not a plan."""


class SqlBackupStore:
    """Writes back-ups of one store."""

    def __init__(self, database: Database, store_id: str) -> None:
        self._database = database
        self._store_id = store_id

    async def write(self, out: SealingWriter, by: Actor, master: MasterKey | None = None) -> int:
        """Write a consistent snapshot; return its rows. That a copy leaves is in the audit record before it does.

        `master` goes into it where it is given. Raises BackupRefused, StoreUnavailable: the file is not whole then.
        """
        details = {"fields": "master_key"} if master else None
        await self._database.write(lambda tx: record(tx, by, Event.STORE_BACKED_UP, "", details))
        about: dict[str, object] = {"schema": REVISION, "store_id": self._store_id, "created": by.wall}
        if master is not None:
            about["master_key"] = base64.b64encode(master.export().reveal()).decode()
        return await self._database.read(lambda connection: _dump(connection, out, about), bound=LONG)


def _dump(connection: sa.Connection, out: SealingWriter, about: dict[str, object]) -> int:
    take_your_time(connection)
    out.write(_line({"gateway": about}))
    total = 0
    for table in metadata.sorted_tables:
        out.write(_line({"table": table.name, "columns": table.columns.keys()}))
        for rows in _pages(connection, table):
            out.write(b"".join(_line(to_json(table, row)) for row in rows))
            total += len(rows)
    out.write(_line({"end": total}))
    out.close()
    return total


def _line(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def _pages(connection: sa.Connection, table: sa.Table) -> Iterator[Sequence[sa.Row[Any]]]:
    """Yield a table's rows in the order of their primary key: a page needs no cursor that outlives its statement."""
    key = list(table.primary_key.columns)
    ordered = sa.select(table).order_by(*key).limit(PAGE)
    rows = connection.execute(ordered).all()
    while rows:
        yield rows
        last = [sa.literal(rows[-1]._mapping[column], column.type) for column in key]  # noqa: SLF001 - SQLAlchemy's public name
        rows = connection.execute(ordered.where(sa.tuple_(*key) > sa.tuple_(*last))).all()


def to_json(table: sa.Table, row: sa.Row[Any]) -> list[object]:
    """Return a row as JSON can hold it: bytes in base64; doubles read back exactly."""
    return [
        base64.b64encode(bytes(value)).decode()
        if isinstance(column.type, sa.LargeBinary) and value is not None
        else value
        for column, value in zip(table.columns, row, strict=True)
    ]


def from_json(table: sa.Table, values: Sequence[Any]) -> dict[str, Any]:
    """Return the row that `to_json` wrote. Raises ValueError."""
    return {
        column.name: base64.b64decode(value, validate=True)
        if isinstance(column.type, sa.LargeBinary) and value is not None
        else value
        for column, value in zip(table.columns, values, strict=True)
    }
