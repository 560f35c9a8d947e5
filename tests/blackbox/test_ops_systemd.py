"""`gateway serve` under a service manager: what it says on sd_notify(3)'s socket, and the unit that is shipped for systemd."""

import asyncio
import contextlib
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.blackbox.gateway_process import COMMAND, PATIENCE, ROOT, GatewayProcess
from tests.blackbox.ops_rig import config

UNIT = ROOT / "deploy/systemd/gateway.service"
WORKERS = pytest.mark.parametrize("workers", ["1", "2"])


class Listening:
    """The manager's end of the socket: what was said, in its order."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self.said: list[str] = []

    async def until(self, word: str, times: int = 1) -> None:
        """Wait until it was said so often."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(PATIENCE):
            while self.said.count(word) < times:
                self.said.append((await loop.sock_recv(self._line, 4096)).decode())


@contextlib.contextmanager
def listening(address: str) -> Iterator[Listening]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.setblocking(False)
        line.bind(address)
        yield Listening(line)


def asked(address: str, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": address, **more}


@WORKERS
async def test_the_manager_is_told_of_ready_alive_and_stopping(tmp_path, workers):
    address = str(tmp_path / "notify")
    environment = asked(address, WATCHDOG_USEC="900000")
    with listening(address) as manager:
        async with GatewayProcess(tmp_path / "g", config(1), ("--workers", workers), environment) as gateway:
            await manager.until("WATCHDOG=1", times=3)
            code = await gateway.terminate()
        await manager.until("STOPPING=1")

    first, *others, last = manager.said
    assert (code, first, set(others), last) == (0, "READY=1", {"WATCHDOG=1"}, "STOPPING=1")


async def test_an_abstract_socket_is_one_too_and_a_watchdog_for_another_process_is_none_of_ours(tmp_path):
    name = f"gateway-test-{os.getpid()}-{tmp_path.name}"
    environment = asked(f"@{name}", WATCHDOG_USEC="1000", WATCHDOG_PID="1")
    with listening(f"\0{name}") as manager:
        async with GatewayProcess(tmp_path / "g", config(1), (), environment) as gateway:
            await manager.until("READY=1")
            await gateway.terminate()
        await manager.until("STOPPING=1")

    assert manager.said == ["READY=1", "STOPPING=1"]


async def test_a_manager_that_is_not_there_is_no_reason_not_to_serve(tmp_path):
    environment = asked(str(tmp_path / "nobody"), WATCHDOG_USEC="100000")
    async with GatewayProcess(tmp_path / "g", config(1), (), environment) as gateway:
        assert await gateway.get("/readyz") == 200
        assert await gateway.terminate() == 0


async def analysed(*arguments: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        "systemd-analyze", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await process.communicate()
    return process.returncode, out.decode()


async def test_systemd_finds_no_fault_in_the_unit(tmp_path: Path):
    """But that nothing is installed where it says."""
    here = tmp_path / UNIT.name
    here.write_text(re.sub(r"^ExecStart=\S+", f"ExecStart={COMMAND[0]}", UNIT.read_text(), flags=re.MULTILINE))

    assert await analysed("verify", "--man=no", str(here)) == (0, "")


async def test_the_unit_is_hardened():
    """Exposure by systemd's own account: 10 is all of the machine, below 2 little."""
    code, text = await analysed("security", "--offline=true", "--threshold=20", str(UNIT))

    assert code == 0, text
