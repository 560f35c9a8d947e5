"""The place where a test starts its engine, algorithms and gateways; all of them end with it, by their pids."""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypeVar

from tests.blackbox.counterparties import Algo, Engine
from tests.blackbox.gateway_process import GatewayProcess
from tests.blackbox.relay import Wire

Started = TypeVar("Started", Engine, Algo, GatewayProcess)


class Floor:
    """Starts counterparties for a test, each with a store folder of its own, and ends them all when it is over."""

    def __init__(self, stack: AsyncExitStack, folder: Path) -> None:
        self._stack = stack
        self._started: list[Engine | Algo | GatewayProcess] = []
        self.folder = folder

    async def engine(self, *arguments: str, name: str = "engine") -> Engine:
        return await self._start(Engine(self.folder / name, arguments))

    async def algo(
        self,
        port: int,
        *arguments: str,
        name: str = "algo",
        user: str = "",
        password: str = "",
        totp_secret: str = "",
        wait: bool = False,
        reconnect: int = 1,
    ) -> Algo:
        algo = Algo(
            self.folder / name,
            arguments,
            port=port,
            user=user,
            password=password,
            totp_secret=totp_secret,
            wait=wait,
            reconnect=reconnect,
        )
        return await self._start(algo)

    async def gateway(self, config: str, *arguments: str, name: str = "gateway", **environment: str) -> GatewayProcess:
        gateway = GatewayProcess(self.folder / name, config, arguments, environment)
        return await self._start(gateway)

    async def wire(self, port: int) -> Wire:
        """Put a relay in front of a port."""
        return await self._stack.enter_async_context(Wire(port))

    def reports(self) -> list[str]:
        """Return what each process said last."""
        return [process.report() for process in self._started]

    async def _start(self, process: Started) -> Started:
        self._started.append(process)
        return await self._stack.enter_async_context(process)
