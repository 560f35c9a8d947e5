"""The M7 simulators as objects of a test: `M7Exchange` (the backend on the broker) and `M7Client` (an API application).

Each is a process of its own, steered by JSON lines, as its users start it. It must not import the gateway.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simulators.m7_node import Broker
from tests.blackbox.broker import Vhost
from tests.blackbox.counterparties import PATIENCE, ROOT, Event, Steered
from tests.blackbox.people import PASSWORD

LIBRARIES = ("aio-pika-robust", "aio-pika", "pika")


@dataclass
class M7Process(Steered):
    """A simulator that keeps nothing over a restart. Invariant: `line` is all it is started with, secrets left out."""

    line: Sequence[str] = ()

    async def start(self) -> Event:
        """Start the process; returns its `ready` event."""
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", self.module, "--json", *self.line, *self.arguments),
            cwd=ROOT,
            env={**self._environment()},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=2**24,
        )
        self._readers = [asyncio.create_task(self._read_events()), asyncio.create_task(self._read_stderr())]
        return await self.until("ready")

    async def kill(self) -> None:
        """SIGKILL."""
        await self._end_now()

    def _environment(self) -> dict[str, str]:
        import os

        return {**os.environ, **self.environment}


@dataclass
class M7Exchange(M7Process):
    """The exchange on a vhost."""

    module: str = "simulators.m7_exchange"

    async def account(self, user: str) -> dict[str, Any]:
        """Return what that user did so far: session, logins, logouts, orders, early (orders without a session), codes."""
        users = (await self.ask("state"))["users"]
        return dict(users[user])

    async def behave(self, **how: object) -> None:
        """Set how the next requests are met: login, text, code, delay_ms, encoding, silent."""
        await self.ask("behaviour", **how)


@dataclass
class M7Client(M7Process):
    """The API application; it connects as soon as it is started unless told to wait."""

    module: str = "simulators.m7_client"

    async def connect(self) -> None:
        """Connect; AssertionError with the library's words if it can't."""
        await self.ask("connect")
        await self.until("connected")

    async def log_in(self, *, force: str = "", within: float = PATIENCE) -> Event:
        """Send a LoginReq and return its answer: UserRprt or ErrResp."""
        sent = await self.ask("login", **({"force": force} if force else {}))
        return await self.until("response", within=within, correlation_id=sent["correlation_id"])

    async def log_out(self) -> Event:
        """Send a LogoutReq and return its answer."""
        sent = await self.ask("logout")
        return await self.until("response", correlation_id=sent["correlation_id"])

    async def order(self, cl_ord_id: str) -> Event:
        """Send an order and return its answer: AckResp or ErrResp."""
        await self.ask("order", cl_ord_id=cl_ord_id)
        return await self.until("response", correlation_id=cl_ord_id)

    async def notes(self) -> dict[str, Any]:
        """Return what came and went so far."""
        return await self.ask("state")


@asynccontextmanager
async def exchange_on(vhost: Vhost, *arguments: str) -> AsyncIterator[M7Exchange]:
    """Start an exchange on a vhost; it may close connections."""
    broker = vhost.broker
    line = ("--port", str(broker.amqp), "--vhost", vhost.name, "--management-port", str(broker.management))
    secrets = {"M7_EXCHANGE_PASSWORD": PASSWORD, "M7_EXCHANGE_ADMIN_PASSWORD": broker.password}
    async with M7Exchange(vhost.folder, arguments, secrets, line=(*line, "--admin", broker.admin)) as exchange:
        yield exchange


@asynccontextmanager
async def client_of(
    vhost: Vhost, user: str, *arguments: str, port: int = 0, totp_secret: str = "", password: str = PASSWORD
) -> AsyncIterator[M7Client]:
    """Start an API application; `port` is a gateway's, else the broker's own."""
    line = ("--port", str(port or vhost.broker.amqp), "--vhost", vhost.name, "--user", user)
    secrets = {"M7_CLIENT_PASSWORD": password, "M7_CLIENT_TOTP_SECRET": totp_secret}
    async with M7Client(vhost.folder, arguments, secrets, line=line) as client:
        yield client


@dataclass
class OwnBroker(M7Process):
    """A broker of the test's own, to be killed or alarmed without disturbing others."""

    module: str = "simulators.m7_broker"
    broker: Broker = field(init=False)

    async def start(self) -> Event:
        """Start and learn where it is."""
        ready = await super().start()
        self.broker = Broker.from_json(ready)
        return ready

    async def _end_now(self) -> None:
        """End it in order: its process kills the broker first, and removes its folder."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        await self._ended()


def own_broker(folder: Path) -> OwnBroker:
    """Return one that is not started yet: `async with own_broker(tmp_path) as node`."""
    return OwnBroker(folder)
