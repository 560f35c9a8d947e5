"""A live session is ended by the gateway: the client is told why, and no message in flight is lost (BY-5)."""

import asyncio
import json

import pytest

from tests.blackbox.floor import Floor
from tests.blackbox.gated import SAME_CODE_AGAIN, Gated, gated
from tests.blackbox.ledger import closed
from tests.blackbox.people import People

IDLE = SAME_CODE_AGAIN + 'sessions.idle = "5 s"\n'


async def kick(stage: Gated) -> None:
    """End the only live session, as operations do."""
    sessions = json.loads(await stage.gateway.run("sessions", "--json"))
    await stage.gateway.run("kick", sessions[0]["id"])


def told(stage: Gated) -> list[str]:
    """What the algorithm read in the Logouts that it got."""
    return [event["text"] for event in stage.algo.seen("logout")]


@pytest.mark.req("BY-5")
async def test_kicked_with_messages_racing_both_ways(floor: Floor, people: People) -> None:
    stage = await gated(floor, people)
    await stage.log_in()
    await stage.algo.orders(1)
    await closed(stage.algo, stage.engine)

    kicking = asyncio.create_task(kick(stage))
    while not stage.gateway.seen(event="session_ended") and len(stage.engine.seen("order")) < 1000:
        await asyncio.gather(stage.algo.orders(5, prefix="racing"), stage.engine.send(5))
        await asyncio.sleep(0.02)
    await kicking
    await stage.gateway.until(event="session_ended", reason="kicked")
    await stage.algo.until("logon")  # QuickFIX comes back by itself

    books = await closed(stage.algo, stage.engine)
    assert books.engine.received == books.algo.sent
    assert books.to_engine_difference == 0
    assert books.to_client_difference == len(told(stage)) == 1
    assert "operations" in told(stage)[0]


@pytest.mark.req("SF-10", "SF-9", "BY-5")
async def test_heartbeats_do_not_keep_an_idle_session_alive(floor: Floor, people: People) -> None:
    stage = await gated(floor, people, policy=IDLE, options=("--heartbeat", "1"))
    await stage.log_in()
    await stage.algo.orders(1)
    await closed(stage.algo, stage.engine)

    await stage.algo.until("logout")
    await stage.algo.ask("logout")  # and stays away
    await stage.gateway.until(event="session_ended", reason="idle")
    await stage.engine.send(2)
    await stage.log_in()

    books = await closed(stage.algo, stage.engine)
    assert books.in_order
    assert (books.to_client_difference, books.to_engine_difference) == (len(told(stage)), 0)
    assert "idle" in told(stage)[0]
    assert bytes(stage.wire.forth.seen).count(b"\x0135=0\x01") >= 2


@pytest.mark.req("SF-9")
async def test_a_busy_session_ends_with_its_lifetime(floor: Floor, people: People) -> None:
    stage = await gated(floor, people, policy=SAME_CODE_AGAIN + 'sessions.lifetime = "3 s"\n')
    await stage.log_in()

    for number in range(400):
        await stage.algo.order(f"busy-{number}")
        if stage.gateway.seen(event="session_ended", reason="lifetime"):
            break
        await asyncio.sleep(0.02)

    await stage.algo.until("logout")
    await stage.algo.until("logon")
    books = await closed(stage.algo, stage.engine)
    assert books.in_order
    assert "lifetime" in told(stage)[0]


@pytest.mark.req("BY-5")
async def test_a_resend_across_the_hole_of_a_logout_that_never_arrived(floor: Floor, people: People) -> None:
    stage = await gated(floor, people)
    await stage.log_in()
    await stage.algo.orders(1)
    before = await closed(stage.algo, stage.engine)

    await stage.algo.code(stage.person.wrong_code())
    stage.wire.back.hold()
    lost = await stage.engine.send(2)
    await stage.wire.back.until(lost[-1].encode())
    await kick(stage)
    await stage.gateway.until(event="session_ended", reason="kicked")
    await stage.wire.back.until(b"operations")
    await stage.algo.ask("logout")
    stage.wire.cut()
    await stage.algo.until("disconnect")
    await stage.engine.send(2)
    await stage.log_in()

    books = await closed(stage.algo, stage.engine)
    assert stage.engine.seen("resend-request")
    assert books.in_order
    assert (books.to_client_difference, books.to_engine_difference) == (1, 0)
    assert before.to_client_difference == 0


@pytest.mark.req("BY-5", "M7-10")
async def test_a_stopping_gateway_says_goodbye_and_loses_nothing(floor: Floor, people: People) -> None:
    stage = await gated(floor, people)
    await stage.log_in()
    await stage.algo.orders(1)
    await closed(stage.algo, stage.engine)

    await stage.gateway.terminate()
    await stage.algo.until("logout")
    await stage.engine.send(2)
    await stage.gateway.start()
    await stage.algo.until("logon")

    books = await closed(stage.algo, stage.engine)
    assert books.in_order
    assert (books.to_client_difference, books.to_engine_difference) == (1, 0)
    assert "stopping" in told(stage)[0]


@pytest.mark.req("TW-5")
async def test_a_disabled_user_is_logged_out_at_once(floor: Floor, people: People) -> None:
    stage = await gated(floor, people)
    await stage.log_in()

    await stage.gateway.run("user", "disable", "trader")

    assert "access was changed" in (await stage.algo.until("logout"))["text"]
    await stage.gateway.until(event="session_ended", reason="right_removed")
    await stage.gateway.until(event="login", reason="disabled")
