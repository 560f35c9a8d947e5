"""What the doctor says of a store, on both engines: well, of another key, of another program, or not there."""

import asyncio
import base64

import pytest
import sqlalchemy as sa

from gateway.cli.checkup.finding import Finding
from gateway.cli.checkup.store import store as check
from gateway.core.secret import Secret
from gateway.settings.model import StoreSettings
from gateway.store.schema import audit
from gateway.store.vault import MasterKey
from tests.contract.conftest import Place

KEY, OTHER = bytes(range(200, 232)), bytes(range(100, 132))


def settings(place: Place, key: bytes = KEY, **changes: object) -> StoreSettings:
    return StoreSettings(**{"url": place.url, "master_key": base64.b64encode(key).decode(), **changes})


async def said(settings: StoreSettings) -> dict[str, list[Finding]]:
    """The doctor has an event loop of its own, so it works in a thread."""
    found: dict[str, list[Finding]] = {}
    for one in await asyncio.to_thread(lambda: list(check(settings))):
        found.setdefault(one.subject, []).append(one)
    return found


@pytest.fixture
async def made(place: Place) -> Place:
    await place.open(master=MasterKey(Secret(KEY)))
    return place


@pytest.mark.req("SF-15")
async def test_a_good_store_is_well_and_its_server_is_looked_up(made: Place):
    found = await said(settings(made))

    assert "the master key fits" in found["store"][0].found
    assert found["audit"][0].found.startswith("1 rows, unbroken")
    on_server = made.url.startswith("postgresql")
    assert ("PostgreSQL" in "".join(one.found for one in found.get("software", []))) is on_server
    assert ("clock" in found) is on_server


async def test_another_master_key_fails(made: Place):
    (finding,) = (await said(settings(made, OTHER)))["master key"]

    assert (finding.state.value, "not the one the store was made with" in finding.found) == ("failed", True)


@pytest.mark.req("BY-6")
async def test_a_tampered_record_fails(made: Place):
    await made.stores[0]._database.write(lambda tx: tx.execute(sa.update(audit).values(user="mallory")) and None)

    assert (await said(settings(made)))["audit"][0].state.value == "failed"


async def test_an_empty_database_is_not_filled(place: Place):
    found = await said(settings(place))

    assert found["store"][0].state.value in ("warning", "failed")  # SQLite: no file yet; PostgreSQL: no tables
    assert (await said(settings(place)))["store"][0] == found["store"][0]


async def test_a_server_that_is_not_there_fails(place: Place):
    url = "postgresql://nobody@127.0.0.1:1/nothing"

    (finding,) = (await said(settings(place, url=url)))["store"]

    assert (finding.state.value, "127.0.0.1:1" in finding.found) == ("failed", True)
