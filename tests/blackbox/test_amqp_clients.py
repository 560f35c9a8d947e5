"""Unmodified libraries in every way of taking answers, the simulated exchange behind: login, order, answer, broadcasts, logout.

Each story is played in front of the gateway as it would be in front of the exchange's own RabbitMQ.
"""

import asyncio

import pytest

from tests.blackbox.amqp_clients import LIBRARIES
from tests.blackbox.amqp_floor import Market
from tests.blackbox.m7_peers import exchange_on

each_library = pytest.mark.parametrize("library", LIBRARIES)


@pytest.fixture
async def place(floor, people, vhost):
    """A gateway and, behind its broker, the simulated exchange."""
    async with exchange_on(vhost) as exchange, Market(floor, people, vhost, own_exchange=False) as market:
        await market.gateway()
        yield market, exchange


@each_library
@pytest.mark.parametrize("replies", ["consume", "get", "direct"])
@pytest.mark.req("M7-2", "M7-10", "M7-11")
async def test_a_day_of_trading(place, library, replies):
    market, exchange = place
    app = await market.app(library=library, replies=replies)
    assert (await app.order("too-early")).name == "ErrResp"
    wrong = await app.log_in(market.trader.wrong_code())
    assert (wrong.name, wrong["err"][:11]) == ("ErrResp", "Auth error:")

    good = await app.log_in()
    answers = [(await app.order(name)).name for name in ("one", "two", "three")]
    executed = [(await app.told("OrdrExeRprt"))["clOrdrId"] for _ in range(3)]
    bye = await app.log_out()

    assert (good.name, good["usrId"], bye.name) == ("UserRprt", "trader", "AckResp")
    assert answers == ["AckResp"] * 3
    assert executed == ["one", "two", "three"]
    account = await exchange.account("trader")
    assert (account["logins"], account["logouts"], account["orders"]) == (1, 1, ["one", "two", "three"])
    assert (account["early"], account["codes"], account["unreadable"]) == ([], 0, 0)


@each_library
@pytest.mark.req("M7-2")
async def test_compressed_requests_and_answers(place, library):
    market, exchange = place
    await exchange.behave(encoding="gzip")
    app = await market.app(library=library, gzip=True)

    await app.logged_in()

    assert (await app.order("one")).name == "AckResp"
    assert app.line.inbox.messages[0].content_encoding == "gzip"
    account = await exchange.account("trader")
    assert (account["orders"], account["codes"]) == (["one"], 0)


@each_library
@pytest.mark.req("M7-12", "SF-10")
async def test_broadcasts_reach_the_client_in_order_signs_of_life_among_them(place, library):
    market, exchange = place
    app = await (await market.app(library=library)).logged_in()

    await exchange.ask("broadcast", user="trader", count=20)
    await exchange.ask("alive", user="trader")
    await exchange.ask("broadcast", user="trader", count=20)

    numbers = [int((await app.told("OrdrExeRprt"))["exeId"]) for _ in range(40)]
    assert numbers == sorted(numbers)
    assert b"SYSTEM_ALIVE" in [message.body for message in app.line.inbox.messages]


@each_library
@pytest.mark.req("M7-10", "M7-12")
async def test_a_library_whose_connection_ends_without_a_logout_is_logged_out_at_the_exchange(place, library):
    market, exchange = place
    app = await (await market.app(library=library)).logged_in()

    await app.line.close()

    closed = await exchange.until("session-closed", user="trader")
    assert closed["known"]
    assert (await exchange.account("trader"))["logouts"] == 1


@each_library
@pytest.mark.req("M7-12")
async def test_a_password_change_closes_the_connection_with_the_exchanges_own_words(place, library):
    market, exchange = place
    app = await (await market.app(library=library)).logged_in()
    await market.vhost.until_connections(1, "trader")

    await exchange.ask("close", user="trader", text="PWD_CHANGE")

    assert "PWD_CHANGE" in await app.line.inbox.until_closed()


@each_library
@pytest.mark.req("M7-12")
async def test_a_library_with_heartbeats_stays_connected_while_it_does_nothing_before_its_login(place, library):
    """Two of the broker's heartbeat time-outs pass: what keeps the line up goes through before any login."""
    market, _ = place
    app = await market.app(library=library, heartbeat=1)

    for _ in range(10):
        assert app.line.inbox.closed is None
        await asyncio.sleep(0.4)

    await app.logged_in()
