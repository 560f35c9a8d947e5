"""Lines that break (M7-10, M7-12): the exchange is told on the user's behalf, and a library that comes back by itself is nobody."""

import asyncio

import pytest

from tests.blackbox import amqp_bytes as amqp
from tests.blackbox import amqp_m7 as m7
from tests.blackbox.amqp_clients import AioPika
from tests.blackbox.amqp_floor import NEVER


@pytest.mark.req("M7-10", "M7-12")
@pytest.mark.parametrize("how", ["reset", "closed without a word", "connection.close"])
async def test_a_dropped_connection_is_a_logout_at_the_exchange(market, how):
    gateway = await market.gateway()
    hand = await (await market.hand()).logged_in()
    (session,) = market.exchange.live

    if how == "reset":
        hand.peer.vanish()
    elif how == "connection.close":
        await hand.peer.send(amqp.connection_close())
        await hand.peer.method("connection.close-ok")
    else:
        await hand.peer.leave()

    (logout,) = await market.exchange.until_logged_out()
    assert logout.read["sessionId"] == session
    assert (logout.key, logout.properties.user_id, logout.properties.app_id) == (m7.INQUIRY, "trader", "ALGO")
    await gateway.until(event="session_ended", reason="logout" if how == "connection.close" else "client_lost")
    await market.vhost.until_connections(0, "trader")
    assert market.exchange.live == {}


@pytest.mark.req("M7-10")
async def test_a_client_that_half_closes_has_left(market):
    gateway = await market.gateway()
    hand = await (await market.hand()).logged_in()

    hand.peer.half_close()

    await gateway.until(event="session_ended", reason="client_lost")
    await market.exchange.until_logged_out()
    await hand.peer.until_closed()


@pytest.mark.req("M7-10")
async def test_a_connection_that_never_logged_in_owes_the_exchange_nothing(market):
    gateway = await market.gateway()
    hand = await market.hand()
    await hand.peer.send(hand.login(market.trader.wrong_code()))
    await hand.answer("login")

    hand.peer.vanish()

    await market.vhost.until_connections(0, "trader")
    other = await (await market.hand(market.people.other)).logged_in()
    await other.trade("one")
    assert market.exchange.names("trader") == []
    assert gateway.seen(event="session_ended") == []


@pytest.mark.req("M7-10", "M7-9")
async def test_connect_robust_comes_back_by_itself_and_is_refused_until_a_new_login_with_a_new_code(market):
    gateway = await market.gateway(policy=NEVER)
    quick = market.people.quick
    app = await market.app(quick, line=AioPika(robust=True))
    code = quick.code()
    assert (await app.log_in(code)).name == "UserRprt"
    await app.order("before")

    await market.vhost.until_connections(1, "quick")
    await market.vhost.cut("quick", "maintenance")
    await gateway.until(event="session_ended", user="quick")
    (logout,) = await market.exchange.until_logged_out()
    await back(app)

    assert (await app.order("after")).name == "ErrResp"
    assert (await app.log_in(code)).name == "ErrResp"
    assert market.exchange.orders() == ["before"]
    while quick.code() == code:  # noqa: ASYNC110  a code lasts 5 s
        await asyncio.sleep(0.05)
    await app.logged_in()
    assert (await app.order("again")).name == "AckResp"
    assert market.exchange.orders() == ["before", "again"]
    assert logout.user == "quick"


async def back(app) -> None:
    """Wait until the library has its connection and its queues again."""
    async with asyncio.timeout(30):
        await app.line.connection.ready()
        await app.line.channel.ready()


@pytest.mark.req("M7-10", "M7-12")
async def test_what_the_broker_says_when_it_closes_reaches_the_client_word_for_word(market):
    gateway = await market.gateway()
    hand = await (await market.hand()).logged_in()
    (session,) = market.exchange.live
    await market.vhost.until_connections(1, "trader")

    await market.vhost.cut("trader", "PWD_CHANGE")

    code, text = (await hand.peer.method("connection.close")).closing
    assert (code, text) == (320, "CONNECTION_FORCED - PWD_CHANGE")
    await hand.peer.until_closed()
    (logout,) = await market.exchange.until_logged_out()
    assert logout.read["sessionId"] == session
    await gateway.until(event="session_ended", user="trader")


@pytest.mark.req("M7-10", "M7-12")
async def test_a_broken_line_to_the_broker_is_told_to_the_client_and_the_exchange_hears_of_it(market):
    wire = await market.floor.wire(market.vhost.broker.amqp)
    gateway = await market.gateway(broker=wire.port)
    hand = await (await market.hand()).logged_in()
    (session,) = market.exchange.live

    wire.cut()

    code, _ = (await hand.peer.method("connection.close")).closing
    assert code == 320
    await hand.peer.until_closed()
    await gateway.until(event="session_ended", reason="upstream_lost")
    (logout,) = await market.exchange.until_logged_out()
    assert (logout.read["sessionId"], logout.properties.user_id) == (session, "trader")


@pytest.mark.req("M7-10")
@pytest.mark.parametrize("when", ["before the login", "during the handshake", "while the login is answered"])
async def test_a_broker_that_breaks_off_leaves_nobody_logged_in(market, when):
    wire = await market.floor.wire(market.vhost.broker.amqp)
    gateway = await market.gateway(broker=wire.port)
    if when == "during the handshake":
        wire.back.hold()
        peer = await market.wire()
        await peer.send(amqp.HEADER)
        await wire.forth.until(amqp.HEADER)
    else:
        hand = await market.hand()
        peer = hand.peer
    if when == "while the login is answered":
        market.exchange.answers_logins.clear()
        await hand.peer.send(hand.login())
        await market.until(lambda: market.exchange.names() == ["LoginReq"])

    wire.cut()

    await peer.until_closed()
    assert gateway.seen(event="session_started") == []
    if when == "while the login is answered":
        (logout,) = await market.exchange.until_logged_out()
        assert logout.user == "trader"
        market.exchange.answers_logins.set()
    again = await (await market.hand(market.people.other)).logged_in()
    await again.trade("one")


@pytest.mark.req("M7-10", "M7-12")
@pytest.mark.parametrize("wrong", ["session id", "exchange"])
async def test_a_logout_that_the_exchange_does_not_take_leaves_it_owed(market, wrong):
    """The exchange still has the session open: when the line goes, it has to be told all the same."""
    await market.gateway()
    hand = await (await market.hand()).logged_in()
    (session,) = market.exchange.live
    await hand.peer.open_channel(2)

    if wrong == "session id":
        await hand.peer.send(hand.request(m7.logout("S-of-nobody"), "bye", m7.INQUIRY))
        await hand.answer("bye")
    else:
        await hand.peer.send(hand.request(m7.logout(session), "bye", m7.INQUIRY, channel=2, exchange="amq.topic"))
        await hand.peer.method("channel.close", 2)
    assert market.exchange.live
    hand.peer.vanish()

    await market.until(lambda: not market.exchange.live)
    assert market.exchange.of("LogoutReq")[-1].read["sessionId"] == session
