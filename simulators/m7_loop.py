"""An event loop beside the thread that reads commands: what aio-pika needs to live in a simulator.

It must not know what runs on it.
"""

import asyncio
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from simulators.console import CommandError

Result = TypeVar("Result")
_PATIENCE = 60.0  # seconds for one command


class BackgroundLoop:
    """One loop on one thread. Invariant: after the `with`, nothing runs on it any more."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def call(self, work: Coroutine[Any, Any, Result], patience: float = _PATIENCE) -> Result:
        """Carry it out there and return its result; CommandError if it takes too long."""
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result(patience)
        except TimeoutError:
            future.cancel()
            raise CommandError(f"not done within {patience:.0f} s") from None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.call(_cancel_all())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(_PATIENCE)
        self.loop.close()


async def _cancel_all() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
