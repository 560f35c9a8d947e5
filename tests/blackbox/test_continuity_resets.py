"""Holes survive the gateway, and are forgotten exactly when the numbers begin again (BY-1)."""

import shutil

import pytest

from tests.blackbox.counterparties import Algo, Side
from tests.blackbox.floor import Floor
from tests.blackbox.gated import Gated, config, gated, gateway_of
from tests.blackbox.ledger import closed
from tests.blackbox.people import People
from tests.blackbox.toy_peers import CountingEngine
from tests.blackbox.toy_session import ToySession


@pytest.mark.req("BY-1")
@pytest.mark.parametrize("crash", [False, True], ids=["SIGTERM", "SIGKILL"])
async def test_the_gateway_restarts_between_refusal_and_good_logon(floor: Floor, people: People, crash: bool) -> None:
    stage = await gated(floor, people)
    await stage.be_refused(2)
    await stage.engine.send(2)

    await stage.gateway.restart(crash=crash)
    await stage.log_in()

    books = await closed(stage.algo, stage.engine)
    assert books.in_order
    assert (books.to_client_difference, books.to_engine_difference) == (stage.refused, 0)


@pytest.mark.req("BY-1", "BY-5")
async def test_after_a_crash_in_a_session_a_refusal_is_silent_and_nothing_is_lost(floor: Floor, people: People) -> None:
    stage = await gated(floor, people)
    await stage.be_refused()
    await stage.log_in()
    await stage.algo.orders(2)
    await closed(stage.algo, stage.engine)
    holes = stage.refused
    stage.wire.forth.hold()  # its Logout must not come before the crash
    await stage.algo.ask("logout")  # it is away before the gateway comes back
    await stage.algo.code(stage.person.wrong_code())

    await stage.gateway.kill()
    stage.wire.cut()
    await stage.algo.until("disconnect")
    await stage.engine.send(3)
    await stage.gateway.start()
    await stage.be_refused(told=False)
    await stage.log_in()

    books = await closed(stage.algo, stage.engine)
    assert books.in_order
    assert (books.to_client_difference, books.to_engine_difference) == (holes, 0)


@pytest.mark.req("BY-1")
async def test_a_logon_with_reset_clears_the_holes(floor: Floor, people: People) -> None:
    stage = await gated(floor, people)
    await stage.be_refused(2)

    await stage.algo.code("auto")
    await stage.algo.logon(reset=True)

    books = await closed(stage.algo, stage.engine)
    assert books.in_order
    assert (books.to_client_difference, books.to_engine_difference) == (0, 0)


@pytest.mark.req("BY-1", "BY-2")
async def test_a_refused_logon_with_reset_resets_nobody_and_the_next_one_works(floor: Floor, people: People) -> None:
    stage = await gated(floor, people)
    await stage.log_in()
    await stage.algo.orders(2)
    before = await closed(stage.algo, stage.engine)
    await stage.log_out()

    await stage.algo.code(stage.person.wrong_code())
    await stage.algo.ask("logon", reset=True)
    await stage.algo.until("logout")
    assert (await stage.engine.state()).next_target >= before.engine.next_target
    await stage.algo.code("auto")
    await stage.algo.until("logon")

    books = await closed(stage.algo, stage.engine)
    assert books.in_order
    assert (books.to_client_difference, books.to_engine_difference) == (0, 0)


@pytest.mark.req("BY-1")
async def test_a_reset_in_the_middle_of_the_session_clears_the_holes(floor: Floor, people: People) -> None:
    """A 24-hour session begins its numbers again without a new connection."""
    stage = await gated(floor, people)
    await stage.be_refused(2)
    await stage.log_in()
    await stage.algo.orders(2)
    await closed(stage.algo, stage.engine)

    stage.algo.forget("logon-received")
    await stage.algo.ask("reset")
    await stage.algo.until("logon-received", seq="1")
    await stage.engine.send(2)

    books = await closed(stage.algo, stage.engine)
    assert books.in_order
    assert (books.to_client_difference, books.to_engine_difference) == (0, 0)
    assert books.algo.next_sender < 5


@pytest.mark.req("BY-1")
async def test_a_reset_that_the_engine_begins_clears_the_holes(floor: Floor, people: People) -> None:
    """The exchange is one by hand: two QuickFIX engines answer each other's 141=Y without end."""
    who = people.trader
    async with CountingEngine(ToySession("EXCHANGE", who.sender)) as engine:
        gateway = await gateway_of(floor, people, config(engine.port))
        algo = await floor.algo(gateway.port, wait=True, **who.algo())
        stage = Gated(algo, await floor.wire(gateway.port), gateway, engine, who)
        await stage.be_refused(2)
        await stage.log_in()
        await filled(algo, "before")
        before = len(engine.messages)

        await engine.reset()
        await engine.until(lambda: engine.session.next_in == 2)
        await filled(algo, "after")

        (answer,) = (message for message in engine.messages[before:] if message.type == "A")
        assert (answer.seq, answer[141], answer.get(20030)) == (1, "Y", "")
        assert numbers(await algo.state()) == (engine.session.next_in, engine.session.next_out) == (3, 3)

        await stage.log_out()
        await stage.be_refused()
        await stage.log_in()
        await filled(algo, "again")

        assert numbers(await algo.state()) == (engine.session.next_in, engine.session.next_out + 1)
        assert engine.cl_ord_ids == {"before": 1, "after": 1, "again": 1}
        assert engine.session.faults == []


async def filled(algo: Algo, cl_ord_id: str) -> None:
    """Send an order and see it filled and counted."""
    await algo.order(cl_ord_id)
    await algo.until("report", cl_ord_id=cl_ord_id, ord_status="2")
    await algo.counted()


def numbers(side: Side) -> tuple[int, int]:
    """The next MsgSeqNums of a store: its own and the other side's."""
    return side.next_sender, side.next_target


async def overnight(stage: Gated) -> None:
    """Both engines begin again with empty stores, and neither says so (no 141)."""
    for side in (stage.algo, stage.engine):
        await side.kill()
        shutil.rmtree(side.store)
        await side.start()


@pytest.mark.req("BY-1")
@pytest.mark.parametrize("refused", [0, 1, 3])
async def test_both_engines_begin_again_overnight(floor: Floor, people: People, refused: int) -> None:
    stage = await gated(floor, people)
    await stage.be_refused(2)
    await stage.log_in()
    await stage.algo.orders(3, prefix="yesterday")
    await closed(stage.algo, stage.engine)
    await stage.log_out()
    yesterday = stage.refused

    await overnight(stage)
    if refused:
        await stage.be_refused(refused)
    await stage.log_in()
    await stage.algo.orders(2, prefix="today")

    books = await closed(stage.algo, stage.engine, prefix="today-closing")
    assert books.in_order
    assert (books.to_client_difference, books.to_engine_difference) == (stage.refused - yesterday, 0)
