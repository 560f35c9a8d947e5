"""Things that are away during a login: broker, store, memory of the broker. Fail closed, say so, and be well afterwards."""

import contextlib
import sqlite3

import pytest

from tests.blackbox import amqp_bytes as amqp
from tests.blackbox.amqp_floor import NEVER, Market
from tests.blackbox.broker import open_vhost
from tests.blackbox.m7_peers import own_broker


@contextlib.contextmanager
def locked(gateway):
    """Hold the gateway's database for ourselves: nothing can be written by anybody else, so no code can be burnt."""
    with contextlib.closing(sqlite3.connect(gateway.folder / "gateway.db", isolation_level=None)) as database:
        database.execute("PRAGMA busy_timeout = 20000")
        database.execute("BEGIN IMMEDIATE")
        yield
        database.execute("ROLLBACK")


@pytest.mark.req("M7-10", "BY-4")
async def test_while_the_store_is_away_a_login_is_refused_as_unavailable_and_its_code_is_not_lost(market):
    gateway = await market.gateway(policy=NEVER, store_more='statement_timeout = "1 s"')
    hand = await market.hand(market.people.trader)
    code = market.trader.code()

    with locked(gateway):
        answer = await hand.log_in(code)
        await hand.peer.send(hand.order("meanwhile"))

        assert answer.name == "ErrResp"
        assert "unavailable" in answer["err"]
        assert (await hand.answer("meanwhile")).name == "ErrResp"
    assert market.exchange.requests == []

    again = market.trader.code()  # the same one, unless its 30 s ended meanwhile
    assert (await hand.log_in(again, "again")).name == "UserRprt"
    await hand.trade("one")


@pytest.mark.req("M7-10")
async def test_a_live_session_trades_on_while_the_store_is_away(market):
    gateway = await market.gateway(store_more='statement_timeout = "1 s"')
    hand = await (await market.hand()).logged_in()

    with locked(gateway):
        for number in range(20):
            await hand.trade(f"order-{number}")

    await hand.trade("afterwards")
    assert len(market.exchange.orders()) == 21


@pytest.mark.req("M7-10", "M7-12")
async def test_a_broker_that_is_killed_and_one_that_is_full(floor, people, tmp_path):
    """One private broker for the whole story: its start takes most of the time."""
    async with own_broker(tmp_path) as node:
        vhost = open_vhost(node.broker, tmp_path, ("trader", "quick", "other"))
        async with Market(floor, people, vhost) as market:
            gateway = await market.gateway()
            await a_full_broker_blocks_and_unblocks(market, node)
            hand = await market.hand()
            market.exchange.answers_logins.clear()
            await hand.peer.send(hand.login())
            await market.until(lambda: market.exchange.names("trader") == ["LoginReq"])

            await node.ask("kill", stay=True)

            await hand.peer.until_closed()
            assert gateway.seen(event="session_started", user="trader") == []
            peer = await market.wire()
            await peer.send(amqp.HEADER)
            await peer.until_closed()
            assert peer.methods("connection.start") == []
            assert gateway.seen(event="failed") == []


async def a_full_broker_blocks_and_unblocks(market, node) -> None:
    """A memory alarm reaches the client as Connection.Blocked before and after its login; what it published arrives in the end."""
    hand = await (await market.hand(market.people.other)).logged_in()
    waiting = await market.hand(market.people.quick)
    await node.ask("alarm", on=True)
    await hand.peer.send(hand.order("blocked"))
    await waiting.peer.send(waiting.login())

    await hand.peer.method("connection.blocked")
    await node.ask("alarm", on=False)

    await hand.peer.method("connection.unblocked")
    assert (await hand.answer("blocked")).name == "AckResp"
    assert (await waiting.answer("login")).name == "UserRprt"
