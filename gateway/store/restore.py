"""Reads a back-up into an empty store of either engine: one transaction, and nothing of it before all of it is proved.

Proved is: every chunk authenticates up to the marked end, every row is there, every key opens under the master key, the
audit chain is whole. Rights and secrets come back as they were; of a FIX stream nobody knows what happened since.
"""

import base64
import binascii
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, BinaryIO

import sqlalchemy as sa

from gateway.core.secret import Secret
from gateway.store.acts import record
from gateway.store.audit import Event
from gateway.store.backup import LONG, PAGE, from_json
from gateway.store.chain import verify_at
from gateway.store.database import ChainKey, Tx
from gateway.store.errors import BackupRefused, KeyRefused
from gateway.store.migrate import open_vault, reshape, store_id_of
from gateway.store.notices import LETTER
from gateway.store.ports import Actor
from gateway.store.schema import (
    REVISION,
    audit,
    audit_head,
    devices,
    keys,
    links,
    memories,
    meta,
    metadata,
    outbox,
    sent_codes,
    web_sessions,
)
from gateway.store.store import connect
from gateway.store.strongbox import opened
from gateway.store.vault import MasterKey, Sealed, Vault, key_check

_IDENTITY = (meta, keys, audit, audit_head)
"""What a store has that was opened once and never used: one audit row tells that it was made."""
_LONGEST = 1 << 26
"""Bytes of one row: a store has none near it."""
_DAMAGED = "the back-up is damaged: it does not hold what its beginning says"
_OTHER_KEY = (
    "this master key is not the one of the store that was backed up: give that one back, it opens the sealed keys"
)


class Archive:
    """An opened back-up. `master` is the master key where it is in it."""

    def __init__(self, file: BinaryIO, passphrase: Secret) -> None:
        """Read the beginning. Raises BackupRefused."""
        self.lines = _lines(opened(file, passphrase))
        about = next(self.lines, None)
        self._about: dict[str, Any] = about.get("gateway", {}) if isinstance(about, dict) else {}
        if self._about.get("schema") != REVISION:
            schema = self._about.get("schema", "none")
            raise BackupRefused(
                f"the back-up has schema {schema}, this program {REVISION}: restore it with the version that made it, "
                "then upgrade"
            )

    @property
    def store_id(self) -> str:
        """Return the id of the store that was backed up."""
        return str(self._about["store_id"])

    @property
    def master(self) -> MasterKey | None:
        """Return the master key that the back-up holds, if it does."""
        held = self._about.get("master_key")
        return MasterKey(Secret(base64.b64decode(held))) if held else None


async def restore(url: str, archive: Archive, master: MasterKey, by: Actor, *, timeout: float = 5.0) -> int:  # noqa: ASYNC109
    """Make the store at `url` what the back-up holds; return its rows. `timeout` in seconds, of the connection.

    Raises BackupRefused, KeyRefused, SchemaMismatch, StoreUnavailable; the store is as it was then.
    """
    database = connect(url, timeout=timeout, pool_size=1)
    try:
        return await database.write(lambda tx: _restore(tx.connection, archive, master, by), bound=LONG)
    finally:
        await database.close()


def _restore(connection: sa.Connection, archive: Archive, master: MasterKey, by: Actor) -> int:
    reshape(connection, migrate=True)
    _require_empty(connection)
    for table in _IDENTITY:
        connection.execute(sa.delete(table))
    total = _load(connection, archive.lines)
    chain = _prove(connection, archive, master)
    # What the engines and clients counted since is not in here: as after a crash, refusals are silent until a reset.
    connection.execute(sa.update(memories).values(open=True))
    for table in (links, sent_codes, web_sessions):  # which of them were used or ended since is not in here
        connection.execute(sa.delete(table))
    connection.execute(sa.delete(outbox).where(outbox.c.tag.startswith(LETTER)))  # so their letters are of no use
    _advance_sequences(connection)
    tx = Tx(connection, chain)
    record(tx, by, Event.STORE_RESTORED, "", {"count": total})
    tx.finish()
    return total


