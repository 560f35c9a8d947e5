"""One account, one session: `force` takes over or is refused, across connections, protocols and processes."""

import pytest

from tests.blackbox import amqp_bytes as amqp
from tests.blackbox import amqp_m7 as m7
from tests.blackbox.ops_rig import WITHIN_STEP, add_user, database, live


@pytest.mark.req("M7-2", "TW-1")
async def test_force_logs_the_older_session_out_at_the_exchange_before_the_new_one_goes_up(market):
    gateway = await market.gateway()
    older = await (await market.hand()).logged_in()
    (session,) = market.exchange.live
    newer = await market.hand()

    await newer.logged_in(force=True)

    assert market.exchange.names() == ["LoginReq", "LogoutReq", "LoginReq"]
    assert [one.read["sessionId"] for one in market.exchange.of("LogoutReq")] == [session]
    await older.peer.until_closed()
    await gateway.until(event="session_ended", reason="replaced")
    await newer.trade("one")
    assert market.exchange.orders() == ["one"]


@pytest.mark.req("M7-2", "TW-1")
async def test_without_force_a_login_is_refused_while_there_is_a_session_and_that_one_goes_on(market):
    gateway = await market.gateway()
    older = await (await market.hand()).logged_in()
    newer = await market.hand()

    answer = await newer.log_in(force=False)

    assert answer.name == "ErrResp"
    assert "already logged in" in answer["err"]
    await gateway.until(event="login", outcome="refused", reason="already_logged_in")
    await older.trade("undisturbed")
    assert market.exchange.names() == ["LoginReq", "OrdrEntry"]


@pytest.mark.req("M7-2", "TW-1")
async def test_a_login_with_force_over_amqp_ends_the_users_fix_session(market):
    door = await market.fix_door()
    gateway = await market.gateway(more=door.config)
    hand = await market.hand()
    async with door.client(market.trader) as fix:
        assert await fix.log_in() == "A"

        await hand.logged_in(force=True)

        await fix.be_ended()
        await gateway.until(event="session_ended", reason="replaced")
    await hand.trade("one")


@pytest.mark.req("M7-2", "TW-1")
async def test_without_force_a_login_over_amqp_is_refused_while_there_is_a_fix_session(market):
    door = await market.fix_door()
    await market.gateway(more=door.config)
    hand = await market.hand()
    async with door.client(market.trader) as fix:
        assert await fix.log_in() == "A"

        assert (await hand.log_in(force=False)).name == "ErrResp"

        await fix.trade("undisturbed")
    assert market.exchange.requests == []


@pytest.mark.req("M7-2", "TW-1", "SF-12")
async def test_force_takes_a_session_over_from_another_gateway_process_on_the_same_database(market):
    async with database() as place:
        common = {"store": place.url(), "policy": WITHIN_STEP, "environment": place.environment}
        one = await market.gateway(name="one", **common)
        other = await market.gateway(name="other", **common)
        person = await add_user(one, "trader", "ALGO")
        older = await (await market.hand(person, port=one.port)).logged_in()
        (session,) = market.exchange.live
        newer = await market.hand(person, port=other.port)

        await newer.logged_in(force=True)

        assert market.exchange.names() == ["LoginReq", "LogoutReq", "LoginReq"]
        assert market.exchange.of("LogoutReq")[0].read["sessionId"] == session
        await one.until(event="session_ended", reason="replaced")
        await older.peer.until_closed()
        await newer.trade("one")
        assert [row["process"] for row in await live(other)] == ["ALGO"]


@pytest.mark.req("M7-2", "TW-1", "M7-12")
async def test_an_older_session_that_reads_nothing_any_more_is_taken_over_all_the_same(market):
    """Its line is full of what it does not read, so the broker's word on it can't be had there: the gateway's own line says it."""
    gateway = await market.gateway()
    older = await deaf(market)
    (session,) = market.exchange.live
    newer = await market.hand()

    await newer.logged_in(force=True)

    assert market.exchange.live
    assert session not in market.exchange.live
    names = market.exchange.names()
    assert names[0] == "LoginReq"
    assert names[-1] == "LoginReq"
    assert set(names[1:-1]) == {"LogoutReq"}
    await gateway.until(event="session_ended", reason="replaced")
    await newer.trade("one")
    await market.vhost.until_connections(1, "trader")
    await older.peer.leave()


@pytest.mark.req("TW-12", "M7-10")
async def test_a_client_that_reads_nothing_is_kicked_without_its_help(market):
    gateway = await market.gateway()
    older = await deaf(market)
    row = await gateway.until(event="session_started")

    await gateway.run("kick", row["session"])

    await gateway.until(event="session_ended", reason="kicked")
    await market.exchange.until_logged_out()
    await market.vhost.until_connections(0, "trader")
    await older.peer.leave()


async def deaf(market):
    """A live session whose client has stopped reading, with more waiting for it than any buffer on the way holds."""
    hand = await (await market.hand()).logged_in()
    await market.exchange.declare(m7.broadcasts_of("trader"))
    await hand.peer.send(amqp.consume(1, m7.broadcasts_of("trader")))
    await hand.peer.method("basic.consume-ok")
    hand.peer.pause()
    for _ in range(60):
        await market.exchange.broadcast("trader", b"<x>" + b"y" * 500_000 + b"</x>")
    return hand
