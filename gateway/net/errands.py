"""Background work of the connections: asked for and forgotten, but never lost in silence."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from gateway.observe.journal import Journal

Work = Coroutine[Any, Any, object]
MOST = 1_000
"""Errands of one name under way that nobody depends on; a flood of contacts must not become a flood of tasks."""


class Errands:
    """Tasks that outlive the call that started them.

    Invariants: calls chained by `after` run one after another; what `tell` was given is tried again for `patience`
    seconds and then given up in the log: the store's lease then frees the session's place, and a stream's memory
    stays open, which only ever makes the next refusal silent (fail closed).
    """

    def __init__(self, journal: Journal, patience: float) -> None:
        self._journal = journal
        self._patience = patience
        self._tasks: set[asyncio.Task[None]] = set()
        self._spare: Counter[str] = Counter()

    def run(self, name: str, work: Work) -> asyncio.Task[None]:
        """Start `work`; whatever it raises is logged under `name`."""
        task = asyncio.get_running_loop().create_task(self._run(name, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _task: work.close())  # cancelled before its first step, it was never begun
        return task

    def tell(self, name: str, told: Callable[[], Work], after: asyncio.Task[None] | None) -> asyncio.Task[None]:
        """Call `told` until it succeeds, once `after` is done; return the task, for the next one to wait for."""
        return self.run(name, self._tell(name, told, after))

    def once(self, name: str, told: Callable[[], Work]) -> None:
        """Call `told` once (a report, a courtesy); under a flood of that name not at all."""
        if self._spare[name] >= MOST:
            self._journal.errand_dropped(name)
            return
        self._spare[name] += 1
        self.run(name, told()).add_done_callback(lambda _task: self._spare.subtract([name]))

    async def drain(self, seconds: float) -> None:
        """Wait at most `seconds` for what is under way, then cancel the rest."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        left = [task for task in self._tasks if not task.done()]
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=1)

    async def _run(self, name: str, work: Work) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - nobody waits for this task: here is where it is said
            self._journal.failed(name, error)

    async def _tell(self, name: str, told: Callable[[], Work], after: asyncio.Task[None] | None) -> None:
        if after is not None:
            await asyncio.wait([after])
        loop = asyncio.get_running_loop()
        until, delay = loop.time() + self._patience, 0.1
        while True:
            try:
                await told()
            except Exception as error:  # noqa: BLE001 - whatever it was, it is tried again or given up
                if loop.time() + delay > until:
                    self._journal.record_lost(name, error)
                    return
                await asyncio.sleep(delay)
                delay = min(2 * delay, 5.0)
            else:
                return
