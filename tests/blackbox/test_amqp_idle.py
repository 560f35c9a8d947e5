"""Sessions end by themselves (M7-12, SF-9, SF-10): idle, too old, kicked; the client is told why, and the exchange in its own words."""

import asyncio

import pytest

from tests.blackbox import amqp_bytes as amqp
from tests.blackbox import amqp_m7 as m7
from tests.blackbox.amqp_floor import SAME_CODE_AGAIN


def short(setting: str) -> str:
    return f"{SAME_CODE_AGAIN}sessions.{setting}\n"


async def told_and_closed(hand) -> tuple[m7.Read, tuple[int, str]]:
    """Return the LogoutRprt and the close that ended a connection."""
    report = m7.read((await hand.peer.content()).body)
    close = await hand.peer.method("connection.close")
    await hand.peer.until_closed()
    return report, close.closing


@pytest.mark.req("M7-12", "SF-9", "M7-10")
async def test_an_idle_client_is_told_inactivity_and_the_exchange_gets_its_logout(market):
    gateway = await market.gateway(policy=short("idle = 1"))
    hand = await (await market.hand()).logged_in()
    (session,) = market.exchange.live

    report, (code, text) = await told_and_closed(hand)

    assert (report.name, report["usrId"], report["reason"]) == ("LogoutRprt", "trader", "INACTIVITY")
    assert code == 320
    assert text.startswith("CONNECTION_FORCED")
    assert "idle" in text
    (logout,) = await market.exchange.until_logged_out()
    assert (logout.user, logout.key, logout.read["sessionId"]) == ("trader", m7.INQUIRY, session)
    assert logout.properties.user_id == "trader"
    await gateway.until(event="session_ended", reason="idle")
    assert market.exchange.live == {}


@pytest.mark.req("M7-12", "SF-10")
async def test_over_direct_reply_to_the_report_comes_on_the_channel_itself(market):
    await market.gateway(policy=short("idle = 1"))
    hand = await (await market.hand(direct=True)).logged_in()

    report, (code, _) = await told_and_closed(hand)

    assert (report.name, report["reason"], code) == ("LogoutRprt", "INACTIVITY", 320)


@pytest.mark.req("SF-10", "M7-12")
@pytest.mark.parametrize("what", ["heartbeats", "broadcasts", "polling", "signs of life"])
async def test_what_is_no_business_keeps_no_session_alive(market, what):
    await market.gateway(policy=short("idle = 1"))
    hand = await (await market.hand()).logged_in()
    await hand.peer.send(
        amqp.queue_declare(1, m7.broadcasts_of("trader"), 0), amqp.consume(1, m7.broadcasts_of("trader"))
    )
    noise = {
        "heartbeats": lambda: hand.peer.send(amqp.HEARTBEAT_FRAME),
        "broadcasts": lambda: market.exchange.broadcast("trader", m7.element("OrdrExeRprt", {})),
        "polling": lambda: hand.peer.send(amqp.get(1, hand.queue)),
        "signs of life": lambda: hand.peer.send(hand.request(b"SYSTEM_ALIVE", "alive")),
    }[what]

    for _ in range(300):
        if hand.peer.closed:
            break
        await noise()
        await asyncio.sleep(0.1)

    await hand.peer.until_closed()
    await market.exchange.until_logged_out()


@pytest.mark.req("SF-10")
async def test_orders_keep_a_session_alive_while_a_silent_one_beside_it_ends(market):
    gateway = await market.gateway(policy=short("idle = 4"))
    busy = await (await market.hand()).logged_in()
    silent = await (await market.hand(market.people.other)).logged_in()

    number = 0
    while not silent.peer.closed:
        await busy.trade(f"order-{(number := number + 1)}")
        await asyncio.sleep(0.2)

    await busy.trade("still-here")
    assert [line["user"] for line in gateway.seen(event="session_ended")] == ["other"]


@pytest.mark.req("SF-9", "M7-10")
async def test_however_busy_a_session_ends_at_its_lifetime_and_a_new_login_is_needed(market):
    gateway = await market.gateway(policy=short("lifetime = 2"))
    hand = await (await market.hand()).logged_in()

    for number in range(300):
        await hand.peer.send(hand.order(f"order-{number}"))
        await asyncio.sleep(0.05)
        if hand.peer.closed:
            break

    (close,) = hand.peer.methods("connection.close")
    assert "lifetime" in close.closing[1]
    await gateway.until(event="session_ended", reason="lifetime")
    await market.exchange.until_logged_out()
    again = await market.hand()
    await again.peer.send(again.order("too-late"))
    assert (await again.answer("too-late")).name == "ErrResp"


@pytest.mark.req("TW-12", "M7-10")
@pytest.mark.parametrize("how", ["kicked", "right_removed"])
async def test_operations_end_a_session_and_everybody_is_told(market, how):
    gateway = await market.gateway()
    hand = await (await market.hand()).logged_in()
    row = await gateway.until(event="session_started")

    await (gateway.run("kick", row["session"]) if how == "kicked" else gateway.run("user", "disable", "trader"))

    report, (code, _) = await told_and_closed(hand)
    assert (report.name, report["reason"], code) == ("LogoutRprt", "FORCED", 320)
    await gateway.until(event="session_ended", reason=how)
    await market.exchange.until_logged_out()


@pytest.mark.req("M7-12")
async def test_a_client_that_stops_heartbeating_is_noticed_by_the_heartbeat_it_negotiated(market):
    """The broker misses them and closes its line; the gateway closes the client's and tells the exchange."""
    gateway = await market.gateway()
    hand = await (await market.hand(heartbeat=1)).logged_in()

    await hand.peer.until_closed()

    await gateway.until(event="session_ended", user="trader")
    (logout,) = await market.exchange.until_logged_out()
    assert logout.user == "trader"


@pytest.mark.req("M7-12")
async def test_a_client_that_heartbeats_stays_while_its_login_waits_for_the_exchange(market):
    await market.gateway()
    hand = await market.hand(heartbeat=1)
    hand.peer.answers_heartbeats = True
    market.exchange.answers_logins.clear()
    await hand.peer.send(hand.login(), hand.order("held"))
    await market.until(lambda: market.exchange.names() == ["LoginReq"])
    beats = len(hand.peer.items)

    async with asyncio.timeout(30):
        while len(hand.peer.items) < beats + 6:  # noqa: ASYNC110  a bounded poll
            await asyncio.sleep(0.05)
    market.exchange.answers_logins.set()

    assert (await hand.answer("login")).name == "UserRprt"
    assert (await hand.answer("held")).name == "AckResp"
