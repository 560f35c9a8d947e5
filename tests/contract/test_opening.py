"""Store.open: from nothing, again, with the wrong key, into the wrong database, and where there is none."""

import asyncio
import secrets
import socket
import traceback

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from gateway.core.secret import Secret
from gateway.policy.organisations import Policies
from gateway.policy.rules import Policy
from gateway.policy.snapshot import User
from gateway.store.database import Tx
from gateway.store.errors import KeyRefused, SchemaMismatch, StoreError, StoreUnavailable
from gateway.store.schema import devices, metadata
from gateway.store.store import Store, connect
from gateway.store.vault import MasterKey
from tests.contract.world import ADMIN, KEY, NOW, World, admitted, attempt


def other_key() -> MasterKey:
    return MasterKey(Secret(secrets.token_bytes(32)))


async def test_an_empty_database_becomes_what_the_schema_says(store: Store):
    def differences(connection: sa.Connection) -> list:
        return compare_metadata(MigrationContext.configure(connection), metadata)

    assert await store._database.read(differences) == []


async def test_a_store_is_what_it_was_when_it_is_opened_again(place):
    first = await place.open()
    world = await World.make(first)
    await world.open("s1")
    await first.close()

    again = await place.open()
    snapshot = await again.logins(node="n", policy_of=Policies(Policy())).snapshot(attempt(), NOW)
    assert (snapshot.devices[0].key.reveal(), [one.id for one in snapshot.sessions]) == (KEY, ["s1"])
    assert (await again.audit.verify()).intact


async def test_two_processes_may_start_at_once_on_nothing(place):
    stores = await asyncio.gather(*(place.open() for _ in range(3)))

    await World.make(stores[1])
    await stores[0].users.add(_user("bob"), ADMIN)
    assert [one.user.name for one in await stores[2].users.list()] == ["bob", "trader"]
    assert (await stores[2].audit.verify()).intact


def _user(name: str) -> User:
    return User("", name)


@pytest.mark.req("TW-11")
async def test_a_wrong_master_key_opens_nothing(place):
    await place.open()

    with pytest.raises(KeyRefused, match="not the one"):
        await place.open(master=other_key())


@pytest.mark.req("TW-11")
async def test_a_sealed_key_moved_to_another_user_does_not_open(world: World):
    await world.store.users.add(_user("mallory"), ADMIN)
    mallory = (await world.store.users.show("mallory")).user.id
    await world.store._database.write(lambda tx: tx.execute(sa.update(devices).values(user_id=mallory)) and None)

    with pytest.raises(KeyRefused, match="moved"):
        await world.snapshot(user="mallory")


async def test_a_newer_store_is_refused(place):
    store = await place.open()
    newer = sa.text("UPDATE alembic_version SET version_num = '9999'")
    await store._database.write(lambda tx: tx.execute(newer) and None)

    with pytest.raises(SchemaMismatch, match=r"newer version.*9999"):
        await place.open()


async def test_an_empty_database_is_left_alone_where_migration_is_not_allowed(place):
    with pytest.raises(SchemaMismatch, match="migrated"):
        await place.open(migrate=False)

    await place.open()
    await place.open(migrate=False)


async def test_a_database_that_is_not_ours_is_left_alone(place):
    database = connect(place.url, timeout=5, pool_size=1)
    await database.write(lambda tx: tx.execute(sa.text("CREATE TABLE users (id INTEGER)")) and None)
    await database.close()

    with pytest.raises(SchemaMismatch, match="not this program's"):
        await place.open()


async def test_no_error_shows_a_secret_of_the_url(place):
    url = sa.make_url("postgresql://gateway:hunter2@127.0.0.1:1/x").render_as_string(hide_password=False)

    with pytest.raises(StoreUnavailable) as raised:
        await Store.open(url, place.master)

    assert "hunter2" not in "".join(traceback.format_exception(raised.value))


