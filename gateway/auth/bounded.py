"""Slow work off the event loop: a few threads, and a bound on what may wait for them.

A flood of logins ends in refusals, never in a queue without end. Nothing here knows what the work is.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Busy(Exception):  # noqa: N818 - a state, not a mistake
    """As much work waits as may wait; try again later."""


class Bounded:
    """Invariant: at most `workers` pieces of work run and `queue` wait at any moment; what nobody waits for any more, too."""

    def __init__(self, name: str, workers: int, queue: int = 256) -> None:
        self._name = name
        self._places = threading.BoundedSemaphore(workers + queue)
        self._pool = ThreadPoolExecutor(workers, name)

    async def run(self, work: Callable[[], T], patience: float | None = None) -> T:
        """Return what `work` returns. Raises Busy, and TimeoutError after `patience` seconds; work that began goes on."""
        if not self._places.acquire(blocking=False):
            raise Busy(f"too much waits for {self._name}")
        try:
            future: Future[T] = self._pool.submit(work)
        except BaseException:
            self._places.release()
            raise
        future.add_done_callback(lambda _: self._places.release())
        async with asyncio.timeout(patience):
            return await asyncio.wrap_future(future)

    def close(self, *, wait: bool = True) -> None:
        """Stop the threads; what runs is finished, what waits is dropped."""
        self._pool.shutdown(wait=wait, cancel_futures=True)
