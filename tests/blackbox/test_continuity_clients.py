"""A client engine that does not count the gateway's Logout, and ResendRequests over holes, byte for byte (BY-1, BY-5)."""

import json

import pytest

from tests.blackbox.fix_peers import credentials, toy
from tests.blackbox.floor import Floor
from tests.blackbox.gated import config, gateway_of
from tests.blackbox.people import People
from tests.blackbox.toy_peers import ToyFixInitiator

COUNTING = pytest.mark.parametrize("counts", [True, False], ids=["counts", "does-not-count"])


async def all_reports(client: ToyFixInitiator, count: int) -> None:
    """Wait for so many reports, each once, in the engine's order, and for a client that found no fault."""
    await client.until(lambda: len(client.exec_ids) == count)
    assert set(client.exec_ids.values()) == {1}
    assert client.session.faults == []


@pytest.mark.req("BY-1")
@COUNTING
async def test_refused_on_a_fresh_session(floor: Floor, people: People, counts: bool) -> None:
    engine = await floor.engine()
    gateway = await gateway_of(floor, people, config(engine.port))
    who = people.trader
    async with toy(gateway.port, who, counts_logout=counts) as client:
        for _ in range(2):
            assert await client.logon(credentials(who, who.wrong_code())) == "5"
        await engine.send(2)

        assert await client.logon(credentials(who)) == "A"
        await client.order("A-1")

        await all_reports(client, 4)
        assert (await engine.state()).received == ["A-1"]
        assert client.session.next_in == (await engine.state()).next_sender + 2


@pytest.mark.req("BY-1")
@COUNTING
async def test_refused_after_an_orderly_logout(floor: Floor, people: People, counts: bool) -> None:
    engine = await floor.engine()
    gateway = await gateway_of(floor, people, config(engine.port))
    who = people.trader
    async with toy(gateway.port, who, counts_logout=counts) as client:
        await client.logon(credentials(who))
        await client.order("A-1")
        await all_reports(client, 2)
        await client.logout()
        await gateway.until_recorded("session.ended")
        await engine.send(3)

        for _ in range(3):
            assert await client.logon(credentials(who, who.wrong_code())) == "5"
        assert await client.logon(credentials(who)) == "A"

        await all_reports(client, 5)


@pytest.mark.req("BY-5")
@COUNTING
async def test_kicked_with_reports_waiting(floor: Floor, people: People, counts: bool) -> None:
    engine = await floor.engine()
    gateway = await gateway_of(floor, people, config(engine.port))
    who = people.trader
    async with toy(gateway.port, who, counts_logout=counts) as client:
        await client.logon(credentials(who))
        await client.order("A-1")
        await all_reports(client, 2)
        (session,) = json.loads(await gateway.run("sessions", "--json"))
        await gateway.run("kick", session["id"])
        await client.until(lambda: client.closed)
        assert "operations" in client.session.admin[-1][58]
        await engine.until("disconnect")
        await engine.send(2)

        assert await client.logon(credentials(who)) == "A"
        await client.order("A-2")

        await all_reports(client, 6)
        assert (await engine.state()).received == ["A-1", "A-2"]


@pytest.mark.req("BY-1", "BY-5")
async def test_a_resend_request_over_holes_is_answered_by_both(floor: Floor, people: People) -> None:
    """Holes 1 and 2 are the gateway's to fill, all else is the engine's, in order and without a gap."""
    engine = await floor.engine()
    gateway = await gateway_of(floor, people, config(engine.port))
    who = people.trader
    async with toy(gateway.port, who) as client:
        for _ in range(2):
            await client.logon(credentials(who, who.wrong_code()))
        await client.logon(credentials(who))
        await client.order("A-1", "A-2")
        await all_reports(client, 4)
        highest = client.session.next_in - 1
        client.session.next_in, client.session.asked_up_to = 1, highest  # as one that lost its store of what came in
        client.session.taken.clear()

        await client.send(client.session.message("2", [(7, 1), (16, highest)]))
        await client.until(lambda: client.session.next_in == highest + 1)

        await all_reports(client, 4)


@pytest.mark.req("BY-1")
async def test_a_resend_request_for_holes_only_never_reaches_the_engine(floor: Floor, people: People) -> None:
    engine = await floor.engine()
    gateway = await gateway_of(floor, people, config(engine.port))
    who = people.trader
    async with toy(gateway.port, who) as client:
        for _ in range(2):
            await client.logon(credentials(who, who.wrong_code()))
        await client.logon(credentials(who))
        client.raw.clear()

        await client.send(client.session.message("2", [(7, 1), (16, 2)]))
        await client.until(lambda: b"\x01123=Y\x0136=3\x01" in client.raw)
        await client.order("A-1")
        await all_reports(client, 2)

        assert engine.seen("resend-request", begin="1") == []
