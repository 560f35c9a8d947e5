"""What is owed to the exchange is told, whoever died meanwhile: gateway, line or broker (ADR 8, "A will")."""

import asyncio
import sys
from collections import Counter

import pytest

from tests.blackbox.gateway_process import ROOT
from tests.blackbox.people import Person

LEASE = 30.0  # seconds without a sign of life after which a gateway counts as dead
BUSY = 50
NO_CODE = ""


def person(name: str) -> Person:
    """One of the crowd: without an authenticator, and its own application id."""
    return Person(name, "", 30, name)


async def crowd(gateway, names: list[str]) -> None:
    """Make users without an authenticator, with the gateway's own command, in one process."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.blackbox.amqp_crowd", str(gateway.config_file), *names),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()


@pytest.mark.req("M7-10", "M7-12")
async def test_after_kill_9_with_fifty_sessions_the_next_start_tells_the_exchange_of_each_once(market):
    gateway = await market.gateway(policy='second_factor = "optional"\n')
    names = [f"crowd{number:03}" for number in range(BUSY + 1)]
    await crowd(gateway, names)
    await market.vhost.welcome("trader", "quick", "other", *names)
    hands = []
    for name in names[:-1]:
        hand = await market.hand(person(name))
        hands.append(await hand.logged_in(code=NO_CODE))
    sessions = dict(market.exchange.live)
    market.exchange.answers_logins.clear()
    last = await market.hand(person(names[-1]))
    await last.peer.send(last.login(NO_CODE))
    await market.until(lambda: len(market.exchange.of("LoginReq")) == BUSY + 1)

    await gateway.restart(crash=True)

    await market.exchange.until(lambda: len(market.exchange.of("LogoutReq")) > BUSY, within=3 * LEASE)
    told = market.exchange.of("LogoutReq")
    assert Counter(one.user for one in told) == Counter(names)
    assert {one.read["sessionId"]: one.user for one in told} == {**sessions, "": names[-1]}
    assert market.exchange.live == {}
    await gateway.until_recorded("session.ended", BUSY + 1)
    again = await market.hand(person(names[0]))
    market.exchange.answers_logins.set()
    await again.logged_in(code=NO_CODE)
    await again.trade("one")
    assert len(market.exchange.of("LogoutReq")) == BUSY + 1


@pytest.mark.req("M7-10", "M7-12")
async def test_sigterm_logs_everybody_out_before_the_gateway_ends(market):
    gateway = await market.gateway()
    people = (market.people.trader, market.people.quick, market.people.other)
    hands = [await (await market.hand(one)).logged_in() for one in people]
    sessions = set(market.exchange.live)

    assert await gateway.terminate() == 0

    for hand in hands:
        code, _ = (await hand.peer.method("connection.close")).closing
        assert code == 320
    logouts = await market.exchange.until_logged_out(3)
    assert {one.read["sessionId"] for one in logouts} == sessions
    assert len(logouts) == 3
    assert market.exchange.live == {}


@pytest.mark.req("M7-10", "M7-12")
async def test_a_logout_that_nobody_takes_now_is_told_as_soon_as_the_broker_is_back(market):
    wire = await market.floor.wire(market.vhost.broker.amqp)
    gateway = await market.gateway(broker=wire.port)
    hand = await (await market.hand()).logged_in()
    (session,) = market.exchange.live

    wire.target_port = 1
    wire.cut()
    await gateway.until(event="session_ended", reason="upstream_lost")
    await gateway.until(event="courier_failed")
    assert market.exchange.names() == ["LoginReq"]
    wire.target_port = market.vhost.broker.amqp

    (logout,) = await market.exchange.until_logged_out()
    assert logout.read["sessionId"] == session
    await gateway.until(event="will_delivered")
    await hand.peer.until_closed()


@pytest.mark.req("M7-10", "TW-1")
async def test_while_a_logout_is_owed_the_user_does_not_log_in_before_it(market):
    """The exchange would see the new login before the old session's end, and end the new one with it."""
    wire = await market.floor.wire(market.vhost.broker.amqp)
    gateway = await market.gateway(broker=wire.port)
    await (await market.hand()).logged_in()
    wire.target_port = 1
    wire.cut()
    await gateway.until(event="courier_failed")
    wire.target_port = market.vhost.broker.amqp

    hand = await market.hand()
    answers = [await hand.log_in(number="try-0", force=True)]
    while answers[-1].name == "ErrResp" and len(answers) < 20:
        answers.append(await hand.log_in(number=f"try-{len(answers)}", force=True))

    assert answers[-1].name == "UserRprt"
    assert market.exchange.names() == ["LoginReq", "LogoutReq", "LoginReq"]
    await hand.trade("one")
