"""One code against two hundred logins, and a gateway that dies in the middle of a crowd."""

import asyncio
import contextlib
import time
from collections import Counter

import pytest

from tests.blackbox.ops_peers import Client, Exchange
from tests.blackbox.ops_rig import SQLITE, add_user, audit_is_whole, config, database, eventually, live

CROWD = tuple(f"ALGO{number:03}" for number in range(200))
LIMITS = """\
totp.reuse = "never"
sessions.max_per_user = 64
lockout.address_budget = 10000
"""  # the race is about the code: nothing else may say no
LEASE = 30.0
LISTENER = "plain = true\nmax_pending_logins_per_address = 500\nmax_connections_per_address = 500\n"
LISTENER += "login_timeout = 30\nanswer_timeout = 30"


@contextlib.asynccontextmanager
async def store(kind: str):
    """Where the race is run: the URL and the environment."""
    if kind == "sqlite":
        yield SQLITE, {}
    else:
        async with database() as place:
            yield place.url(), place.environment


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.req("M7-9", "BY-3")
async def test_of_two_hundred_logins_at_once_with_one_code_exactly_one_wins(floor, kind):
    async with Exchange() as exchange, store(kind) as (url, environment):
        text = config(exchange.port, store=url, policy=LIMITS, listener=LISTENER)
        gateway = await floor.gateway(text, **environment)
        person = await add_user(gateway, "trader", *CROWD)
        clients = [Client(gateway.port, person, sender) for sender in CROWD]
        code = person.code()
        try:
            outcomes = await asyncio.gather(*(client.log_in(code) for client in clients))
            assert Counter(outcomes)["A"] == 1, (Counter(outcomes), gateway.report())
            assert len(exchange.logons) == exchange.connections == 1
            await eventually(lambda: len(gateway.seen(event="login")) == len(CROWD), "a line for each login")
            reasons = Counter(line["reason"] for line in gateway.seen(event="login"))
            assert reasons["admitted"] == 1
            assert set(reasons) <= {"admitted", "replayed_code", "repeated"}, reasons
            winner = clients[outcomes.index("A")]
            await winner.trade("won")
        finally:
            await asyncio.gather(*(client.drop() for client in clients))
        await audit_is_whole(gateway)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.req("BY-6", "M7-10")
async def test_a_gateway_killed_under_login_load_leaves_a_whole_audit_and_takes_logins_again(floor, kind):
    async with Exchange() as exchange, store(kind) as (url, environment):
        policy = LIMITS.replace("never", "within_step")
        text = config(exchange.port, store=url, policy=policy, listener=LISTENER)
        gateway = await floor.gateway(text, **environment)
        person = await add_user(gateway, "trader", *CROWD)
        clients = [Client(gateway.port, person, sender) for sender in CROWD[:60]]
        storm = [asyncio.create_task(again_and_again(client)) for client in clients]
        try:
            await eventually(lambda: len(gateway.seen(event="session_started")) > 40, "a crowd")
            await gateway.kill()
            killed = time.time()
        finally:
            for task in storm:
                task.cancel()
            await asyncio.gather(*storm, return_exceptions=True)
            await asyncio.gather(*(client.drop() for client in clients))

        assert await audit_is_whole(gateway) > 40
        await gateway.start()

        assert all(row["lease_until"] <= killed + LEASE for row in await live(gateway))
        assert set(await asyncio.gather(*(client.log_in() for client in clients[:5]))) == {"A"}
        await asyncio.gather(*(client.drop() for client in clients))
        await audit_is_whole(gateway)


@pytest.mark.req("M7-10", "TW-1")
async def test_after_a_crash_all_streams_of_a_user_come_back_at_once(floor):
    async with Exchange() as exchange:
        policy = LIMITS.replace("never", "within_step")
        gateway = await floor.gateway(config(exchange.port, policy=policy, listener=LISTENER))
        person = await add_user(gateway, "trader", *CROWD)
        clients = [Client(gateway.port, person, sender) for sender in CROWD[:20]]
        try:
            assert {await client.log_in() for client in clients} == {"A"}
            await gateway.restart(crash=True)

            again = await asyncio.gather(*(client.log_in() for client in clients))

            assert set(again) == {"A"}, gateway.report()
            assert len(await live(gateway)) == len(clients)
            assert [fault for client in clients for fault in client.session.faults] == []
        finally:
            await asyncio.gather(*(client.drop() for client in clients))


async def again_and_again(client: Client) -> None:
    """Log in, drop the line, and come back, as long as there is somebody."""
    with contextlib.suppress(OSError, AssertionError):
        while True:
            await client.log_in()
            await client.drop()
