"""`--workers 2`: one port, two processes, and nobody outside can tell; a dead worker takes only its own sessions along."""

import contextlib
import os
import signal
from pathlib import Path

import pytest

from tests.blackbox.ops_peers import Client, Exchange
from tests.blackbox.ops_rig import add_user, config, eventually, live, status, tell

COMP_IDS = tuple(f"ALGO{number}" for number in range(24))
POLICY = 'totp.reuse = "within_step"\nsessions.max_per_user = 50'


async def on_both(stack, gateway, person) -> dict[int, list[Client]]:
    """Log in until each worker has a session; returns the clients by worker."""
    found: dict[int, list[Client]] = {}
    for sender in COMP_IDS:
        client = await stack.enter_async_context(Client(gateway.port, person, sender))
        after = len(gateway.lines)
        assert await client.log_in() == "A"
        started = await gateway.until(event="session_started", after=after)
        found.setdefault(started["worker"], []).append(client)
        if len(found) == 2:
            return found
    raise AssertionError(f"one worker took all of them\n{gateway.report()}")


def pids(gateway) -> dict[int, int]:
    """The workers' newest process ids, by their number."""
    return {line["worker"]: line["pid"] for line in gateway.seen(event="serving")}


async def eventually_refused(client: Client) -> None:
    """Connect until nobody listens any more: the second worker may be a moment behind the first."""
    with contextlib.suppress(ConnectionError):
        for _ in range(100):
            await client.connect()
            await client.be_ended()
        raise AssertionError("somebody still listens")


async def a_gateway(floor, exchange, *, grace: float = 0):
    gateway = await floor.gateway(config(exchange.port, policy=POLICY, grace=grace), "--workers", "2")
    return gateway, await add_user(gateway, "trader", *COMP_IDS)


@pytest.mark.req("TW-12", "M7-10")
async def test_a_kick_reaches_the_session_whichever_worker_has_it(floor):
    async with Exchange() as exchange:
        gateway, person = await a_gateway(floor, exchange)
        clients = await on_both(floor._stack, gateway, person)
        rows = {row["process"]: row["id"] for row in await live(gateway)}

        for worker, (client, *_) in clients.items():
            await gateway.run("kick", rows[client.session.sender])
            await client.be_ended()
            ended = await gateway.until(event="session_ended", session=rows[client.session.sender])
            assert (ended["worker"], ended["reason"]) == (worker, "kicked")
            assert "operations" in client.text


@pytest.mark.req("HK-7", "SF-13")
async def test_disabling_a_user_ends_its_sessions_on_both_workers(floor):
    async with Exchange() as exchange:
        gateway, person = await a_gateway(floor, exchange)
        clients = await on_both(floor._stack, gateway, person)

        await gateway.run("user", "disable", "trader")

        for some in clients.values():
            for client in some:
                await client.be_ended()
        count = sum(map(len, clients.values()))
        await eventually(lambda: len(gateway.seen(event="session_ended", reason="right_removed")) == count)
        late = await floor._stack.enter_async_context(Client(gateway.port, person, COMP_IDS[-1]))
        assert await late.log_in() != "A"
        await gateway.until(event="login", reason="disabled")


async def test_metrics_are_added_up_over_the_workers(floor):
    async with Exchange() as exchange:
        gateway, person = await a_gateway(floor, exchange)
        clients = await on_both(floor._stack, gateway, person)
        count = sum(map(len, clients.values()))

        page = await gateway.page("/metrics")

        assert f"gateway_sessions {count}.0" in page
        assert f'gateway_logins_total{{outcome="admitted",reason="admitted"}} {count}.0' in page
        assert f'gateway_sessions_started_total{{listener="orders"}} {count}.0' in page


