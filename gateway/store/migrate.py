"""Brings a database to this program's schema, and finds out whose store it is. Runs inside one transaction.

A store newer than the program, or one that is not ours, is refused. Alembic is loaded only when there is work.
"""

import secrets
import time
from importlib.resources import files

import sqlalchemy as sa

from gateway.core.secret import Secret
from gateway.store.audit import AuditEntry, Event, genesis, seal
from gateway.store.database import ChainKey, exclusively, take_your_time
from gateway.store.errors import KeyRefused, SchemaMismatch
from gateway.store.schema import REVISION, audit, audit_head, keys, meta
from gateway.store.vault import KEPT, KEY_SIZE, MasterKey, Vault, key_check, seal_data_key

_LOCK = 0x6761_7465_7761_79  # "gateway": one migration at a time on a shared server
_VERSION = sa.table("alembic_version", sa.column("version_num", sa.Text))


def open_store(connection: sa.Connection, master: MasterKey, *, migrate: bool) -> tuple[Vault, ChainKey]:
    """Migrate where allowed, create the store's identity where it is new, and open its keys.

    Raises SchemaMismatch or KeyRefused.
    """
    reshape(connection, migrate=migrate)
    store_id = store_id_of(connection)
    if store_id is None:
        store_id = _create(connection, master)
    if _meta(connection, "key_check") != key_check(master, store_id):
        raise KeyRefused(
            "this master key is not the one the store was made with: give the right one back, or restore a back-up of it"
        )
    vault = open_vault(connection, master, store_id)
    return vault, ChainKey(store_id, vault.chain_key)


def reshape(connection: sa.Connection, *, migrate: bool) -> None:
    """Bring the schema to this program's, where that is allowed, and wait for others who do the same. Raises SchemaMismatch."""
    take_your_time(connection)
    exclusively(connection, _LOCK)
    _migrate(connection, migrate=migrate)


def store_id_of(connection: sa.Connection) -> str | None:
    """Return the id of the store that is here, None where there is none yet."""
    return _meta(connection, "store_id")


def _migrate(connection: sa.Connection, *, migrate: bool) -> None:
    current = _revision(connection)
    if current == REVISION:
        return
    where = connection.engine.url.render_as_string(hide_password=True)
    if current is None and sa.inspect(connection).has_table("users"):
        raise SchemaMismatch(f"{where} holds tables that are not this program's: give it a database of its own")
    if current is not None and not _known(current):
        raise SchemaMismatch(
            f"{where} was written by a newer version of this program (its schema is {current}, ours {REVISION}): "
            "start that version, or a newer one"
        )
    if not migrate:
        raise SchemaMismatch(f"{where} has schema {current or 'none'}, {REVISION} is needed: let it be migrated")
    _upgrade(connection)


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.select(_VERSION.c.version_num)).scalar_one_or_none()


def _known(revision: str) -> bool:
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - slow to load, seldom needed

    scripts = ScriptDirectory(str(files("gateway.store") / "migrations"))
    return any(script.revision == revision for script in scripts.walk_revisions())


def _upgrade(connection: sa.Connection) -> None:
    from alembic import command  # noqa: PLC0415 - slow to load, seldom needed
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(files("gateway.store") / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _meta(connection: sa.Connection, key: str) -> str | None:
    return connection.execute(sa.select(meta.c.value).where(meta.c.key == key)).scalar_one_or_none()


def _create(connection: sa.Connection, master: MasterKey) -> str:
    store_id, key_id = secrets.token_hex(16), secrets.token_hex(4)
    sealed = seal_data_key(master, store_id, key_id, Secret(secrets.token_bytes(KEY_SIZE)))
    now = time.time()
    chain = ChainKey(store_id, Secret(master.derive("audit head", store_id)))
    first = seal(1, genesis(store_id), AuditEntry(now, Event.STORE_CREATED, details={"key_id": key_id}))
    head = chain.head(1, first.hash)
    values = [{"key": "store_id", "value": store_id}, {"key": "key_check", "value": key_check(master, store_id)}]
    connection.execute(sa.insert(meta), values)
    connection.execute(sa.insert(keys), {"id": key_id, "sealed": sealed, "created": now, "retired": None})
    connection.execute(sa.insert(audit), {name: getattr(first, name) for name in first.__slots__})
    connection.execute(sa.insert(audit_head), {"id": 1, "count": head.count, "hash": head.hash, "mac": head.mac})
    return store_id


def open_vault(connection: sa.Connection, master: MasterKey, store_id: str) -> Vault:
    """Open the keys of a store whose identity was checked. Raises KeyRefused."""
    rows = connection.execute(sa.select(keys).order_by(keys.c.created)).all()
    usable = [row.id for row in rows if row.retired is None]
    if not usable:
        raise KeyRefused("the store has no data key left that may seal: restore a back-up")
    kept = {purpose: bytes.fromhex(blob) for purpose in KEPT if (blob := _meta(connection, purpose)) is not None}
    return Vault(master, store_id, {row.id: bytes(row.sealed) for row in rows if row.sealed}, usable[-1], kept)
