"""One login of a user at a time in this process: two hundred at once would only get in each other's way in the store.

It orders, it does not protect: what makes a code one-time is the store's transaction, on all nodes.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.auth.passwords import Busy


class Turns:
    """Invariants: at most `waiting` logins wait per name, each at most `patience` seconds; no name is kept unused."""

    def __init__(self, *, waiting: int = 500, patience: float = 8.0) -> None:
        self._waiting = waiting
        self._patience = patience
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[None]:
        """Hold the turn of `name`, first come first served. Raises Busy, TimeoutError."""
        lock, users = self._locks.get(name) or (asyncio.Lock(), 0)
        if users > self._waiting:
            raise Busy("too many logins of one user wait")
        self._locks[name] = (lock, users + 1)
        try:
            async with asyncio.timeout(self._patience):
                await lock.acquire()
            try:
                yield
            finally:
                lock.release()
        finally:
            lock, users = self._locks[name]
            if users == 1:
                del self._locks[name]
            else:
                self._locks[name] = (lock, users - 1)

    def __len__(self) -> int:
        return len(self._locks)
