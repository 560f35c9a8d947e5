"""Loopback ports that are a test's own, while its processes come and go on them.

A port is leased for the life of the test process, so that no other test run on this machine picks it between its choice
and its use, or while its owner restarts. It must not hand out ports that the kernel gives to outgoing connections.
"""

import contextlib
import fcntl
import functools
import os
import random
import socket
import tempfile
from pathlib import Path
from typing import TextIO

_RANGE = range(10_000, 32_000)  # below net.ipv4.ip_local_port_range
_leased: set[int] = set()  # a process never conflicts with its own locks


def free_port() -> int:
    """Return a port that nobody uses, and that no later call returns in any test process of this user."""
    for port in random.sample(_RANGE, 1000):
        if port not in _leased and _lease(port) and _unused(port):
            _leased.add(port)
            return port
    raise AssertionError("no free port")


@functools.cache
def _register() -> TextIO:
    """One byte of this file for each port; a lock goes with the process that has it."""
    return (Path(tempfile.gettempdir()) / f"gateway-test-ports-{os.getuid()}").open("a")


def _lease(port: int) -> bool:
    with contextlib.suppress(BlockingIOError, PermissionError):
        fcntl.lockf(_register(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
        return True
    return False


def _unused(port: int) -> bool:
    with socket.socket() as probe, contextlib.suppress(OSError):
        probe.bind(("127.0.0.1", port))
        return True
    return False