async def test_a_killed_worker_is_started_again_and_the_others_sessions_live_on(floor):
    async with Exchange() as exchange:
        gateway, person = await a_gateway(floor, exchange)
        clients = await on_both(floor._stack, gateway, person)
        before = pids(gateway)
        (dead, lost), (_, kept) = clients.items()
        after = len(gateway.lines)

        os.kill(before[dead], signal.SIGKILL)

        for client in lost:
            await client.be_ended()
        await gateway.until(event="worker_ended", after=after)
        await gateway.until(event="serving", after=after, worker=dead)
        await status(gateway, "/readyz", 200)
        assert pids(gateway)[dead] != before[dead]
        for client in kept:
            await client.trade(f"after-{client.session.sender}")
        page = await gateway.page("/metrics")
        assert f"gateway_sessions {len(kept)}.0" in page
        assert f'gateway_connections{{listener="orders"}} {len(kept)}.0' in page
        for client in lost:
            await client.drop()
            assert await client.log_in() == "A"


async def test_a_worker_that_hangs_makes_the_gateway_not_ready_until_it_goes_on(floor):
    async with Exchange() as exchange:
        gateway = await floor.gateway(config(exchange.port), "--workers", "2")
        hung = pids(gateway)[1]

        os.kill(hung, signal.SIGSTOP)
        try:
            await status(gateway, "/readyz", 503)
        finally:
            os.kill(hung, signal.SIGCONT)
        await status(gateway, "/readyz", 200)


async def test_a_killed_parent_takes_its_workers_along(floor):
    async with Exchange() as exchange:
        gateway, person = await a_gateway(floor, exchange)
        clients = await on_both(floor._stack, gateway, person)
        workers = pids(gateway).values()

        await gateway.kill()

        for some in clients.values():
            for client in some:
                await client.be_ended()
                assert "stopping" in client.text
        await eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), "their end")


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_stop_lets_sessions_end_by_themselves_and_a_second_one_hurries(floor, workers):
    async with Exchange() as exchange:
        text = config(exchange.port, policy=POLICY, grace=600)
        gateway = await floor.gateway(text, "--workers", str(workers))
        person = await add_user(gateway, "trader", *COMP_IDS)
        client = await floor._stack.enter_async_context(Client(gateway.port, person))
        assert await client.log_in() == "A"

        tell(gateway, signal.SIGTERM)

        await gateway.until(event="stopping")
        late = Client(gateway.port, person, COMP_IDS[1])
        await eventually_refused(late)
        await client.trade("during-grace")
        assert not client.closed

        assert await gateway.terminate() == 0
        await client.be_ended()
        assert "stopping" in client.text
        assert [line["reason"] for line in gateway.seen(event="session_ended")] == ["shutdown"]


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_stop_waits_no_longer_than_its_grace_and_then_logs_everybody_out(floor, workers):
    async with Exchange() as exchange:
        text = config(exchange.port, policy=POLICY, grace=0.3)
        gateway = await floor.gateway(text, "--workers", str(workers))
        person = await add_user(gateway, "trader", *COMP_IDS)
        client = await floor._stack.enter_async_context(Client(gateway.port, person))
        assert await client.log_in() == "A"
        await client.trade("before")

        assert await gateway.terminate() == 0

        await client.be_ended()
        assert "stopping" in client.text
        await gateway.start()
        assert await client.log_in() == "A"
        assert client.session.faults == []
        await client.trade("afterwards")


async def test_a_session_that_logs_out_during_the_grace_lets_the_gateway_end(floor):
    async with Exchange() as exchange:
        gateway = await floor.gateway(config(exchange.port, policy=POLICY, grace=600))
        person = await add_user(gateway, "trader", *COMP_IDS)
        client = await floor._stack.enter_async_context(Client(gateway.port, person))
        assert await client.log_in() == "A"

        tell(gateway, signal.SIGTERM)
        await gateway.until(event="stopping")
        await client.logout()

        await gateway.until(event="stopped")
        assert [line["reason"] for line in gateway.seen(event="session_ended")] == ["logout"]
