"""A client with a password, or with a good login, that tries what no library does: at a real broker, against a gateway as served."""

import gzip

import pytest

from tests.blackbox import amqp_bytes as amqp
from tests.blackbox import amqp_m7 as m7
from tests.blackbox.amqp_floor import Hand
from tests.blackbox.amqp_hostile import serves_on
from tests.blackbox.gateway_process import ROOT
from tests.blackbox.people import PASSWORD

GENERIC = ROOT / "config" / "venues" / "amqp-generic.toml"


@pytest.mark.req("M7-12")
async def test_a_logout_of_another_session_leaves_none_behind_at_the_exchange(market):
    """The exchange would not take it, so the gateway must not believe it: it still has to log the session out."""
    gateway = await market.gateway()
    hand = await (await market.hand()).logged_in()
    (session,) = market.exchange.live

    await hand.peer.send(hand.request(m7.logout("somebody-else's"), "bye", m7.INQUIRY))
    await hand.answer("bye")
    assert list(market.exchange.live) == [session]
    await hand.trade("still-watched")
    hand.peer.vanish()

    await market.exchange.until(lambda: not market.exchange.live)
    await gateway.until(event="session_ended", reason="client_lost")


@pytest.mark.req("M7-12")
async def test_a_publish_on_the_gateways_own_channel_costs_the_session_and_leaves_none_behind(market):
    await market.gateway()
    hand = await (await market.hand()).logged_in()
    own = hand.peer.channel_max + 1

    await hand.peer.send(hand.order("on-the-gateways-channel", channel=own))

    await hand.peer.until_closed()
    await market.exchange.until(lambda: not market.exchange.live)
    assert market.exchange.names("trader") == ["LoginReq", "LogoutReq"]
    await serves_on(market)


@pytest.mark.req("M7-10")
async def test_a_publish_cut_in_two_by_its_channels_end_is_nobodys(market):
    await market.gateway()
    hand = await market.hand()
    method = amqp.publish_method(1, m7.exchange_of("trader"), m7.MANAGEMENT)
    body = m7.order("in-two")

    rest = amqp.header(1, len(body)) + amqp.frame(amqp.BODY, 1, body)
    await hand.peer.send(method, amqp.channel_close(1), amqp.channel_open(1), rest)

    assert (await hand.peer.method("connection.close")).closing[0] == 505
    assert market.exchange.names("trader") == []
    await serves_on(market)


@pytest.mark.req("M7-10")
@pytest.mark.parametrize(
    "what", ["orders", "logins for somebody else", "logins that unpack to a hundred thousand elements"]
)
async def test_whoever_goes_on_and_on_without_a_login_is_shown_out_and_the_others_trade(market, what):
    await market.gateway()
    trading = await (await market.hand(market.people.other)).logged_in()
    hand = await market.hand()
    huge = gzip.compress(m7.element("LoginReq", {"user": "trader", m7.CODE: "1"}, "<a/>" * 60_000))
    sent = {
        "orders": hand.order("early", reply_to=""),
        "logins for somebody else": hand.request(m7.login("other", "123456"), "early", m7.INQUIRY),
        "logins that unpack to a hundred thousand elements": hand.request(
            huge, "early", m7.INQUIRY, content_encoding="gzip"
        ),
    }

    await hand.peer.send(sent[what] * 2000)

    assert (await hand.peer.method("connection.close")).closing[0] == 530
    await trading.trade("beside-it")
    assert market.exchange.names("trader") == []


@pytest.mark.req("M7-10")
async def test_a_login_that_the_broker_can_not_route_opens_nothing_though_the_broker_confirms_it(market):
    await market.vhost.welcome("trader", options=("--venue", str(GENERIC), "--key", "orders"))  # no queue for logins
    gateway = await market.gateway(venue="amqp-generic")
    hand = Hand(await market.wire(), market.trader, market.vhost.name)
    await hand.peer.handshake("trader", PASSWORD, vhost=market.vhost.name)
    await hand.peer.open_channel(1, confirms=True)
    hand.queue = "replies.trader"
    body = m7.element("Logon", {"name": "trader", "otp": market.trader.code()}, namespace="")
    order = hand.request(b"<Order/>", "behind-it", "orders", exchange="requests")

    await hand.peer.send(hand.request(body, "logon", "session.logon", exchange="requests"), order)

    assert (await hand.peer.content("basic.return")).properties["correlation_id"] == "logon"
    assert [(await hand.peer.method("basic.ack")).acked[0] for _ in range(2)] == [1, 2]
    await gateway.until(event="session_ended", reason="upstream_refused")
    assert market.exchange.requests == []
