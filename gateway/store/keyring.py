"""Keeps a process's opened data keys level with the store's, while another process rotates them (BY-7).

A login reads a data key it meets for the first time in the same consistent state as the device that needs it; whoever
seals asks, under a lock, which key seals now. Nothing here changes a row.
"""

from collections.abc import Iterable

import sqlalchemy as sa

from gateway.store.database import Tx
from gateway.store.errors import Conflict
from gateway.store.schema import keys
from gateway.store.vault import Vault

_NEWEST = (
    sa.select(keys.c.id, keys.c.sealed)
    .where(keys.c.retired.is_(None))
    .order_by(keys.c.created.desc())
    .limit(1)
    .with_for_update(read=True)
)


def learn_keys(connection: sa.Connection, vault: Vault, wanted: Iterable[str]) -> None:
    """Open those of the `wanted` data keys that are new here. Raises KeyRefused where one does not open.

    One that is not there is left out: what it sealed is refused by name when it is to be opened (`Vault.unseal`).
    """
    new = sorted(key_id for key_id in wanted if not vault.knows(key_id))
    if not new:
        return
    for row in connection.execute(sa.select(keys.c.id, keys.c.sealed).where(keys.c.id.in_(new))):
        if row.sealed:
            vault.learn(row.id, bytes(row.sealed))


def sealing_key(tx: Tx, vault: Vault) -> str:
    """Return the id of the data key that seals now, opened, and keep it from being retired until the commit.

    Raises Conflict where a rotation ends at this very moment, KeyRefused.
    """
    # PostgreSQL returns no row where the one it waited for was retired meanwhile; the next statement sees its heir.
    row = tx.execute(_NEWEST).one_or_none() or tx.execute(_NEWEST).one_or_none()
    if row is None:
        raise Conflict("the data key was replaced at this moment; try again")
    if not vault.knows(row.id):
        vault.learn(row.id, bytes(row.sealed))
    vault.current = row.id
    return str(row.id)
