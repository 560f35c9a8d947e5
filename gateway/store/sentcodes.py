"""Codes that were sent, by their keyed digests. Spending one belongs to a judgement: `applying.py` does it."""

import sqlalchemy as sa

from gateway.policy.snapshot import SentCode
from gateway.store.acts import record, touch, void_sent_codes
from gateway.store.audit import Event
from gateway.store.database import Database, Tx
from gateway.store.errors import Conflict
from gateway.store.ports import Actor
from gateway.store.schema import sent_codes


class SqlSentCodeStore:
    """`SentCodeStore` over a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, user: str, code: SentCode, by: Actor, *, at_most: int, since: float) -> None:
        """See SentCodeStore."""

        def write(tx: Tx) -> None:
            owner = touch(tx, user)
            mine = sent_codes.c.user_id == owner.id
            lately = sa.select(sa.func.count()).select_from(sent_codes).where(mine, sent_codes.c.created > since)
            if tx.execute(lately).scalar_one() >= at_most:
                raise Conflict(f"{at_most} codes were sent to {user!r} lately: use the last one, or wait a while")
            void_sent_codes(tx, owner.id, by.wall)
            # The same six digits may come again after a while: then this is the one that counts.
            tx.execute(sa.delete(sent_codes).where(mine, sent_codes.c.digest == code.digest))
            row = {
                "user_id": owner.id,
                "digest": code.digest,
                "channel": owner.channel,
                "created": by.wall,
                "expires": code.expires,
            }
            tx.execute(sa.insert(sent_codes), row)
            record(tx, by, Event.CODE_SENT, user, {"method": owner.channel, "expires": code.expires})

        await self._database.write(write)
