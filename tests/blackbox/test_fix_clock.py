"""A wall clock that is set while sessions are live: codes follow it at once, sessions and their time-outs don't notice.

The gateway runs under libfaketime (Debian: faketime), which lets one process see another wall clock; monotonic time stays.
"""

import asyncio
import datetime as dt
import time
from pathlib import Path

import pytest

from tests.blackbox.fix_bytes import parse
from tests.blackbox.fix_peers import credentials, logon
from tests.blackbox.floor import Floor
from tests.blackbox.gated import config
from tests.blackbox.gateway_process import PATIENCE, GatewayProcess
from tests.blackbox.ops_peers import Client, Exchange
from tests.blackbox.ops_rig import live
from tests.blackbox.people import People, Person

HOUR = 3600
STEPS = pytest.mark.parametrize("step", [-HOUR, HOUR], ids=["back", "forth"])
ONCE = 'totp.reuse = "never"\n'
SHORTER_THAN_THE_STEP = 'sessions.idle = "20 min"\nsessions.lifetime = "40 min"\n'
LEASE = 30


class Clock:
    """What the gateway takes for the wall clock: `offset` seconds from ours."""

    def __init__(self, folder: Path, library: Path) -> None:
        self._file = folder / "clock"
        self.offset = 0
        self.step(0)
        self.environment = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def step(self, seconds: int) -> None:
        """Set the clock forth or back; a reader never sees half of it."""
        self.offset += seconds
        written = self._file.with_suffix(".new")
        written.write_text(f"{self.offset:+d}\n")
        written.rename(self._file)

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time() + self.offset

    def sending_time(self) -> str:
        """SendingTime(52)."""
        return dt.datetime.fromtimestamp(self.now(), dt.UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:-3]

    def code(self, person: Person) -> str:
        """The person's code of now."""
        return person.code(self.offset // person.period)


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    """A clock that can be set; skips where libfaketime isn't installed."""
    found = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    if found is None:
        pytest.skip("libfaketime is needed to set a clock (Debian: apt-get install faketime)")
    return Clock(tmp_path, found)


async def gateway_by(clock: Clock, floor: Floor, people: People, engine: Exchange, policy: str) -> GatewayProcess:
    people.move_in(floor.folder / "gateway")
    return await floor.gateway(config(engine.port, policy=policy), **clock.environment)


async def lease_renewed(gateway: GatewayProcess, clock: Clock) -> None:
    """Wait until the session's lease is one of the clock as it is now: the sweep has looked at it.

    Until then a lease looks run out where the clock was set forth, and nobody lists the session.
    """
    async with asyncio.timeout(2 * PATIENCE):
        while not any(-1 <= one["lease_until"] - clock.now() <= LEASE + 1 for one in await live(gateway)):
            pass  # a look is a process: that is pause enough


async def answer(gateway: GatewayProcess, clock: Clock, person: Person, code: str) -> str:
    """Log in as a client whose clock was set too; returns the answer's MsgType."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    try:
        writer.write(logon(credentials(person, code), head=[(52, clock.sending_time())], sender="ALGO2"))
        async with asyncio.timeout(PATIENCE):
            return parse(await reader.readuntil(b"\x0110=") + await reader.readexactly(4)).type
    finally:
        writer.transport.abort()


@STEPS
@pytest.mark.req("BY-4", "M7-9", "SF-9")
async def test_a_live_session_stays_and_codes_are_judged_by_the_clock_as_it_is(
    floor: Floor, people: People, clock: Clock, step: int
) -> None:
    who = people.trader
    async with Exchange() as engine:
        gateway = await gateway_by(clock, floor, people, engine, ONCE + SHORTER_THAN_THE_STEP)
        async with Client(gateway.port, who) as client:
            assert await client.log_in() == "A"
            await client.trade("before")

            clock.step(step)
            await lease_renewed(gateway, clock)
            await client.trade("after")

            assert await answer(gateway, clock, who, who.code()) == "5"
            assert await answer(gateway, clock, who, clock.code(who)) == "A"
            assert not client.closed
            assert gateway.seen(event="session_ended", process="ALGO") == []


@pytest.mark.req("SF-10")
async def test_a_clock_set_back_prolongs_no_idle_session(floor: Floor, people: People, clock: Clock) -> None:
    who = people.trader
    async with Exchange() as engine:
        gateway = await gateway_by(clock, floor, people, engine, ONCE + 'sessions.idle = "3 s"\n')
        async with Client(gateway.port, who) as client:
            assert await client.log_in() == "A"

            clock.step(-HOUR)

            await client.be_ended()
            await gateway.until(event="session_ended", reason="idle")
