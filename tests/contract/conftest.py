"""Every contract test runs on both engines, each on a database of its own; without PostgreSQL it errors, never skips.

A test that takes `store` finds its tables there already: each worker migrates one empty database of each engine and copies
it, which saves a quarter of these tests' time. What migrates is tested on empty ones (`place` alone).
"""

import asyncio
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import pytest
import sqlalchemy as sa

from gateway.auth.passwords import Passwords
from gateway.core.secret import Secret
from gateway.policy.roles import Role
from gateway.store.migrate import reshape
from gateway.store.store import Store, connect
from gateway.store.vault import MasterKey
from tests.contract.crowd import Crowd, crowd_in
from tests.contract.portal_rig import Web
from tests.contract.staff import Staff
from tests.contract.world import World

PATIENCE = 60.0
"""Seconds a call may take here unless a test is about that: how busy the machine is decides no test."""
SERVER = os.environ.get("GATEWAY_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")


async def administer(statement: str) -> None:
    try:
        connection = await asyncpg.connect(SERVER, timeout=10)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        pytest.fail(f"PostgreSQL is needed at {SERVER} (GATEWAY_TEST_POSTGRES): {error}", pytrace=False)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@dataclass
class Place:
    """A database that exists and is empty; `open` opens (and creates) a store in it."""

    url: str
    master: MasterKey
    stores: list[Store]

    async def open(self, **settings) -> Store:
        settings = {"master": self.master, "timeout": PATIENCE, **settings}
        store = await Store.open(self.url, **settings)
        self.stores.append(store)
        return store


def url_of(engine: str, name: str, folder: Path) -> str:
    if engine == "sqlite":
        return f"sqlite:///{folder}/{name}.db"
    return sa.make_url(SERVER).set(database=name).render_as_string(hide_password=False)


@dataclass
class Shapes:
    """A database of each engine that has this program's tables and is nobody's store yet."""

    folder: Path
    made: dict[str, str] = field(default_factory=dict)

    async def of(self, engine: str) -> str:
        """Its name, after it was made where it was not there."""
        if engine not in self.made:
            name = f"gateway_shape_{secrets.token_hex(8)}"
            if engine == "postgresql":
                await administer(f"CREATE DATABASE {name}")
            self.made[engine] = name
            connection = connect(url_of(engine, name, self.folder), timeout=PATIENCE, pool_size=1)
            try:
                await connection.write(lambda tx: reshape(tx.connection, migrate=True), bound=PATIENCE)
            finally:
                await connection.close()
        return self.made[engine]

    async def drop(self) -> None:
        if "postgresql" in self.made:
            await administer(f"DROP DATABASE {self.made['postgresql']} WITH (FORCE)")


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shapes]:
    shapes = Shapes(tmp_path_factory.mktemp("shapes"))
    yield shapes
    asyncio.run(shapes.drop())


@asynccontextmanager
async def database(engine: str, file: Path, shapes: Shapes | None = None) -> AsyncIterator[Place]:
    """A database of one of the engines: empty, or with the tables where there are `shapes`."""
    name, on_server = f"gateway_test_{secrets.token_hex(8)}", engine == "postgresql"
    shape = await shapes.of(engine) if shapes else ""
    if on_server:
        await administer(f"CREATE DATABASE {name}" + (f" TEMPLATE {shape}" if shape else ""))
    elif shapes:
        shutil.copy(shapes.folder / f"{shape}.db", file)
    url = url_of(engine, name, file.parent) if on_server else f"sqlite:///{file}"
    here = Place(url, MasterKey(Secret(secrets.token_bytes(32))), [])
    try:
        yield here
    finally:
        for store in here.stores:
            await store.close()
        if on_server:
            await administer(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
async def place(request: pytest.FixtureRequest, tmp_path: Path, shapes: Shapes) -> AsyncIterator[Place]:
    shaped = shapes if "store" in request.fixturenames else None
    async with database(request.param, tmp_path / "gateway.db", shaped) as here:
        yield here


@pytest.fixture(params=["sqlite", "postgresql"])
async def target(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    """Another empty database: where a back-up is restored."""
    async with database(request.param, tmp_path / "target.db") as here:
        yield here


@pytest.fixture
async def store(place: Place) -> Store:
    return await place.open()


@pytest.fixture
async def world(store: Store) -> World:
    """A store with one user, `trader`, who has one device."""
    return await World.make(store)


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    pool = Passwords(time_cost=1, memory_cost=64, workers=2)
    yield pool
    pool.close()


@pytest.fixture
async def crowd(store: Store, passwords: Passwords) -> Crowd:
    """A store with sixty people, each with one authenticator."""
    return await crowd_in(store, passwords)


@pytest.fixture
async def staff(store: Store, passwords: Passwords) -> Staff:
    """An exchange with two administrators and an auditor, firm ACME with two delegated ones and a trader, firm ZEN."""
    staff = Staff.make(store, passwords)
    for name, role, firm in (
        ("root1", Role.EXCHANGE_ADMIN, ""), ("root2", Role.EXCHANGE_ADMIN, ""), ("eye", Role.AUDITOR, ""),
        ("acme1", Role.DELEGATED_ADMIN, "ACME"), ("acme2", Role.DELEGATED_ADMIN, "ACME"),
        ("zen1", Role.DELEGATED_ADMIN, "ZEN"), ("tom", Role.USER, "ACME"), ("zoe", Role.USER, "ZEN"),
    ):  # fmt: skip
        await staff.hire(name, role, firm)
    return staff


@pytest.fixture
async def web(staff: Staff) -> AsyncIterator[Web]:
    """The portal of that exchange; nothing failed in it when the test is over."""
    web = Web.over(staff)
    yield web
    assert not web.errors
