"""Hosts that fall off the network: network namespaces, a cable between them, and what connects and breaks them.

Linux only; the caller runs in a network namespace of its own (`unshare -rn`). It must not import the gateway.
"""

import asyncio
import contextlib
import ctypes
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

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


async def connect_from(host: int, port: int) -> socket.socket:
    """Connect from the other host to this one, in a thread that moves there and ends."""
    with ThreadPoolExecutor(1) as thread:
        return await asyncio.get_running_loop().run_in_executor(thread, _socket_on, host, port)


def vanish(host: int) -> None:
    """Let the other host drop every packet for this one from now on: no FIN, no RST, no acknowledgement is ever seen."""
    _run(f"ip route add blackhole {HERE}", host)


def _run(command: str, host: int = 0) -> None:
    inside = ["nsenter", "-t", str(host), "-n"] if host else []
    subprocess.run([*inside, *command.split()], check=True)


def _socket_on(host: int, port: int) -> socket.socket:
    libc = ctypes.CDLL(None, use_errno=True)
    with Path(f"/proc/{host}/ns/net").open() as place:
        assert libc.setns(place.fileno(), _CLONE_NEWNET) == 0, ctypes.get_errno()
    return socket.create_connection((HERE, port), 10)