async def test_no_error_shows_what_was_to_be_written(world: World):
    def write(tx) -> None:
        tx.execute(sa.text("INSERT INTO users (id, name) VALUES (:id, :name)"), {"id": "c4n4ry", "name": "c4n4ry"})

    with pytest.raises(StoreError) as raised:
        await world.store._database.write(write)

    assert "c4n4ry" not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://x/y", "sqlite://", "sqlite:///:memory:"])
async def test_a_url_that_names_no_engine_is_refused(url: str):
    with pytest.raises(StoreError, match="sqlite"):
        await Store.open(url, other_key())


async def test_a_sqlite_file_in_no_directory_is_unavailable(tmp_path):
    with pytest.raises(StoreUnavailable, match="directory"):
        await Store.open(f"sqlite:///{tmp_path}/none/gateway.db", other_key())


async def test_a_file_that_is_no_database_is_unavailable_and_left_as_it_is(tmp_path):
    (tmp_path / "x.db").write_bytes(b"not a database, but long enough to look at" * 100)

    with pytest.raises(StoreUnavailable, match=r"x\.db"):
        await Store.open(f"sqlite:///{tmp_path}/x.db", other_key())

    assert (tmp_path / "x.db").read_bytes().startswith(b"not a database")


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


async def test_a_closed_port_is_unavailable(closed_port: int):
    with pytest.raises(StoreUnavailable, match=f"127.0.0.1:{closed_port}"):
        await Store.open(f"postgresql://postgres@127.0.0.1:{closed_port}/x", other_key())


async def test_a_server_that_never_answers_is_unavailable_within_the_bound():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(StoreUnavailable):
            await Store.open(f"postgresql://p@127.0.0.1:{silent.getsockname()[1]}/x", other_key(), timeout=0.5)


async def test_a_call_that_hangs_is_unavailable_within_the_bound_and_the_next_one_works(place):
    await (await place.open()).close()
    store = await place.open(timeout=1.0)
    world = await World.make(store)
    holder = await place.open()
    begun, release = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def hold(tx) -> None:
        # Holds the lock of the chain's head (SQLite: of the file) in another process's place.
        tx.execute(sa.text("UPDATE audit_head SET count = count"))
        loop.call_soon_threadsafe(begun.set)

    holding = asyncio.create_task(_held(place, holder, hold, release))
    await asyncio.wait_for(begun.wait(), 10)
    with pytest.raises(StoreUnavailable):
        await world.open("s1")
    assert (await world.snapshot()).user.name == "trader"  # readers go on
    release.set()
    await holding

    await world.open("s2")
    assert [one.id for one in (await world.snapshot()).sessions] == ["s2"]


async def _held(place, holder: Store, hold, release: asyncio.Event) -> None:
    if place.url.startswith("sqlite"):
        engine = sa.create_engine(place.url)
        with engine.begin() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            hold(Tx(connection, None))
            await release.wait()
        engine.dispose()
        return
    async with holder._database._engine.begin() as connection:
        await connection.run_sync(lambda sync: hold(Tx(sync, None)))
        await release.wait()


async def test_a_closed_store_is_unavailable(place):
    store = await place.open()
    logins = store.logins(node="n", policy_of=Policies(Policy()))
    await store.close()
    if place.url.startswith("sqlite"):
        assert not await logins.ready()


@pytest.mark.parametrize("where", ["before", "after"])
async def test_a_transaction_that_fails_anywhere_leaves_nothing(world: World, where: str):
    head = await world.store.audit.head()

    def write(tx) -> None:
        tx.execute(sa.text("UPDATE users SET organisation = 'half'"))
        if where == "after":
            tx.audit(admitted())
        raise RuntimeError("crash")

    failing = world.store._database.write(write)
    results = await asyncio.gather(failing, world.open("s1"), return_exceptions=True)

    assert isinstance(results[0], RuntimeError)
    assert (await world.store.users.show("trader")).user.organisation == ""
    assert (await world.store.audit.head()).count == head.count + 1
    assert (await world.store.audit.verify()).intact
