"""PostgreSQL under the gateway: the login path, two gateways as one, and a database that goes away and comes back."""

import pytest

from tests.blackbox.ops_peers import Client, Exchange
from tests.blackbox.ops_rig import WITHIN_STEP, add_user, audit_is_whole, config, database, live, status

NEVER = 'totp.reuse = "never"'


async def a_gateway(floor, exchange, place, *, name="gateway", policy=WITHIN_STEP, port=0):
    text = config(exchange.port, store=place.url(port), store_more='statement_timeout = "2 s"', policy=policy)
    return await floor.gateway(text, name=name, **place.environment)


@pytest.fixture
async def place():
    async with database() as here:
        yield here


@pytest.fixture
async def exchange():
    async with Exchange() as here:
        yield here


@pytest.mark.req("M7-1", "M7-10", "BY-6")
async def test_the_whole_login_path_works_on_postgresql(floor, place, exchange):
    gateway = await a_gateway(floor, exchange, place, policy=NEVER)
    person = await add_user(gateway, "trader", "ALGO")
    async with Client(gateway.port, person) as client:
        code = person.code()
        assert await client.log_in(person.wrong_code()) == "5"
        assert await client.log_in(code) == "A"
        await client.trade("one")
        assert [row["process"] for row in await live(gateway)] == ["ALGO"]
        await client.logout()
        await gateway.until(event="session_ended", reason="logout")

        assert await client.log_in(code) == "5"

        await gateway.until(event="login", reason="replayed_code")
        assert client.session.faults == []
        assert exchange.orders("ALGO") == ["one"]
    assert await live(gateway) == []
    await audit_is_whole(gateway)


@pytest.mark.req("M7-9", "BY-3")
async def test_a_code_used_at_one_gateway_is_refused_at_the_other(floor, place, exchange):
    one = await a_gateway(floor, exchange, place, name="one", policy=NEVER)
    other = await a_gateway(floor, exchange, place, name="other", policy=NEVER)
    person = await add_user(one, "trader", "ALGO", "ALGO2")
    async with Client(one.port, person) as first, Client(other.port, person, "ALGO2") as second:
        code = person.code()
        assert await first.log_in(code) == "A"

        assert await second.log_in(code) == "5"

        await other.until(event="login", reason="replayed_code")
        await first.trade("undisturbed")


@pytest.mark.req("M7-11", "TW-5", "SF-8")
async def test_wrong_codes_spread_over_two_gateways_lock_on_both(floor, place, exchange):
    gateways = [await a_gateway(floor, exchange, place, name=name) for name in ("one", "other")]
    person = await add_user(gateways[0], "trader", "ALGO")
    near = {person.code(step) for step in range(-5, 6)}
    wrong = [code for code in map("{:06}".format, range(100, 120)) if code not in near][:5]
    for number, code in enumerate(wrong):
        async with Client(gateways[number % 2].port, person) as client:
            assert await client.log_in(code) == "5"

    for gateway in gateways:
        async with Client(gateway.port, person) as client:
            assert await client.log_in() == "5"
        await gateway.until(event="login", reason="locked")
    assert exchange.logons == []


@pytest.mark.req("TW-12", "SF-12")
async def test_a_kick_given_at_one_gateway_ends_the_session_at_the_other(floor, place, exchange):
    one = await a_gateway(floor, exchange, place, name="one")
    other = await a_gateway(floor, exchange, place, name="other")
    person = await add_user(one, "trader", "ALGO", "ALGO2")
    async with Client(other.port, person) as client, Client(one.port, person, "ALGO2") as bystander:
        assert (await client.log_in(), await bystander.log_in()) == ("A", "A")
        session = next(row["id"] for row in await live(one) if row["process"] == "ALGO")

        await one.run("kick", session)

        await client.be_ended()
        assert "operations" in client.text
        await other.until(event="session_ended", reason="kicked", session=session)
        await bystander.trade("undisturbed")


