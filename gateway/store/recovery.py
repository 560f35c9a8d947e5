"""Recovery codes, by their keyed digests. Spending one belongs to a judgement: `applying.py` does it."""

import sqlalchemy as sa

from gateway.store.acts import record, touch
from gateway.store.audit import Event
from gateway.store.database import Database, Tx
from gateway.store.ports import Actor
from gateway.store.schema import recovery_codes, users


class SqlRecoveryStore:
    """`RecoveryStore` over a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def replace(self, name: str, digests: tuple[bytes, ...], by: Actor) -> None:
        """See RecoveryStore."""

        def write(tx: Tx) -> None:
            user = touch(tx, name)
            tx.execute(sa.delete(recovery_codes).where(recovery_codes.c.user_id == user.id))
            rows = [{"user_id": user.id, "digest": one, "created": by.wall, "used": None} for one in digests]
            if rows:
                tx.execute(sa.insert(recovery_codes), rows)
            record(tx, by, Event.RECOVERY_MADE, name, {"count": len(rows)})

        await self._database.write(write)

    async def is_open(self, user: str, digest: bytes) -> bool:
        """See RecoveryStore."""
        mine = sa.and_(recovery_codes.c.user_id == user, recovery_codes.c.digest == digest)
        found = sa.select(recovery_codes.c.digest).where(mine, recovery_codes.c.used.is_(None))
        return await self._database.read(lambda connection: connection.execute(found).first() is not None)

    async def left(self, name: str) -> int:
        """See RecoveryStore."""
        found = (
            sa.select(sa.func.count())
            .select_from(recovery_codes.join(users, users.c.id == recovery_codes.c.user_id))
            .where(users.c.name == name, recovery_codes.c.used.is_(None))
        )
        return await self._database.read(lambda connection: int(connection.execute(found).scalar_one()))
