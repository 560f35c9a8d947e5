"""The portal in a process of its own (SF-12): `gateway serve` leaves it alone, `gateway portal` runs nothing else."""

import asyncio
import signal
from pathlib import Path

import httpx
import pytest

from tests.blackbox.gateway_process import COMMAND, PATIENCE, GatewayProcess
from tests.blackbox.ports import free_port

CONFIG = """
[store]
url = "sqlite:///{folder}/gateway.db"
[admin]
address = "{admin}"
[portal]
address = "127.0.0.1:PORTAL"
url = "http://localhost:PORTAL"
plain = true
process = "own"
[[listener]]
name = "fix"
address = "127.0.0.1:{port}"
plain = true
[[route]]
name = "engine"
upstream = ["127.0.0.1:1"]
plain = true
"""


async def answers(port: int) -> int:
    async with httpx.AsyncClient(base_url=f"http://localhost:{port}") as client:
        return (await client.get("/sign-in")).status_code


@pytest.mark.req("SF-12")
async def test_the_portal_runs_beside_the_gateway_on_the_same_store(tmp_path: Path):
    port = free_port()
    async with GatewayProcess(tmp_path, CONFIG.replace("PORTAL", str(port))) as gateway:
        with pytest.raises(httpx.ConnectError):
            await answers(port)
        alone = await asyncio.create_subprocess_exec(
            *COMMAND, "portal", "--config", str(gateway.config_file), cwd=tmp_path, stdout=asyncio.subprocess.PIPE
        )
        try:
            async with asyncio.timeout(PATIENCE):
                while b'"serving"' not in (line := await alone.stdout.readline()):
                    assert line, "it ended"
            assert await answers(port) == 200
            assert await gateway.get("/readyz") == 200
            alone.send_signal(signal.SIGTERM)
            async with asyncio.timeout(PATIENCE):
                assert await alone.wait() == 0
        finally:
            if alone.returncode is None:
                alone.kill()
                await alone.wait()


async def test_it_does_not_run_alone_where_serve_runs_it(tmp_path: Path):
    gateway = GatewayProcess(tmp_path, CONFIG.replace("PORTAL", "8443").replace('"own"', '"serve"'))
    ended = await asyncio.create_subprocess_exec(
        *COMMAND, "portal", "--config", str(gateway.config_file), cwd=tmp_path, stderr=asyncio.subprocess.PIPE
    )
    _, said = await ended.communicate()
    assert (ended.returncode, b'portal.process = "own"' in said) == (2, True), said.decode()
