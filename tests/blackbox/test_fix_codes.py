"""Codes, failures and locks as a trading client meets them on the wire (M7, TW, RFC 6238, BY-3)."""

import asyncio
import copy
import json
from typing import Any

import pytest

from tests.blackbox.fix_bytes import parse
from tests.blackbox.fix_peers import credentials, logon, toy
from tests.blackbox.floor import Floor
from tests.blackbox.gated import config, gated, gateway_of
from tests.blackbox.gateway_process import PATIENCE, GatewayProcess
from tests.blackbox.ledger import closed
from tests.blackbox.people import People, Person
from tests.blackbox.toy_peers import CountingEngine, ToyFixInitiator
from tests.blackbox.toy_session import ToySession

ONCE = 'totp.reuse = "never"\n'
WITHIN_STEP = 'totp.reuse = "within_step"\n'


async def shown(gateway: GatewayProcess, name: str) -> dict[str, Any]:
    """What `gateway user show` says."""
    return dict(json.loads(await gateway.run("user", "show", name, "--json")))


async def new_code(person: Person) -> None:
    """Wait for the next time step, which a code that was not used yet belongs to."""
    await asyncio.sleep(person.seconds_left() + 0.05)


async def half_a_step(person: Person) -> None:
    """Make sure that the code of now holds for a while."""
    if person.seconds_left() < person.period / 2:
        await new_code(person)


@pytest.mark.req("M7-9")
async def test_the_same_code_is_good_for_a_second_login_within_its_step(floor: Floor, people: People) -> None:
    engine = await floor.engine("--target", "ALGO", "--target", "ALGO2")
    gateway = await gateway_of(floor, people, config(engine.port, policy=WITHIN_STEP))
    who = people.trader
    await half_a_step(who)
    code = who.code()
    second = ToyFixInitiator(gateway.port, ToySession("ALGO2", "EXCHANGE"))
    async with toy(gateway.port, who) as first, second:
        assert await first.logon(credentials(who, code)) == "A"
        assert await second.logon(credentials(who, code)) == "A"


@pytest.mark.req("M7-9", "BY-8")
async def test_a_code_is_good_once_where_it_may_not_be_used_again(floor: Floor, people: People) -> None:
    engine = await floor.engine("--target", "ALGO", "--target", "ALGO2")
    gateway = await gateway_of(floor, people, config(engine.port, policy=ONCE))
    who = people.trader
    await half_a_step(who)
    code = who.code()
    second = ToyFixInitiator(gateway.port, ToySession("ALGO2", "EXCHANGE"))
    async with toy(gateway.port, who) as first, second:
        assert await first.logon(credentials(who, code)) == "A"
        assert await second.logon(credentials(who, code)) == "5"

    await gateway.until(event="login", process="ALGO2", reason="replayed_code")


@pytest.mark.req("M7-9", "BY-4")
async def test_of_two_hundred_parallel_logins_with_one_code_one_wins(floor: Floor, people: People) -> None:
    crowd = "max_pending_logins_per_address = 500\nmax_connections_per_address = 500\n"
    policy = ONCE + "lockout.threshold = 100\nlockout.address_budget = 1000\n"
    who = people.trader
    async with CountingEngine(ToySession("EXCHANGE", "ALGO")) as engine:
        gateway = await gateway_of(floor, people, config(engine.port, policy=policy, listener=crowd))
        await half_a_step(who)
        raw = logon(credentials(who))

        async def try_it() -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            writer.write(raw)
            try:
                return await reader.readuntil(b"\x0110=")
            except asyncio.IncompleteReadError as nothing:
                return nothing.partial
            except ConnectionError:
                return b""
            finally:
                writer.close()

        async with asyncio.timeout(2 * PATIENCE):
            answers = await asyncio.gather(*(try_it() for _ in range(200)))

        await gateway.until(event="login", outcome="admitted")
        assert sum(b"\x0135=A\x01" in answer for answer in answers) == 1
        assert [message.type for message in engine.messages].count("A") == 1
        assert len(gateway.seen(event="login", outcome="admitted")) == 1


@pytest.mark.req("BY-3", "M7-11")
async def test_a_stale_code_sent_again_on_every_reconnect_counts_once(floor: Floor, people: People) -> None:
    stage = await gated(floor, people, policy=ONCE + "lockout.threshold = 3\n")
    await stage.algo.code(stage.person.code(-8))

    await stage.algo.ask("logon")
    texts = [(await stage.algo.until("logout"))["text"] for _ in range(4)]
    shown_now = await shown(stage.gateway, "trader")
    await stage.algo.code("auto")
    await stage.algo.until("logon")

    assert all("retry with a new code in" in text for text in texts)
    assert (shown_now["failures"], shown_now["locked"]) == (1, False)
    first, *others = (line["reason"] for line in (await stage.gateway.logins(4))[:4])
    assert (first, set(others)) == ("stale_code", {"repeated"})
    books = await closed(stage.algo, stage.engine)
    assert books.in_order


@pytest.mark.req("M7-11", "TW-5", "SF-8")
async def test_failures_in_a_row_lock_the_account_until_operations_unlock_it(floor: Floor, people: People) -> None:
    stage = await gated(floor, people, policy=WITHIN_STEP + "lockout.threshold = 3\n")
    for number in range(3):
        await stage.algo.code(stage.person.wrong_code(number))
        await stage.algo.ask("logon")
        await stage.until(lambda: len(stage.gateway.seen(event="login", reason="bad_code")) > number)  # noqa: B023
    await stage.algo.code("auto")
    await stage.gateway.until(event="login", reason="locked")
    stage.algo.forget("logout")
    text = (await stage.algo.until("logout"))["text"]

    assert (await shown(stage.gateway, "trader"))["locked"]
    assert int(text.rsplit(maxsplit=2)[1]) > 800  # TW-5: at least 15 minutes
    assert stage.engine.seen("logon-received") == []

    await stage.gateway.run("user", "unlock", "trader", "--proof", "called back")
    await stage.algo.until("logon")
    books = await closed(stage.algo, stage.engine)
    assert books.in_order


