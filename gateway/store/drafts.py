"""Files that were uploaded and checked, and wait to be imported (HK-8): sealed, for minutes, one for each administrator."""

from dataclasses import dataclass, field
from typing import Protocol

import sqlalchemy as sa

from gateway.core.secret import Secret
from gateway.store.database import Database, Tx
from gateway.store.errors import NotFound
from gateway.store.schema import drafts
from gateway.store.vault import Vault


@dataclass(frozen=True, slots=True)
class Draft:
    """One of them. `body` may hold keys of authenticators; `expires` is wall seconds."""

    id: str
    owner: str
    expires: float
    body: Secret = field(repr=False)


class DraftStore(Protocol):
    """Nothing of a draft stands anywhere in clear."""

    async def put(self, draft: Draft) -> None:
        """Keep a draft in place of the one its owner has."""

    async def show(self, id_: str, owner: str, now: float) -> Draft:
        """Return a draft to who made it. Raises NotFound: there is none, another one replaced it, or it is too old."""

    async def drop(self, id_: str, owner: str) -> None:
        """Forget a draft."""


class SqlDraftStore:
    """`DraftStore` over a database and the vault that seals."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def put(self, draft: Draft) -> None:
        """See DraftStore."""
        sealed = self._vault.seal_letter(draft.body, _tag(draft.id))
        row = {"owner": draft.owner, "id": draft.id, "expires": draft.expires, "sealed": sealed}

        def write(tx: Tx) -> None:
            tx.execute(sa.delete(drafts).where(drafts.c.owner == draft.owner))
            tx.execute(sa.insert(drafts), row)

        await self._database.write(write)

    async def show(self, id_: str, owner: str, now: float) -> Draft:
        """See DraftStore."""
        mine = sa.select(drafts).where(_mine(id_, owner), drafts.c.expires > now)
        row = await self._database.read(lambda connection: connection.execute(mine).one_or_none())
        if row is None:
            raise NotFound(
                "this file waits no more: it was imported, another one was checked since, or it took too long"
            )
        return Draft(row.id, row.owner, row.expires, self._vault.open_letter(bytes(row.sealed), _tag(row.id)))

    async def drop(self, id_: str, owner: str) -> None:
        """See DraftStore."""
        await self._database.write(lambda tx: tx.execute(sa.delete(drafts).where(_mine(id_, owner))) and None)


def _mine(id_: str, owner: str) -> sa.ColumnElement[bool]:
    return sa.and_(drafts.c.id == id_, drafts.c.owner == owner)


def _tag(id_: str) -> str:
    """Return what it is sealed under: no message of the outbox has such a tag."""
    return f"draft\0{id_}"
