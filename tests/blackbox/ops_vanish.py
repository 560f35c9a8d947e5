"""A client on a host of its own that falls off the network: `unshare -rn python -m tests.blackbox.ops_vanish FOLDER`.

Two network namespaces and a cable between them; then the client's host drops every packet, and no FIN is ever seen.
Prints how the gateway's session ended, as JSON. It must not import the gateway.
"""

import asyncio
import contextlib
import ctypes
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.blackbox.floor import Floor
from tests.blackbox.ops_peers import Client, Exchange
from tests.blackbox.ops_rig import add_user, config

HERE, THERE = "10.7.0.1", "10.7.0.2"
_CLONE_NEWNET = 0x4000_0000


@contextlib.contextmanager
def another_host() -> Iterator[int]:
    """Make a host at the other end of a cable; gives the id of a process on it."""
    _run("ip link set lo up")
    with subprocess.Popen(["unshare", "-n", "sh", "-c", "echo ready; exec sleep 600"], stdout=subprocess.PIPE) as host:
        try:
            assert host.stdout is not None
            host.stdout.readline()
            _run(f"ip link add near type veth peer name far netns {host.pid}")
            _run(f"ip addr add {HERE}/24 dev near")
            _run("ip link set near up")
            _run(f"ip addr add {THERE}/24 dev far", host.pid)
            _run("ip link set far up", host.pid)
            yield host.pid
        finally:
            host.kill()


def _run(command: str, host: int = 0) -> None:
    inside = ["nsenter", "-t", str(host), "-n"] if host else []
    subprocess.run([*inside, *command.split()], check=True)


def _socket_on(host: int, port: int) -> socket.socket:
    """Connect from the other host; to be called in a thread of its own, which stays there."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path(f"/proc/{host}/ns/net").open() as place:
        assert libc.setns(place.fileno(), _CLONE_NEWNET) == 0, ctypes.get_errno()
    return socket.create_connection((HERE, port), 10)


class FarClient(Client):
    """A client on the other host."""

    host = 0

    async def connect(self) -> None:
        sock = await asyncio.to_thread(_socket_on, self.host, self.port)
        reader, self._writer = await asyncio.open_connection(sock=sock)
        self._reader = asyncio.create_task(self._read(reader))


async def main(folder: Path, *, sending: bool) -> None:
    """Log in, vanish, and wait until the gateway has noticed."""
    async with contextlib.AsyncExitStack() as stack:
        host = stack.enter_context(another_host())
        exchange = await stack.enter_async_context(Exchange())
        floor = Floor(stack, folder)
        gateway = await floor.gateway(config(exchange.port).replace("127.0.0.1:{port}", HERE + ":{port}"))
        person = await add_user(gateway, "trader", "ALGO")
        client = await stack.enter_async_context(FarClient(gateway.port, person))
        client.host = host
        assert await client.log_in() == "A", gateway.report()
        await client.trade("one")

        _run(f"ip route add blackhole {HERE}", host)
        if sending:
            await exchange.push("ALGO")

        ended = await gateway.until(event="session_ended", within=60)
        sys.stdout.write(json.dumps(ended) + "\n")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sending="sending" in sys.argv))
