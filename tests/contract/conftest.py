"""Every contract test runs on both engines, each on a database of its own; without PostgreSQL it errors, never skips."""

import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
import sqlalchemy as sa

from gateway.auth.passwords import Passwords
from gateway.core.secret import Secret
from gateway.policy.roles import Role
from gateway.store.store import Store
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


@asynccontextmanager
async def database(engine: str, file: Path) -> AsyncIterator[Place]:
    """An empty database of one of the engines."""
    name = f"gateway_test_{secrets.token_hex(8)}"
    on_server = engine == "postgresql"
    url = f"sqlite:///{file}"
    if on_server:
        await administer(f"CREATE DATABASE {name}")
        url = sa.make_url(SERVER).set(database=name).render_as_string(hide_password=False)
    here = Place(url, MasterKey(Secret(secrets.token_bytes(32))), [])
    try:
        yield here
    finally:
        for store in here.stores:
            await store.close()
        if on_server:
            await administer(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    async with database(request.param, tmp_path / "gateway.db") as here:
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
