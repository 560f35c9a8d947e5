"""The login path of AMQP (M7-2): what reaches the exchange of a LoginReq, what waits behind it, and what answers make of it."""

import gzip

import pytest

from tests.blackbox import amqp_bytes as amqp
from tests.blackbox import amqp_m7 as m7


@pytest.mark.req("M7-2", "M7-10")
async def test_the_exchange_gets_the_login_without_its_code_and_everything_else_as_it_was(market):
    gateway = await market.gateway()
    hand = await market.hand()
    code = market.trader.code()
    body = m7.login("trader", code, force=True, throttlingUserAction="Y", someThingNew="7")

    await hand.peer.send(hand.request(body, "first", m7.INQUIRY, message_id="m-1", delivery_mode=2, priority=3))
    answer = await hand.answer("first")

    assert (answer.name, answer["usrId"]) == ("UserRprt", "trader")
    (login,) = market.exchange.requests
    given = {
        "user": "trader",
        "force": "true",
        "disconnectAction": "NO",
        "throttlingUserAction": "Y",
        "someThingNew": "7",
    }
    assert login.read == m7.Read("LoginReq", {**given, "marketId": "EPEX"})
    assert (login.user, login.key) == ("trader", m7.INQUIRY)
    sent = login.properties
    assert (sent.message_id, sent.correlation_id, sent.user_id, sent.app_id) == ("m-1", "first", "trader", "ALGO")
    assert (sent.content_type, sent.delivery_mode, sent.priority) == (m7.TYPE, 2, 3)
    assert code.encode() not in login.body
    (login,) = await gateway.logins(1)
    assert (login["user"], login["process"], login["protocol"]) == ("trader", "ALGO", "amqp")


@pytest.mark.req("M7-2")
async def test_a_compressed_login_stays_compressed_and_loses_its_code(market):
    await market.gateway()
    hand = await market.hand()

    body = gzip.compress(m7.login("trader", market.trader.code()))
    await hand.peer.send(hand.request(body, "packed", m7.INQUIRY, content_encoding="gzip"))

    assert (await hand.answer("packed")).name == "UserRprt"
    (login,) = market.exchange.requests
    assert login.properties.content_encoding == "gzip"
    assert m7.CODE.encode() not in gzip.decompress(login.body)
    await hand.trade("behind-it")


@pytest.mark.req("M7-2")
@pytest.mark.parametrize("pieces", ["single bytes", "frames of 5 bytes", "single bytes of frames of 5 bytes"])
async def test_a_login_may_come_in_any_pieces(market, pieces):
    await market.gateway()
    hand = await market.hand()
    frames = hand.login(split=5 if "5" in pieces else 100_000)

    await (hand.peer.trickle(frames) if "single" in pieces else hand.peer.send(frames))

    assert (await hand.answer("login")).name == "UserRprt"
    await hand.trade("one")
    assert market.exchange.names() == ["LoginReq", "OrdrEntry"]


@pytest.mark.req("M7-10")
async def test_what_is_pipelined_behind_a_good_login_arrives_after_it_and_in_order(market):
    await market.gateway()
    hand = await market.hand()
    names = [f"order-{number}" for number in range(50)]

    await hand.peer.send(hand.login(), *map(hand.order, names))

    await hand.answer(names[-1])
    assert market.exchange.names() == ["LoginReq", *["OrdrEntry"] * 50]
    assert market.exchange.orders() == names


@pytest.mark.req("M7-10", "M7-11")
async def test_what_is_pipelined_behind_a_refused_login_is_swallowed_and_each_is_told_so(market):
    await market.gateway()
    hand = await market.hand()

    await hand.peer.send(hand.login(market.trader.wrong_code()), hand.order("one"), hand.order("two"))

    for number in ("login", "one", "two"):
        assert (await hand.answer(number)).name == "ErrResp"
    await hand.logged_in(number="again")
    await hand.trade("three")
    assert market.exchange.names() == ["LoginReq", "OrdrEntry"]
    assert market.exchange.orders() == ["three"]


@pytest.mark.req("M7-2")
async def test_orders_held_while_the_exchange_has_not_answered_follow_once_it_has(market):
    await market.gateway()
    hand = await market.hand()
    market.exchange.answers_logins.clear()
    await hand.peer.send(hand.login(), hand.order("held"))
    await market.until(lambda: market.exchange.names() == ["LoginReq"])
    await hand.peer.send(amqp.get(1, hand.queue), hand.order("held-too"))

    market.exchange.answers_logins.set()

    await hand.answer("held")
    await hand.answer("held-too")
    assert market.exchange.names() == ["LoginReq", "OrdrEntry", "OrdrEntry"]