@pytest.mark.req("M7-11")
async def test_a_good_login_between_them_ends_a_row_of_failures(floor: Floor, people: People) -> None:
    engine = await floor.engine()
    gateway = await gateway_of(floor, people, config(engine.port, policy=WITHIN_STEP + "lockout.threshold = 2\n"))
    who = people.trader
    async with toy(gateway.port, who) as client:
        for number in range(3):
            assert await client.logon(credentials(who, who.wrong_code(number))) == "5"
            assert await client.logon(credentials(who)) == "A"
            await client.logout()
            await gateway.until_recorded("session.ended", number + 1)


@pytest.mark.req("M7-10", "M7-8", "BY-1")
async def test_a_dropped_line_needs_a_new_login_with_a_new_code(floor: Floor, people: People) -> None:
    quick = people.quick
    engine = await floor.engine("--target", "QUICK")
    gateway = await gateway_of(floor, people, config(engine.port, policy=ONCE))
    options = ("--sender", "QUICK", "--period", str(quick.period))
    algo = await floor.algo(gateway.port, *options, wait=True, **quick.algo())
    await algo.code("freeze")
    await new_code(quick)
    await algo.code("freeze")
    await algo.logon()
    await algo.orders(1)

    await algo.ask("drop")  # QuickFIX reconnects by itself with the code that it used before
    await gateway.until(event="session_ended", reason="client_lost")
    refusal = await gateway.until(event="login", outcome="refused")
    await new_code(quick)
    await algo.code("auto")
    await algo.until("logon")

    assert refusal["reason"] in {"replayed_code", "stale_code"}
    books = await closed(algo, engine)
    assert books.in_order


@pytest.mark.req("M7-12", "TW-12")
async def test_a_vanished_client_is_noticed_and_its_place_is_free(floor: Floor, people: People) -> None:
    stage = await gated(floor, people)
    await stage.log_in()
    (live,) = json.loads(await stage.gateway.run("sessions", "--json"))

    await stage.algo.kill()
    await stage.gateway.until(event="session_ended", reason="client_lost")
    await stage.gateway.until_recorded("session.ended")
    await stage.engine.until("disconnect")

    assert (live["user"], live["process"], live["address"]) == ("trader", "ALGO", "127.0.0.1")
    assert json.loads(await stage.gateway.run("sessions", "--json")) == []


@pytest.mark.req("M7-3", "CQ-2")
async def test_a_user_without_an_authenticator_is_told_so(floor: Floor, people: People) -> None:
    engine = await floor.engine("--target", "BARE")
    portal = '[portal]\nurl = "https://portal.example/"\n[[route]]'
    gateway = await gateway_of(floor, people, config(engine.port).replace("[[route]]", portal, 1))
    async with toy(gateway.port, people.bare) as client:
        assert await client.logon(credentials(people.bare, "123456")) == "5"

        assert "no authenticator" in client.session.admin[-1][58]
        assert "https://portal.example/" in client.session.admin[-1][58]


@pytest.mark.req("TW-1", "M7-13")
async def test_a_good_code_of_one_opens_no_session_of_another(floor: Floor, people: People) -> None:
    engine = await floor.engine("--target", "ALGO", "--target", "OTHER")
    gateway = await gateway_of(floor, people, config(engine.port))
    stranger = ToyFixInitiator(gateway.port, ToySession("OTHER", "EXCHANGE"))
    async with toy(gateway.port, people.other) as owner, stranger:
        assert await owner.logon(credentials(people.other)) == "A"

        assert await stranger.logon(credentials(people.trader)) == ""
        await gateway.until(event="login", user="trader", process="OTHER", reason="not_bound")
        await owner.order("A-1")
        await owner.until(lambda: len(owner.exec_ids) == 2)


@pytest.mark.req("TW-1", "BY-5")
async def test_a_second_login_of_the_same_takes_over_and_loses_nothing(floor: Floor, people: People) -> None:
    engine = await floor.engine()
    gateway = await gateway_of(floor, people, config(engine.port))
    who = people.trader
    async with toy(gateway.port, who) as first:
        await first.logon(credentials(who))
        await first.order("A-1")
        await first.until(lambda: len(first.exec_ids) == 2)
        session = copy.deepcopy(first.session)  # the two lines end and begin in either order
        session.disconnected()
        second = ToyFixInitiator(gateway.port, session)
        async with second:
            await second.connect()
            await second.send(session.logon(credentials(who)))
            await second.until(lambda: session.logged_on)
            await second.order("A-2")
            await second.until(lambda: len(second.exec_ids) == 4)

            assert session.faults == first.session.faults == []
            assert (await engine.state()).received == ["A-1", "A-2"]
            await gateway.until(event="session_ended", reason="replaced")


@pytest.mark.req("TW-1", "SF-6")
async def test_a_user_has_no_more_sessions_than_allowed(floor: Floor, people: People) -> None:
    engine = await floor.engine("--target", "ALGO", "--target", "ALGO2")
    gateway = await gateway_of(floor, people, config(engine.port, policy=WITHIN_STEP + "sessions.max_per_user = 1\n"))
    who = people.trader
    second = ToyFixInitiator(gateway.port, ToySession("ALGO2", "EXCHANGE"))
    async with toy(gateway.port, who) as first, second:
        assert await first.logon(credentials(who)) == "A"
        assert await second.logon(credentials(who)) == "5"

        assert parse(bytes(second.raw))[58] == "Login refused: too many sessions of this user"
