"""Venues that are not M7: other messages and no answers, or the code behind the SASL password; and logins renewed by update-secret."""

import asyncio

import pytest

from tests.blackbox import amqp_bytes as amqp
from tests.blackbox import amqp_m7 as m7
from tests.blackbox.amqp_clients import LIBRARIES
from tests.blackbox.amqp_floor import NEVER, SAME_CODE_AGAIN, Hand
from tests.blackbox.gateway_process import ROOT
from tests.blackbox.people import PASSWORD

GENERIC = ROOT / "config" / "venues" / "amqp-generic.toml"
KEY = "orders"


@pytest.fixture
async def venue(market):
    """The broker of a venue that is not M7: one exchange for all, and passwords only."""
    keys = ("--key", KEY, "--key", "session.logon")
    await market.vhost.welcome("trader", "quick", "other", options=("--venue", str(GENERIC), *keys))
    return market


async def connect(market, library: str, password: str, person=None, **gateway):
    """Connect a library with that password; returns its line."""
    line = LIBRARIES[library]()
    market._stack.push_async_callback(line.close)
    await line.connect(market.address(person or market.trader, password=password))
    return line


async def publish(market, line, name: str, user: str = "trader") -> None:
    """Publish an order and wait until the exchange has it."""
    await line.publish("requests", KEY, b"<Order/>", {"correlation_id": name, "user_id": user})
    await market.until(lambda: name in [one.properties.correlation_id for one in market.exchange.requests])


@pytest.mark.req("CQ-7", "M7-2", "M7-18")
@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_code_behind_the_password_logs_in_and_never_reaches_the_broker(venue, library):
    wire = await venue.floor.wire(venue.vhost.broker.amqp)
    gateway = await venue.gateway(venue="amqp-password", broker=wire.port)
    code = venue.trader.code()

    line = await connect(venue, library, PASSWORD + code)
    await publish(venue, line, "one")

    assert PASSWORD.encode() in bytes(wire.forth.seen)
    assert code.encode() not in bytes(wire.forth.seen)
    await gateway.until(event="session_started", user="trader")


@pytest.mark.req("M7-11")
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("what", ["wrong code", "no code", "wrong password"])
async def test_without_both_the_library_is_told_access_refused_and_the_broker_hears_nothing(venue, library, what):
    wire = await venue.floor.wire(venue.vhost.broker.amqp)
    gateway = await venue.gateway(venue="amqp-password", broker=wire.port)
    person = venue.trader
    passwords = {
        "wrong code": PASSWORD + person.wrong_code(),
        "no code": PASSWORD,
        "wrong password": "not-" + PASSWORD + person.code(),
    }

    with pytest.raises(Exception, match=r"(?i)403|ACCESS_REFUSED|auth|closed"):
        await connect(venue, library, passwords[what])

    await gateway.until(event="login", outcome="refused")
    assert PASSWORD.encode() not in bytes(wire.forth.seen)
    assert venue.exchange.requests == []
    line = await connect(venue, library, PASSWORD + person.code())
    await publish(venue, line, "afterwards")


@pytest.mark.req("M7-10", "M7-12")
async def test_the_end_of_such_a_session_is_what_the_venue_sees_of_its_connection(venue):
    gateway = await venue.gateway(venue="amqp-password")
    line = await connect(venue, "aio-pika", PASSWORD + venue.trader.code())
    await publish(venue, line, "one")

    await line.close()

    await gateway.until(event="session_ended", user="trader")
    await venue.vhost.until_connections(0, "trader")


@pytest.mark.req("M7-9")
async def test_a_code_behind_the_password_is_burnt_like_any_other(venue):
    gateway = await venue.gateway(venue="amqp-password", policy=NEVER)
    password = PASSWORD + venue.trader.code()
    line = await connect(venue, "aio-pika", password)
    await publish(venue, line, "one")
    await line.close()

    with pytest.raises(Exception, match=r"(?i)403|ACCESS_REFUSED|auth|closed"):
        await connect(venue, "aio-pika", password)

    await gateway.until(event="login", reason="replayed_code")


# ── other messages, and no answer to a login but the broker's confirm ──


def logon(hand, code: str, number: str = "logon") -> bytes:
    body = m7.element("Logon", {"name": "trader", "otp": code}, namespace="")
    return hand.request(body, number, "session.logon", exchange="requests")


async def generic_hand(market):
    """A client of the generic venue: confirms on, and an answer queue as that venue calls them."""
    hand = Hand(await market.wire(), market.trader, market.vhost.name)
    await hand.peer.handshake("trader", PASSWORD, vhost=market.vhost.name)
    await hand.peer.open_channel(1, confirms=True)
    hand.queue = "replies.trader"
    await hand.peer.send(amqp.queue_declare(1, hand.queue), amqp.consume(1, hand.queue))
    await hand.peer.method("basic.consume-ok")
    return hand