@pytest.mark.req("TW-1", "BY-5")
async def test_a_login_at_the_other_gateway_takes_the_stream_over_and_loses_no_number(floor, place, exchange):
    one = await a_gateway(floor, exchange, place, name="one")
    other = await a_gateway(floor, exchange, place, name="other")
    person = await add_user(one, "trader", "ALGO")
    async with Client(one.port, person) as client:
        assert await client.log_in() == "A"
        await client.trade("at-one")
        session = client.session
        async with Client(other.port, person) as again:
            again.session.next_out = session.next_out  # the same engine at another host

            assert await again.log_in() == "A"

            await one.until(event="session_ended", reason="replaced")
            await client.be_ended()
            assert "newer login" in client.text
            assert [row["node"] for row in await live(one)] == [row["node"] for row in await live(other)]
            await again.trade("at-other")
            assert exchange.orders("ALGO") == ["at-one", "at-other"]
            assert again.exec_ids == {"exec-at-one": 1, "exec-at-other": 1}
            assert again.session.faults == []


@pytest.mark.req("M7-10", "BY-6")
async def test_without_its_database_sessions_stay_logins_are_refused_and_all_is_well_when_it_is_back(
    floor, place, exchange
):
    wire = await floor.wire(place.port)
    gateway = await a_gateway(floor, exchange, place, port=wire.port)
    person = await add_user(gateway, "trader", "ALGO", "ALGO2", "ALGO3")
    async with (
        Client(gateway.port, person) as stays,
        Client(gateway.port, person, "ALGO2") as leaves,
        Client(gateway.port, person, "ALGO3") as comes,
    ):
        assert (await stays.log_in(), await leaves.log_in()) == ("A", "A")

        wire.target_port = 1
        wire.cut()

        assert await comes.log_in() == ""
        await gateway.until(event="login", reason="unavailable")
        await status(gateway, "/readyz", 503)
        await stays.trade("without-a-database")
        await leaves.logout()
        await gateway.until(event="session_ended", reason="logout")
        assert not stays.closed
        assert [message[49] for message in exchange.logons] == ["ALGO", "ALGO2"]

        wire.target_port = place.port

        await status(gateway, "/readyz", 200)
        assert await comes.log_in() == "A"
        await stays.trade("with-a-database")
        assert not gateway.seen(event="record_lost")
        await eventually_ended(gateway, ["ALGO", "ALGO3"])
        assert await leaves.log_in() == "A"
        assert leaves.session.faults == []
    await audit_is_whole(gateway)


async def eventually_ended(gateway, left):
    for _ in range(20):
        if sorted(row["process"] for row in await live(gateway)) == left:
            return
    raise AssertionError(f"{await live(gateway)}\n{gateway.report()}")


@pytest.mark.req("M7-12", "BY-6")
async def test_a_database_that_hangs_refuses_logins_in_time_and_harms_no_session(floor, place, exchange):
    wire = await floor.wire(place.port)
    gateway = await a_gateway(floor, exchange, place, port=wire.port)
    person = await add_user(gateway, "trader", "ALGO", "ALGO2")
    async with Client(gateway.port, person) as stays, Client(gateway.port, person, "ALGO2") as comes:
        assert await stays.log_in() == "A"

        wire.back.hold()

        assert await comes.log_in() == ""
        await gateway.until(event="login", reason="unavailable")
        await stays.trade("meanwhile")
        wire.cut()  # what was held is lost, as it is when a network comes back
        await status(gateway, "/readyz", 200)
        assert await comes.log_in() == "A"
        await stays.trade("afterwards")


async def test_a_kick_given_while_the_gateway_had_no_database_is_carried_out_afterwards(floor, place, exchange):
    wire = await floor.wire(place.port)
    gateway = await a_gateway(floor, exchange, place, port=wire.port)
    console = await a_gateway(floor, exchange, place, name="console")
    person = await add_user(console, "trader", "ALGO")
    async with Client(gateway.port, person) as client:
        assert await client.log_in() == "A"
        wire.target_port = 1
        wire.cut()
        await status(gateway, "/readyz", 503)
        await console.run("kick", (await live(console))[0]["id"])
        await client.trade("it-cannot-know-yet")

        wire.target_port = place.port

        await client.be_ended()
        await gateway.until(event="session_ended", reason="kicked")
