"""Errands: tasks that nobody waits for."""

import asyncio
import gc

from gateway.net.errands import Errands
from gateway.observe.journal import Journal


async def test_work_that_is_cancelled_before_its_first_step_leaves_nothing_behind():
    """A client that leaves while it is being dialled for; Python would warn of a coroutine that was never awaited."""
    begun = []

    async def dial() -> None:
        begun.append("dial")

    task = Errands(Journal(), 1.0).run("dial", dial())
    task.cancel()
    await asyncio.wait([task])
    gc.collect()

    assert task.cancelled()
    assert begun == []