@pytest.mark.req("M7-2", "M7-10", "M7-12")
async def test_a_venue_of_other_messages_that_answers_no_login_is_live_on_the_brokers_confirm(venue):
    gateway = await venue.gateway(venue="amqp-generic")
    hand = await generic_hand(venue)
    early = hand.request(b"<Order/>", "too-early", KEY, exchange="requests")

    await hand.peer.send(early, logon(hand, venue.trader.wrong_code()))
    refusals = [await hand.answer(number) for number in ("too-early", "logon")]
    await hand.peer.send(logon(hand, venue.trader.code()), hand.request(b"<Order/>", "one", KEY, exchange="requests"))
    acks = [(await hand.peer.method("basic.ack")).acked[0] for _ in range(4)]
    await venue.until(lambda: len(venue.exchange.requests) == 2)
    hand.peer.vanish()

    await venue.until(lambda: len(venue.exchange.requests) == 3)
    assert [one.name for one in refusals] == ["Rejected", "Rejected"]
    assert refusals[0]["code"] == "401"
    assert acks == [1, 2, 3, 4]
    names = [one.read for one in venue.exchange.requests]
    assert [one.name for one in names] == ["Logon", "Order", "Logoff"]
    assert [dict(one.attributes) for one in names] == [{"name": "trader"}, {}, {"name": "trader"}]
    await gateway.until(event="session_ended", reason="client_lost")


# ── update-secret ──


@pytest.mark.req("SF-9", "M7-10")
async def test_update_secret_with_a_new_code_prolongs_a_live_connection_past_its_lifetime(market):
    """Two sessions as old as each other: the one that renews is there when the other's lifetime ends."""
    gateway = await market.gateway(policy=f"{SAME_CODE_AGAIN}sessions.lifetime = 6\n")
    renews = await (await market.hand()).logged_in()
    old = await (await market.hand(market.people.other)).logged_in()

    async with asyncio.timeout(30):
        while not old.peer.closed:
            await renews.peer.send(amqp.update_secret(PASSWORD + market.trader.code()))
            await renews.peer.method("connection.update-secret-ok")
            await asyncio.sleep(1)

    await gateway.until(event="session_ended", reason="lifetime", user="other")
    await renews.trade("past-its-lifetime")
    assert gateway.seen(event="session_ended", user="trader") == []
    assert market.exchange.names("trader") == ["LoginReq", "OrdrEntry"]


@pytest.mark.req("M7-11", "SF-9")
async def test_update_secret_with_a_wrong_code_counts_and_ends_the_session(market):
    gateway = await market.gateway()
    hand = await (await market.hand()).logged_in()

    await hand.peer.send(amqp.update_secret(PASSWORD + market.trader.wrong_code()))

    await hand.peer.until_closed()
    await gateway.until(event="login", outcome="refused", reason="bad_code")
    await gateway.until(event="session_ended", user="trader")
    await market.exchange.until_logged_out()
    assert hand.peer.methods("connection.update-secret-ok") == []


@pytest.mark.req("M7-9", "SF-9")
async def test_update_secret_with_the_burnt_code_of_the_login_is_refused_where_codes_are_for_one_use(market):
    gateway = await market.gateway(policy=NEVER)
    hand = await market.hand()
    code = market.trader.code()
    await hand.logged_in(code=code)

    await hand.peer.send(amqp.update_secret(PASSWORD + code))

    await hand.peer.until_closed()
    await gateway.until(event="login", reason="replayed_code")


@pytest.mark.req("M7-10")
async def test_update_secret_before_the_login_is_no_login(market):
    await market.gateway()
    hand = await market.hand()

    await hand.peer.send(amqp.update_secret(PASSWORD + market.trader.code()))
    await hand.peer.send(hand.order("behind-it"))

    await hand.peer.until_closed()
    assert market.exchange.requests == []


@pytest.mark.req("TW-10", "M7-2")
async def test_a_renewed_secret_never_reaches_the_broker(market):
    wire = await market.floor.wire(market.vhost.broker.amqp)
    await market.gateway(broker=wire.port)
    hand = await (await market.hand()).logged_in()
    code = market.trader.code()
    before = len(wire.forth.seen)

    await hand.peer.send(amqp.update_secret(PASSWORD + code))
    await hand.peer.method("connection.update-secret-ok")
    await hand.trade("one")

    assert code.encode() not in bytes(wire.forth.seen[before:])
    assert PASSWORD.encode() not in bytes(wire.forth.seen[before:])
