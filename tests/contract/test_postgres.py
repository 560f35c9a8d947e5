"""PostgreSQL's own ways to fail: every connection cut at once, the listener's too."""

import asyncio

import pytest
import sqlalchemy as sa

from gateway.core.authority import Order
from gateway.core.reason import Reason
from tests.contract.world import ADMIN, World

CUT = sa.text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name AND pid <> pg_backend_pid()"
)


async def cut_all(place) -> None:
    there = await place.open()
    name = sa.make_url(place.url).database
    await there._database.write(lambda tx: tx.execute(CUT, {"name": name}) and None)
    await there.close()


@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
async def test_after_a_restart_of_the_server_the_next_login_works(place, world: World):
    await asyncio.gather(*(world.snapshot() for _ in range(8)))
    await cut_all(place)

    await world.open("s1")
    assert [one.id for one in (await world.snapshot()).sessions] == ["s1"]


@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
async def test_orders_go_on_after_the_listeners_connection_was_cut(place, world: World):
    await world.open("s1")
    orders = world.logins.orders()
    waiting = asyncio.create_task(anext(orders))
    await asyncio.sleep(0.2)
    await cut_all(place)
    await world.store.sessions.order(Order("s1", Reason.KICKED), ADMIN)

    async with asyncio.timeout(10):
        assert (await waiting).session == "s1"
    await orders.aclose()


@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
async def test_an_order_is_announced_to_every_process(place, world: World):
    there = await place.open()
    wake = asyncio.Event()
    there._database.subscribe(wake)
    async with asyncio.timeout(10):
        await wake.wait()  # the listener is there
        wake.clear()
        await world.open("s1")
        await world.store.sessions.order(Order("s1", Reason.KICKED), ADMIN)
        await wake.wait()
    there._database.unsubscribe(wake)
