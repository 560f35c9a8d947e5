"""Refused Logons with QuickFIX on both sides, file stores and no resets: nobody loses a message (BY-1, BY-5)."""

import pytest

from tests.blackbox.floor import Floor
from tests.blackbox.gated import Gated, gated
from tests.blackbox.ledger import closed
from tests.blackbox.people import People

CELLS = [("FIX.4.2", 1), ("FIX.4.4", 1), ("FIX.4.4", 3), ("FIX.5.0SP2", 3)]


async def messages_waiting(stage: Gated) -> None:
    """Leave messages in both stores while the line is down."""
    await stage.engine.send(3)
    await stage.algo.orders(2, prefix="waiting")


@pytest.mark.req("BY-1")
@pytest.mark.parametrize(("version", "times"), CELLS)
async def test_refused_on_a_fresh_session(floor: Floor, people: People, version: str, times: int) -> None:
    stage = await gated(floor, people, version=version)

    await stage.be_refused(times)
    await messages_waiting(stage)
    await stage.log_in()

    books = await closed(stage.algo, stage.engine)
    assert books.in_order
    assert (books.to_client_difference, books.to_engine_difference) == (stage.refused, 0)


@pytest.mark.req("BY-1")
@pytest.mark.parametrize(("version", "times"), CELLS)
async def test_refused_after_an_orderly_logout(floor: Floor, people: People, version: str, times: int) -> None:
    stage = await gated(floor, people, version=version)
    await stage.log_in()
    await stage.algo.orders(3)
    await closed(stage.algo, stage.engine)
    await stage.log_out()

    await messages_waiting(stage)
    await stage.be_refused(times)
    await stage.log_in()

    books = await closed(stage.algo, stage.engine)
    assert books.in_order
    assert (books.to_client_difference, books.to_engine_difference) == (stage.refused, 0)


@pytest.mark.req("BY-1", "BY-5")
@pytest.mark.parametrize(("version", "times"), CELLS)
async def test_refused_after_a_line_broke_with_messages_in_flight(
    floor: Floor, people: People, version: str, times: int
) -> None:
    """A Logout would be counted in the place of a report that never arrived, so nothing is said."""
    stage = await gated(floor, people, version=version)
    await stage.log_in()
    await stage.algo.orders(2)
    await closed(stage.algo, stage.engine)
    await stage.break_line(reports=2)

    await messages_waiting(stage)
    await stage.be_refused(times, told=False)
    await stage.log_in()

    books = await closed(stage.algo, stage.engine)
    assert books.in_order
    assert (books.to_client_difference, books.to_engine_difference) == (0, 0)


@pytest.mark.req("BY-1")
async def test_refused_again_and_again_between_good_sessions(floor: Floor, people: People) -> None:
    stage = await gated(floor, people)

    for _ in range(3):
        await stage.be_refused()
        await messages_waiting(stage)
        await stage.log_in()
        await closed(stage.algo, stage.engine)
        await stage.log_out()
    await stage.log_in()

    books = await closed(stage.algo, stage.engine)
    assert books.in_order
    assert (books.to_client_difference, books.to_engine_difference) == (stage.refused, 0)
