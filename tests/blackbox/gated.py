"""A gateway between engines and algorithms: its configuration for a test, and one call to start it with its users in place.

It must not import the gateway.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from tests.blackbox.counterparties import PATIENCE, Algo, Engine
from tests.blackbox.floor import Floor
from tests.blackbox.gateway_process import GatewayProcess
from tests.blackbox.people import People, Person
from tests.blackbox.relay import Wire
from tests.blackbox.toy_peers import CountingEngine

CONFIG = """\
profile = "{profile}"
[store]
url = "sqlite:///{folder}/gateway.db"
[admin]
address = "{admin}"
[argon2]
time_cost = 1
memory_cost = 8192
[shutdown]
grace = 0
[policy]
refusal_floor = 0.05
{policy}
[[listener]]
name = "orders"
address = "127.0.0.1:{port}"
plain = true
{listener}
{routes}
"""
ROUTE = """\
[[route]]
name = "{name}"
target = "{target}"
upstream = ["127.0.0.1:{port}"]
plain = true
"""
SAME_CODE_AGAIN = 'totp.reuse = "within_step"\n'
"""Tests about something else than codes may log in many times in half a minute."""


def config(
    engine_port: int, *, policy: str = SAME_CODE_AGAIN, listener: str = "", more: str = "", profile: str = "default"
) -> str:
    """Return a configuration with one listener and one engine; `more` is whatever comes behind (listeners, routes)."""
    routes = ROUTE.format(name="exchange", target="EXCHANGE", port=engine_port) + more
    parts = {"{profile}": profile, "{policy}": policy, "{listener}": listener, "{routes}": routes}
    text = CONFIG
    for name, part in parts.items():
        text = text.replace(name, part)
    return text


@dataclass
class Gated:
    """An algorithm, a relay, a gateway and an exchange in a row."""

    algo: Algo
    wire: Wire
    gateway: GatewayProcess
    engine: Engine | CountingEngine
    person: Person

    @property
    def refused(self) -> int:
        """How many Logons of the algorithm the gateway has refused so far."""
        return len(self.gateway.seen(event="login", outcome="refused"))

    async def log_in(self) -> None:
        """Log in with a good code."""
        await self.algo.code("auto")
        await self.algo.logon()
        await self.gateway.until(event="session_started", after=self._mark)
        self._mark = len(self.gateway.lines)

    async def log_out(self) -> None:
        """Log out in order and wait until the gateway has taken note of it."""
        sessions = len(self.gateway.seen(event="session_started"))
        await self.algo.logout()
        await self.gateway.until_recorded("session.ended", sessions)

    async def be_refused(self, times: int = 1, *, told: bool = True) -> None:
        """Send Logons with a wrong code, as QuickFIX does by itself, until so many were refused, and stay away then."""
        await self.algo.code(self.person.wrong_code())
        self.algo.forget("logout")
        refused, logouts = self.refused, len(self.algo.seen("logout"))
        await self.algo.ask("logon")
        if told:
            await self.until(lambda: len(self.algo.seen("logout")) >= logouts + times)
        else:
            await self.until(lambda: self.refused >= refused + times)
        await self.algo.ask("logout")
        await self.until(lambda: self.algo.latest("logon-sent", "disconnect") == "disconnect")
        assert told or len(self.algo.seen("logout")) == logouts

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait, bounded, for something that a counterparty's events or the gateway's log will show."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not condition():  # noqa: ASYNC110  a bounded poll
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError("it never happened") from None

    async def break_line(self, *, reports: int, order: bool = True) -> None:
        """Break the line while that many of the exchange's reports (and an order) are under way; the algorithm stays away."""
        wire = self.wire
        await self.algo.code(self.person.wrong_code())  # QuickFIX may be back before it is told to stay away
        wire.back.hold()
        wire.forth.hold()
        if reports:
            await wire.back.until((await self.engine.send(reports))[-1].encode())
        if order:
            await self.algo.order("under-way")
            await wire.forth.until(b"under-way")
        self.algo.forget("disconnect")
        await self.algo.ask("logout")
        wire.cut()
        await self.algo.until("disconnect")
        await self.gateway.until_recorded("session.ended", len(self.gateway.seen(event="session_started")))

    _mark: int = 0


async def gated(
    floor: Floor,
    people: People,
    *,
    version: str = "FIX.4.4",
    policy: str = SAME_CODE_AGAIN,
    options: tuple[str, ...] = (),
    engine_options: tuple[str, ...] = (),
) -> Gated:
    """Start all of them; the algorithm waits for its first `log_in`."""
    person = people.trader
    begin = ("--begin-string", version)
    engine = await floor.engine(*begin, *engine_options)
    gateway = await gateway_of(floor, people, config(engine.port, policy=policy))
    wire = await floor.wire(gateway.port)
    algo = await floor.algo(wire.port, *begin, *options, wait=True, **person.algo())
    return Gated(algo, wire, gateway, engine, person)


async def gateway_of(floor: Floor, people: People, text: str, *arguments: str) -> GatewayProcess:
    """Start a gateway that knows everybody."""
    people.move_in(floor.folder / "gateway")
    return await floor.gateway(text, *arguments)