def _require_empty(connection: sa.Connection) -> None:
    counts = {table: _count(connection, table) for table in metadata.sorted_tables}
    used = [table.name for table, count in counts.items() if count and table not in _IDENTITY]
    if used or counts[audit] > 1:
        raise BackupRefused(
            "a back-up is restored into an empty store only: this one is in use; give store.url another"
        )


def _count(connection: sa.Connection, table: sa.Table) -> int:
    return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


# ── reading ──


def _lines(chunks: Iterator[bytes]) -> Iterator[Any]:
    held = b""
    for chunk in chunks:
        *whole, held = (held + chunk).split(b"\n")
        if len(held) > _LONGEST:
            raise BackupRefused(_DAMAGED)
        yield from map(json.loads, whole)
    if held:
        raise BackupRefused(_DAMAGED)


def _load(connection: sa.Connection, lines: Iterator[Any]) -> int:
    """Insert every row, table after table; return how many. Raises BackupRefused."""
    tables = iter(metadata.sorted_tables)
    total, line = 0, next(lines, None)
    while isinstance(line, dict) and "table" in line:
        table = next(tables, None)
        if table is None or (line["table"], line["columns"]) != (table.name, table.columns.keys()):
            raise BackupRefused(_DAMAGED)
        ending: list[Any] = []
        found = _rows(table, lines, ending)
        while rows := list(islice(found, PAGE)):
            connection.execute(sa.insert(table), rows)
            total += len(rows)
        line = ending[0] if ending else None
    if line != {"end": total} or next(tables, None) is not None or any(True for _ in lines):
        raise BackupRefused(_DAMAGED)
    return total


def _rows(table: sa.Table, lines: Iterable[Any], ending: list[Any]) -> Iterator[dict[str, Any]]:
    """Yield a table's rows; the line behind them goes to `ending`."""
    for line in lines:
        if not isinstance(line, list):
            ending.append(line)
            return
        try:
            yield from_json(table, line)
        except (ValueError, TypeError, binascii.Error):
            raise BackupRefused(_DAMAGED) from None


# ── proving ──


def _prove(connection: sa.Connection, archive: Archive, master: MasterKey) -> ChainKey:
    """Check identity, keys and audit chain of what is there now. Raises BackupRefused, KeyRefused."""
    store_id = store_id_of(connection)
    if store_id is None or store_id != archive.store_id:
        raise BackupRefused(_DAMAGED)
    check = connection.execute(sa.select(meta.c.value).where(meta.c.key == "key_check")).scalar_one_or_none()
    if check != key_check(master, store_id):
        raise KeyRefused(_OTHER_KEY)
    vault = open_vault(connection, master, store_id)
    _open_devices(connection, vault)
    chain = ChainKey(store_id, vault.chain_key)
    found = verify_at(connection, chain)
    if not found.intact:
        raise BackupRefused(f"the audit chain in the back-up is broken: {found.fault}")
    return chain


def _open_devices(connection: sa.Connection, vault: Vault) -> None:
    """Open every sealed key once: a back-up whose codes would not work is none."""
    page = sa.select(devices.c.id, devices.c.user_id, devices.c.key_id, devices.c.sealed).order_by(devices.c.id)
    rows = connection.execute(page.limit(PAGE)).all()
    while rows:
        for row in rows:
            vault.unseal(Sealed(row.key_id, bytes(row.sealed)), row.id, row.user_id)
        rows = connection.execute(page.where(devices.c.id > rows[-1].id).limit(PAGE)).all()


def _advance_sequences(connection: sa.Connection) -> None:
    """PostgreSQL counts ids beside the table: let it go on behind the highest one."""
    if connection.dialect.name != "postgresql":
        return
    for table in metadata.sorted_tables:
        column = table.autoincrement_column
        highest = connection.execute(sa.select(sa.func.max(column))).scalar() if column is not None else None
        if column is not None and highest is not None:
            sequence = sa.func.pg_get_serial_sequence(f'"{table.name}"', column.name)
            connection.execute(sa.select(sa.func.setval(sequence, highest)))
