"""The outbox: sealed on the way in, claimed by one carrier at a time, forgotten once it is out."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from gateway.core.secret import Secret
from gateway.store.audit import plain
from gateway.store.database import Database, Tx
from gateway.store.errors import KeyRefused
from gateway.store.notices import Claimed, Entry, Fate, Notice
from gateway.store.schema import outbox
from gateway.store.vault import Vault

_WAITS = outbox.c.state == Fate.WAITING.value
_UNREADABLE = "does not open: sealed under another key, or changed"


class SqlOutboxStore:
    """`OutboxStore` over a database and the vault that seals."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def put(self, notices: Sequence[Notice]) -> None:
        """See OutboxStore."""
        await self._database.write(lambda tx: queue(tx, self._vault, notices))

    async def claim(self, channel: str, now: float, lease: float, limit: int) -> tuple[Claimed, ...]:
        """See OutboxStore."""
        due = _due(channel, now)
        # Most looks find nothing, and then nothing is written.
        if not await self._database.read(lambda connection: connection.execute(sa.select(due.exists())).scalar_one()):
            return ()
        return await self._database.write(lambda tx: _claim(tx, self._vault, due.limit(limit), (now, now + lease)))

    async def sent(self, claimed: Sequence[Claimed], now: float) -> None:
        """See OutboxStore."""
        await self._database.write(lambda tx: _settle(tx, [one.id for one in claimed], Fate.SENT, now, ""))

    async def later(self, claimed: Claimed, due: float, error: str) -> None:
        """See OutboxStore."""
        mine = sa.and_(outbox.c.id == claimed.id, _WAITS, outbox.c.lease_until == claimed.held)
        let_go = sa.update(outbox).where(mine).values(due=due, lease_until=0.0, error=plain(error))
        await self._database.write(lambda tx: tx.execute(let_go) and None)

    async def give_up(self, claimed: Claimed, now: float, error: str) -> None:
        """See OutboxStore."""
        await self._database.write(lambda tx: _settle(tx, [claimed.id], Fate.GIVEN_UP, now, error))

    async def entries(self, limit: int = 1000) -> tuple[Entry, ...]:
        """See OutboxStore."""
        columns = [outbox.c[name] for name in Entry.__slots__]
        found = sa.select(*columns).where(outbox.c.state != Fate.SENT.value).order_by(outbox.c.id).limit(limit)
        rows = await self._database.read(lambda connection: connection.execute(found).all())
        return tuple(Entry(**{**row._mapping, "state": Fate(row.state)}) for row in rows)  # noqa: SLF001 - SQLAlchemy's public name

    async def waiting(self) -> int:
        """See OutboxStore."""
        counted = sa.select(sa.func.count()).select_from(outbox).where(_WAITS)
        return await self._database.read(lambda connection: int(connection.execute(counted).scalar_one()))


def queue(tx: Tx, vault: Vault, notices: Sequence[Notice]) -> None:
    """Queue notices inside a transaction; see OutboxStore."""
    new = {notice.tag: notice for notice in notices}
    found = sa.select(outbox.c.tag).where(outbox.c.tag.in_(list(new)))
    there = set(tx.execute(found).scalars()) if new else set()
    rows = [_row(vault, notice) for tag, notice in new.items() if tag not in there]
    if rows:
        tx.execute(sa.insert(outbox), rows)


def _row(vault: Vault, notice: Notice) -> dict[str, Any]:
    return {
        "tag": notice.tag,
        "channel": notice.channel,
        "sealed": vault.seal_letter(notice.body, notice.tag),
        "created": notice.created,
        "due": notice.created,
        "expires": notice.expires,
        "tries": 0,
        "lease_until": 0.0,
        "state": Fate.WAITING.value,
        "error": "",
    }


def _due(channel: str, now: float) -> sa.Select[Any]:
    ready = sa.and_(outbox.c.due <= now, outbox.c.lease_until <= now)
    return sa.select(outbox).where(_WAITS, outbox.c.channel == channel, ready).order_by(outbox.c.due, outbox.c.id)


def _claim(tx: Tx, vault: Vault, due: sa.Select[Any], when: tuple[float, float]) -> tuple[Claimed, ...]:
    now, held = when
    rows = tx.execute(due.with_for_update(skip_locked=True)).all()
    ids = [row.id for row in rows]
    tx.execute(sa.update(outbox).where(outbox.c.id.in_(ids)).values(lease_until=held, tries=outbox.c.tries + 1))
    claimed = []
    for row in rows:
        try:
            body = vault.open_letter(bytes(row.sealed), row.tag)
        except KeyRefused:
            _settle(tx, [row.id], Fate.GIVEN_UP, now, _UNREADABLE)
        else:
            claimed.append(_claimed(row, body, vault.message_id(row.tag), held))
    return tuple(claimed)


def _claimed(row: sa.Row[Any], body: Secret, key: str, held: float) -> Claimed:
    notice = Notice(row.tag, row.channel, body, row.created, row.expires)
    return Claimed(row.id, key, notice, row.tries + 1, held, row.error)


def _settle(tx: Tx, ids: Sequence[int], fate: Fate, now: float, error: str) -> None:
    values = {"state": fate.value, "due": now, "sealed": b"", "error": plain(error)}
    tx.execute(sa.update(outbox).where(outbox.c.id.in_(ids)).values(values))