@pytest.mark.req("M7-10")
async def test_a_login_that_the_exchange_refuses_opens_nothing_and_the_next_one_may_be_good(market):
    gateway = await market.gateway()
    hand = await market.hand()
    market.exchange.refuses = "Auth error: market closed"

    refused = await hand.log_in()
    await hand.peer.send(hand.order("too-early"))

    assert (refused.name, refused["err"]) == ("ErrResp", "Auth error: market closed")
    assert (await hand.answer("too-early")).name == "ErrResp"
    await gateway.until_recorded("session.ended")
    market.exchange.refuses = ""
    await hand.logged_in(number="again")
    await hand.trade("now")
    assert market.exchange.orders() == ["now"]


@pytest.mark.req("M7-12")
async def test_an_exchange_that_does_not_answer_is_told_to_forget_the_login(market):
    gateway = await market.gateway(listener="plain = true\nanswer_timeout = 1.5")
    hand = await market.hand()
    market.exchange.answers_logins.clear()

    await hand.peer.send(hand.login(), hand.order("never"))

    await hand.peer.until_closed()
    await gateway.until(event="session_ended", reason="upstream_silent")
    (logout,) = await market.exchange.until_logged_out()
    assert (logout.user, logout.key) == ("trader", m7.INQUIRY)
    assert market.exchange.orders() == []


@pytest.mark.req("M7-2", "TW-1", "TW-12")
@pytest.mark.parametrize(
    ("body", "properties"),
    [
        pytest.param("other", {}, id="LoginReq of another user"),
        pytest.param("trader", {"user_id": "other"}, id="user_id of another user"),
    ],
)
async def test_a_login_for_somebody_else_never_gets_anywhere(market, body, properties):
    await market.gateway()
    hand = await market.hand()
    person = market.people.other if body == "other" else market.trader

    await hand.peer.send(hand.request(m7.login(body, person.code()), "login", m7.INQUIRY, **properties))
    await hand.peer.send(hand.order("behind-it"))

    await not_logged_in(market, hand)


@pytest.mark.req("TW-12")
async def test_a_login_of_an_application_that_is_not_the_users_never_gets_anywhere(market):
    gateway = await market.gateway()
    hand = await market.hand()

    await hand.peer.send(hand.login(app_id="OTHER"), hand.order("behind-it"))

    await hand.peer.until_closed()
    await gateway.until(event="login", reason="not_bound")
    assert market.exchange.requests == []


@pytest.mark.req("M7-2")
@pytest.mark.parametrize(
    ("exchange", "key"),
    [
        pytest.param(None, m7.MANAGEMENT, id="key of orders"),
        pytest.param("m7.requestExchange.other", m7.INQUIRY, id="exchange of somebody else"),
        pytest.param("", "m7.backend.requests", id="default exchange"),
        pytest.param("amq.topic", m7.INQUIRY, id="some other exchange"),
    ],
)
async def test_a_login_where_the_exchange_would_not_see_it_opens_no_session(market, exchange, key):
    gateway = await market.gateway()
    hand = await market.hand()
    where = {} if exchange is None else {"exchange": exchange}

    await hand.peer.send(hand.request(m7.login("trader", market.trader.code()), "login", key, **where))
    await hand.peer.send(hand.order("behind-it"))

    await not_logged_in(market, hand)
    assert gateway.seen(event="session_started") == []


async def not_logged_in(market, hand) -> None:
    """The order behind it was answered with an ErrResp or the line closed; the exchange saw neither login nor order."""
    try:
        assert (await hand.answer("behind-it")).name == "ErrResp"
    except AssertionError:
        assert hand.peer.closed
    assert market.exchange.requests == []
    assert await market.vhost.waiting() == 0


@pytest.mark.req("M7-10", "M7-2")
async def test_after_its_own_logout_a_client_needs_a_new_login_and_the_connection_stays(market):
    gateway = await market.gateway()
    hand = await (await market.hand()).logged_in()
    session = next(iter(market.exchange.live))

    await hand.peer.send(hand.request(m7.logout(session), "bye", m7.INQUIRY), hand.order("too-late"))

    assert (await hand.answer("bye")).name == "AckResp"
    assert (await hand.answer("too-late")).name == "ErrResp"
    await gateway.until(event="session_ended", reason="logout")
    await hand.logged_in(number="again")
    await hand.trade("one")
    assert market.exchange.names() == ["LoginReq", "LogoutReq", "LoginReq", "OrdrEntry"]
    assert [one.read["sessionId"] for one in market.exchange.of("LogoutReq")] == [session]
