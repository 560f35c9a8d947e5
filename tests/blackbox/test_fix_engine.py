"""What the exchange may do to a good login: refuse it, leave it unanswered, close, be down; and a store that is away."""

import contextlib
import sqlite3

import pytest

from tests.blackbox.fix_peers import credentials, toy
from tests.blackbox.floor import Floor
from tests.blackbox.gated import SAME_CODE_AGAIN, Gated, config, gated, gateway_of
from tests.blackbox.ledger import closed
from tests.blackbox.ops_rig import status
from tests.blackbox.people import People

ONCE = 'totp.reuse = "never"\n'


async def test_the_engine_refuses_in_its_own_words(floor: Floor, people: People) -> None:
    stage = await gated(floor, people)
    await stage.engine.behave("refuse", "closed for lunch")

    await stage.algo.ask("logon")

    assert (await stage.algo.until("logout"))["text"].endswith("closed for lunch")
    await stage.gateway.until(event="session_ended", reason="upstream_refused")


async def test_an_engine_that_does_not_answer_is_timed_out(floor: Floor, people: People) -> None:
    engine = await floor.engine()
    await engine.behave("silent")
    gateway = await gateway_of(floor, people, config(engine.port, listener='answer_timeout = "1 s"'))
    algo = await floor.algo(gateway.port, **people.trader.algo())

    await algo.until("disconnect")
    await gateway.until(event="session_ended", reason="upstream_silent")
    await engine.behave("accept")

    await algo.until("logon")
    await closed(algo, engine)


async def test_an_engine_that_closes_during_the_login(floor: Floor, people: People) -> None:
    stage = await gated(floor, people)
    await stage.engine.behave("close")

    await stage.algo.ask("logon")
    await stage.algo.until("disconnect")
    await stage.gateway.until(event="session_ended", reason="upstream_closed")
    await stage.engine.behave("accept")

    await stage.algo.until("logon")
    books = await closed(stage.algo, stage.engine)
    assert books.in_order


@pytest.mark.req("BY-1", "BY-3")
async def test_while_the_engine_is_down_a_code_is_not_used_up(floor: Floor, people: People) -> None:
    stage = await gated(floor, people, policy=ONCE)
    await stage.engine.kill()
    await stage.algo.code("freeze")

    await stage.algo.ask("logon")
    told = (await stage.algo.until("logout"))["text"]
    await stage.gateway.until(event="session_ended", reason="upstream_unreachable")
    await stage.engine.start()
    await stage.engine.send(2)

    await stage.algo.until("logon")  # QuickFIX comes back by itself, with the very same code
    books = await closed(stage.algo, stage.engine)
    assert "the code was not used up" in told
    assert books.in_order
    assert books.to_client_difference == len(stage.algo.seen("logout"))
    assert stage.gateway.seen(event="login", outcome="refused") == []


async def order_filled(stage: Gated, name: str) -> None:
    """See an order through, both ways."""
    await stage.algo.order(name)
    await stage.algo.until("report", cl_ord_id=name, ord_status="2")


async def test_a_store_that_is_away_refuses_logins_and_leaves_live_sessions(floor: Floor, people: People) -> None:
    engine = await floor.engine("--target", "ALGO", "--target", "ALGO2")
    text = config(engine.port, policy=SAME_CODE_AGAIN).replace("[store]\n", '[store]\nstatement_timeout = "300 ms"\n')
    gateway = await gateway_of(floor, people, text)
    algo = await floor.algo(gateway.port, wait=True, **people.trader.algo())
    stage = Gated(algo, await floor.wire(gateway.port), gateway, engine, people.trader)
    await stage.log_in()
    second = await floor.algo(gateway.port, "--sender", "ALGO2", name="second", wait=True, **people.trader.algo())

    with contextlib.closing(sqlite3.connect(gateway.folder / "gateway.db", isolation_level=None)) as thief:
        thief.execute("BEGIN EXCLUSIVE")  # nobody else can write
        await second.ask("logon")
        await second.until("disconnect")
        await gateway.until(event="login", process="ALGO2", reason="unavailable")
        await order_filled(stage, "meanwhile")
        await status(gateway, "/readyz", 503)
        thief.execute("ROLLBACK")

    await second.until("logon")
    await order_filled(stage, "afterwards")
    assert second.seen("logout") == []
    assert gateway.seen(event="session_ended", user="trader", reason="client_lost") == []


@pytest.mark.req("M7-12", "M7-10")
async def test_a_lost_engine_ends_the_session_and_the_client_comes_back(floor: Floor, people: People) -> None:
    stage = await gated(floor, people)
    await stage.log_in()
    await order_filled(stage, "before")

    await stage.engine.kill()
    await stage.gateway.until(event="session_ended", reason="upstream_lost")
    await stage.algo.until("disconnect")
    await stage.engine.start()

    await stage.algo.until("logon")
    books = await closed(stage.algo, stage.engine)
    assert books.in_order
    assert books.to_engine_difference == 0


@pytest.mark.req("M7-10")
async def test_a_client_that_only_heard_nothing_needs_a_new_login(floor: Floor, people: People) -> None:
    """A message on a new connection is no login, whatever was open before."""
    engine = await floor.engine()
    gateway = await gateway_of(floor, people, config(engine.port))
    async with toy(gateway.port, people.trader) as client:
        await client.logon(credentials(people.trader))
        await client.drop()
        await gateway.until(event="session_ended", reason="client_lost")

        await client.connect()
        await client.order("A-1")
        await client.until(lambda: client.closed)

    await gateway.until(event="contact_refused", reason="not_a_login")
    assert (await engine.state()).received == []
