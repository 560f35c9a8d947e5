"""A long day of AMQP in short (`make deep`): the same few things over and over leave nothing behind, here or at the broker."""

import itertools
import json

import pytest

from tests.blackbox import amqp_bytes as amqp
from tests.blackbox import amqp_m7 as m7
from tests.blackbox.test_soak import GROWTH, LENIENT, resident

pytestmark = pytest.mark.deep

CYCLES = 600
WARM = 150


@pytest.mark.req("SF-9", "BY-6", "M7-12")
@pytest.mark.timeout(1200)
async def test_six_hundred_logins_drops_refusals_and_strangers_leave_nothing_behind(market):
    gateway = await market.gateway(policy=LENIENT)
    warm = 0

    for cycle, act in zip(range(CYCLES), itertools.cycle((good, dropped, refused, stranger)), strict=False):
        await act(market, cycle)
        if cycle == WARM:
            warm = resident(gateway.pid)

    assert resident(gateway.pid) - warm < GROWTH
    logins = len(market.exchange.of("LoginReq"))
    assert logins == CYCLES // 2
    await market.exchange.until_logged_out(logins)
    assert market.exchange.live == {}
    assert len(market.exchange.of("LogoutReq")) == logins
    await gateway.until_recorded("session.ended", logins)
    assert json.loads(await gateway.run("sessions", "--json")) == []
    await market.vhost.until_connections(0, "trader")
    assert [queue["name"] for queue in await market.vhost.get("queues")] == ["m7.backend.requests"]
    assert "whole" in await gateway.run("audit", "verify")
    assert not gateway.seen(level="error")
    await gateway.terminate()
    assert gateway.stderr == []


async def good(market, cycle):
    hand = await (await market.hand()).logged_in()
    await hand.trade(f"order-{cycle}")
    await hand.peer.send(hand.request(m7.logout(""), "bye", m7.INQUIRY))
    await hand.answer("bye")
    await hand.peer.send(amqp.connection_close())
    await hand.peer.method("connection.close-ok")
    await hand.peer.leave()


async def dropped(market, cycle):
    hand = await (await market.hand()).logged_in()
    await hand.trade(f"order-{cycle}")
    hand.peer.vanish()
    await hand.peer.leave()


async def refused(market, cycle):
    hand = await market.hand()
    answer = await hand.log_in(market.trader.wrong_code(cycle))
    assert answer.name == "ErrResp"
    await hand.peer.leave()


async def stranger(market, _cycle):
    for first in (b"GET / HTTP/1.1\r\n\r\n", amqp.HEADER + b"\xff" * 40, b""):
        peer = await market.wire()
        await peer.send(first)
        if first:
            await peer.until_closed()
        await peer.leave()
