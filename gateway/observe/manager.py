"""Who started this process may want to know how it does: sd_notify(3), for systemd's `Type=notify` and `WatchdogSec=`.

It is told when logins can be taken, then that the event loop lives, and when the stop begins. A store that is away ends
no live session, so readiness is not asked again. No name and no secret goes there.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Self

POLL = 0.05
"""Seconds between two looks at whether logins can be taken yet."""
BEATS = 3
"""Words within the time after which silence counts as death: two may be late."""

Ready = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Manager:
    """The service manager. `address`: its socket, a path or `@` and an abstract name, "" where nobody asked;
    `watchdog`: seconds of silence after which it takes this process for dead, 0.0 where it does not watch.
    """

    address: str = ""
    watchdog: float = 0.0

    @classmethod
    def asked(cls) -> Self:
        """Read from the environment who asked, and take it out of there: no child speaks for its parent."""
        address = os.environ.pop("NOTIFY_SOCKET", "")
        microseconds, whose = os.environ.pop("WATCHDOG_USEC", ""), os.environ.pop("WATCHDOG_PID", "")
        watched = microseconds.isdecimal() and whose in {"", str(os.getpid())}
        return cls(address, int(microseconds) / 1e6 if watched else 0.0)

    @contextlib.asynccontextmanager
    async def informed(self, ready: Ready) -> AsyncIterator[None]:
        """Keep it informed while the block runs; the end of the block is the beginning of the stop."""
        telling = asyncio.create_task(self._inform(ready)) if self.address else None
        try:
            yield
        finally:
            if telling is not None:
                telling.cancel()
            self._tell("STOPPING=1")

    async def _inform(self, ready: Ready) -> None:
        while not await ready():  # noqa: ASYNC110 - it is asked, as /readyz is
            await asyncio.sleep(POLL)
        self._tell("READY=1")
        while self.watchdog:
            self._tell("WATCHDOG=1")
            await asyncio.sleep(self.watchdog / BEATS)

    def _tell(self, state: str) -> None:
        """Send one datagram. A manager that is gone, or busy, misses it: no session ends for that."""
        if not self.address:
            return
        name = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.setblocking(False)
            line.sendto(state.encode(), name)
