"""QuickFIX as venues configure it: numbers that begin again at each Logon or Logout, NextExpectedMsgSeqNum(789); and an
attacker who knows the CompIDs (BY-1, BY-5).
"""

import json
import shutil

import pytest

from tests.blackbox.counterparties import Algo
from tests.blackbox.fix_peers import credentials, toy
from tests.blackbox.floor import Floor
from tests.blackbox.gated import gated
from tests.blackbox.ledger import closed
from tests.blackbox.people import People


@pytest.mark.req("BY-1")
async def test_an_algorithm_that_resets_on_every_logon(floor: Floor, people: People) -> None:
    stage = await gated(floor, people, options=("--reset-on-logon",))

    for number in range(2):
        await stage.be_refused(2)
        await stage.log_in()
        await stage.algo.orders(2, prefix=f"day-{number}")
        books = await closed(stage.algo, stage.engine, prefix=f"closing-{number}")
        await stage.log_out()

    assert books.in_order
    assert (books.to_client_difference, books.to_engine_difference) == (0, 0)


@pytest.mark.req("BY-1")
async def test_engines_that_reset_on_logout(floor: Floor, people: People) -> None:
    stage = await gated(floor, people, options=("--reset-on-logout",), engine_options=("--reset-on-logout",))
    await stage.log_in()
    await stage.algo.orders(2)
    await closed(stage.algo, stage.engine)
    await stage.log_out()

    await stage.be_refused(2)
    await stage.log_in()

    books = await closed(stage.algo, stage.engine, prefix="again")
    assert books.in_order
    assert books.to_engine_difference == 0


@pytest.mark.req("BY-1")
@pytest.mark.parametrize("in_flight", [False, True], ids=["all-arrived", "reports-in-flight"])
async def test_next_expected_tells_whether_a_logout_may_be_sent(floor: Floor, people: People, in_flight: bool) -> None:
    """After a broken line 789 shows what the client has got: it is told where that is all there was."""
    stage = await gated(floor, people, options=("--next-expected",))
    await stage.log_in()
    await stage.algo.orders(2)
    await closed(stage.algo, stage.engine)
    await stage.break_line(reports=2 if in_flight else 0)

    await stage.be_refused(told=not in_flight)
    await stage.engine.send(2)
    await stage.log_in()

    books = await closed(stage.algo, stage.engine)
    assert books.in_order
    assert (books.to_client_difference, books.to_engine_difference) == (len(stage.algo.seen("logout")), 0)


@pytest.mark.req("BY-1", "BY-2")
async def test_an_attacker_who_knows_the_comp_ids_moves_no_number(floor: Floor, people: People) -> None:
    """Forged Logons between sessions and beside a live one; the client counts its own refusals all the same."""
    stage = await gated(floor, people)
    who = stage.person
    await stage.log_in()
    await stage.algo.orders(2)
    await closed(stage.algo, stage.engine)

    for first in (1, 500):
        async with toy(stage.gateway.port, who) as attacker:
            attacker.session.next_out = first
            await attacker.logon(credentials(who, who.wrong_code(first)), reset=first > 1)
    await stage.log_out()
    for first in (1, 2, 500):
        async with toy(stage.gateway.port, who) as attacker:
            attacker.session.next_out = first
            await attacker.logon(credentials(who, who.wrong_code(first)))
    await stage.engine.send(2)
    await stage.be_refused()
    await stage.log_in()

    books = await closed(stage.algo, stage.engine)
    assert books.in_order
    assert books.to_engine_difference == 0


@pytest.mark.req("BY-1", "BY-5")
async def test_the_engine_logs_out_and_the_next_refusal_is_told(floor: Floor, people: People) -> None:
    stage = await gated(floor, people)
    await stage.log_in()
    await stage.algo.orders(2)
    await closed(stage.algo, stage.engine)
    await stage.algo.code(stage.person.wrong_code())

    await stage.engine.ask("logout", text="end of day")
    await stage.engine.until("disconnect")
    await stage.gateway.until_recorded("session.ended")
    await stage.engine.ask("logon")
    await stage.engine.send(2)
    await stage.be_refused()
    await stage.log_in()

    books = await closed(stage.algo, stage.engine)
    assert books.in_order
    assert (books.to_client_difference, books.to_engine_difference) == (stage.refused, 0)


@pytest.mark.req("BY-5")
async def test_kicked_right_after_a_login_that_showed_a_gap(floor: Floor, people: People) -> None:
    stage = await gated(floor, people, options=("--logon-timeout", "60"))
    await stage.log_in()
    await stage.algo.orders(2)
    await closed(stage.algo, stage.engine)
    await stage.break_line(reports=3)
    await stage.engine.send(20)
    stage.wire.back.hold()  # it has not seen the Logon's answer, so it has asked for nothing yet
    await stage.algo.code("auto")
    await stage.algo.ask("logon")
    await stage.gateway.until_recorded("session.started", 2)

    (session,) = json.loads(await stage.gateway.run("sessions", "--json"))
    await stage.gateway.run("kick", session["id"])
    await stage.gateway.until_recorded("session.ended", 2)
    stage.wire.back.release()
    await stage.algo.until("logon")

    books = await closed(stage.algo, stage.engine)
    assert books.in_order
    assert books.to_engine_difference == 0


@pytest.mark.req("BY-1")
async def test_a_client_with_a_new_store_and_an_engine_with_its_old_one(floor: Floor, people: People) -> None:
    """Nobody can help there without a reset: the engine says what is wrong, and a Logon with 141=Y puts it right."""
    stage = await gated(floor, people)
    await stage.be_refused(2)
    await stage.log_in()
    await stage.algo.orders(2)
    await closed(stage.algo, stage.engine)
    await stage.log_out()
    await renew(stage.algo)

    await stage.be_refused()
    stage.algo.forget("logout")
    await stage.algo.code("auto")
    await stage.algo.ask("logon")
    refusal = await stage.algo.until("logout")
    await stage.algo.ask("logout")
    await stage.algo.logon(reset=True)

    assert "MsgSeqNum too low" in refusal["text"]
    books = await closed(stage.algo, stage.engine, prefix="renewed")
    assert books.in_order
    assert (books.to_client_difference, books.to_engine_difference) == (0, 0)


async def renew(algo: Algo) -> None:
    """Take its store away."""
    await algo.kill()
    shutil.rmtree(algo.store)
    await algo.start()
