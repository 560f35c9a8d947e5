"""Whoever reads the log may die or fall asleep: trading goes on."""

import asyncio
import contextlib
import signal

import pytest

from tests.blackbox.gateway_process import PATIENCE
from tests.blackbox.ops_peers import Client, Exchange
from tests.blackbox.ops_rig import add_user, config, eventually, live, status, tell

SCANS = 400
"""Contacts that are no login; a log line each, together more than a pipe holds."""


def no_longer_read(gateway, how: str):
    """Close the reading end of the gateway's standard output, or read no more from it; returns it."""
    log, errors = gateway._readers
    pipe = gateway._process._transport.get_pipe_transport(1)
    log.cancel()
    gateway._readers = [errors]
    pipe.close() if how == "closed" else pipe.pause_reading()
    return pipe


async def scan(port: int) -> None:
    """Connect, say something silly, and wait to be closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.suppress(ConnectionError):
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        await asyncio.wait_for(reader.read(), PATIENCE)
    writer.close()


@pytest.mark.parametrize("how", ["closed", "stalled"])
async def test_logins_and_sessions_go_on_when_nobody_reads_the_log(floor, how):
    async with Exchange() as exchange:
        gateway = await floor.gateway(config(exchange.port))
        person = await add_user(gateway, "trader", "ALGO", "ALGO2")
        async with Client(gateway.port, person) as before, Client(gateway.port, person, "ALGO2") as after:
            assert await before.log_in() == "A"

            pipe = no_longer_read(gateway, how)
            for _ in range(SCANS):
                await scan(gateway.port)

            assert await after.log_in() == "A"
            await before.trade("before")
            await after.trade("after")
            await status(gateway, "/readyz", 200)
            (session, *_) = await live(gateway)
            await gateway.run("kick", session["id"])
            await before.be_ended()
            await after.logout()
        tell(gateway, signal.SIGTERM)
        try:
            await eventually(lambda: gateway._process.returncode is not None, "its end")
            assert gateway._process.returncode == 0
        finally:
            pipe.close()
