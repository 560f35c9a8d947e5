"""A long day in short (`make deep`): the same few things over and over must leave nothing behind."""

import asyncio
import itertools
import json
from pathlib import Path

import pytest

from tests.blackbox.gated import config
from tests.blackbox.people import PASSWORD
from tests.blackbox.toy_peers import CountingEngine, ToyFixInitiator
from tests.blackbox.toy_session import ToySession

pytestmark = pytest.mark.deep

CYCLES = 600
WARM = 150
GROWTH = 8 * 1024  # KiB: what a leak of 20 KiB a cycle would pass
LENIENT = 'totp.reuse = "within_step"\nlockout.threshold = 20\nlockout.address_budget = 100000\n'


def resident(pid: int) -> int:
    """Resident memory in KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


@pytest.mark.req("SF-9", "BY-6")
@pytest.mark.timeout(1200)
async def test_six_hundred_logins_drops_refusals_and_strangers_leave_nothing_behind(floor, people):
    async with CountingEngine(ToySession("EXCHANGE", "ALGO")) as engine:
        people.move_in(floor.folder / "gateway")
        gateway = await floor.gateway(config(engine.port, policy=LENIENT))
        client = ToyFixInitiator(gateway.port, ToySession("ALGO", "EXCHANGE"))
        warm = 0
        async with client:
            for cycle, act in zip(range(CYCLES), itertools.cycle((good, dropped, refused, stranger)), strict=False):
                await act(client, people.trader, cycle)
                if cycle == WARM:
                    warm = resident(gateway.pid)
        assert resident(gateway.pid) - warm < GROWTH
        await gateway.until(event="session_ended", after=len(gateway.lines) - 50)
        assert json.loads(await gateway.run("sessions", "--json")) == []
        assert "whole" in await gateway.run("audit", "verify")
        assert not gateway.seen(level="error")
        await gateway.terminate()
        assert gateway.stderr == []


def credentials(person, code):
    return [(553, person.name), (554, PASSWORD), (20030, code)]


async def good(client, person, _cycle):
    assert await client.logon(credentials(person, person.code())) == "A", client.session.faults
    await client.order(f"order-{_cycle}")
    await client.until(lambda: client.exec_ids[f"exec-order-{_cycle}"] == 1)
    await client.logout()


async def dropped(client, person, cycle):
    assert await client.logon(credentials(person, person.code())) == "A", client.session.faults
    await client.order(f"order-{cycle}")
    await client.until(lambda: client.exec_ids[f"exec-order-{cycle}"] == 1)
    await client.drop()


async def refused(client, person, cycle):
    assert await client.logon(credentials(person, person.wrong_code(cycle))) != "A"


async def stranger(client, _person, _cycle):
    for bytes_sent in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00", b""):
        reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
        writer.write(bytes_sent)
        if bytes_sent:
            assert await reader.read() == b""
        writer.close()
