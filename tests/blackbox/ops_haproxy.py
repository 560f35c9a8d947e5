"""A real HAProxy in front of the gateway, in TCP mode, that sends a PROXY protocol v2 header. It must not know the gateway."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.blackbox.gateway_process import PATIENCE
from tests.blackbox.ports import free_port

_CONFIG = """\
global
    log stderr format raw local0
defaults
    mode tcp
    timeout connect 5s
    timeout client 1m
    timeout server 1m
frontend clients
    bind 127.0.0.1:{port}
    default_backend gateway
backend gateway
    server one 127.0.0.1:{target} send-proxy-v2
"""


@contextlib.asynccontextmanager
async def haproxy(folder: Path, target: int) -> AsyncIterator[int]:
    """Start it on a port of its own, which is returned; errors where it isn't installed."""
    program = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.fail("HAProxy is needed (Debian: apt-get install haproxy)", pytrace=False)
    port, file = free_port(), folder / "haproxy.cfg"
    file.write_text(_CONFIG.format(port=port, target=target))
    process = await asyncio.create_subprocess_exec(
        *(program, "-db", "-f", str(file)), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        await _listening(port, process)
        yield port
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _listening(port: int, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(PATIENCE):
        while process.returncode is None:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.05)
    assert process.stderr is not None
    raise AssertionError(f"HAProxy ended: {(await process.stderr.read()).decode()}")
