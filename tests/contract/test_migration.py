"""A store of the first shape becomes one of this program's, with everything that is in it."""

from importlib.resources import files

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from gateway.core.authority import Ended
from gateway.core.reason import Reason
from gateway.store.database import Tx
from gateway.store.errors import SchemaMismatch
from gateway.store.schema import REVISION, metadata
from gateway.store.store import Store, connect
from tests.contract.conftest import PATIENCE, Place
from tests.contract.world import NOW, World, attempt

ADDED = {
    "sessions": {"will", "owed"},
    "users": {"email", "role", "role_until", "phone", "channel", "quiet_since"},
    "devices": {"replaces"},
}
"""Columns that the first shape did not have."""


def first_shape(connection: sa.Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(files("gateway.store") / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "0001")


def copied(there: list[tuple[sa.Table, list[dict]]]) -> object:
    """What puts the rows of a store into one of the first shape, without the columns it does not have."""

    def write(tx: Tx) -> None:
        first_shape(tx.connection)
        for table, rows in there:
            new = ADDED.get(table.name, set())
            old = sa.table(table.name, *(sa.column(one.name, one.type) for one in table.columns if one.name not in new))
            if rows:
                tx.execute(
                    sa.insert(old), [{key: value for key, value in row.items() if key not in new} for row in rows]
                )

    return write


@pytest.fixture
async def old(place: Place, target: Place) -> Place:
    """A database of the first shape, with a trader and a live session in it."""
    world = await World.make(await place.open())
    await world.open("s1")
    there = await world.store.survey(
        lambda connection: [
            (table, [dict(row) for row in connection.execute(sa.select(table)).mappings()])
            for table in metadata.sorted_tables
        ]
    )
    database = connect(target.url, timeout=PATIENCE, pool_size=1)
    await database.write(copied(there))
    await database.close()
    target.master = place.master
    return target


async def test_a_store_of_the_first_shape_gets_this_programs(old: Place):
    store = await old.open()

    def differences(connection: sa.Connection) -> tuple[list, str]:
        version = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one()
        return compare_metadata(MigrationContext.configure(connection), metadata), version

    assert await store._database.read(differences) == ([], REVISION)


async def test_what_was_in_it_is_there_and_goes_on(old: Place):
    store = await old.open()
    logins = World(store, None, "").node("node-1")
    before = await logins.snapshot(attempt(), NOW)
    await logins.ended(Ended("s1", Reason.LOGOUT, NOW + 1, b"numbers"))
    after = await logins.snapshot(attempt(), NOW)

    assert ([one.id for one in before.sessions], before.memory.open) == (["s1"], True)
    assert (after.sessions, after.leaving, after.memory.value) == ((), (), b"numbers")
    assert (await store.audit.verify()).intact


async def test_it_is_left_alone_where_migration_is_not_allowed(old: Place):
    with pytest.raises(SchemaMismatch, match="0001"):
        await Store.open(old.url, old.master, migrate=False)
