"""Slow work in a few threads, with a bound on what may wait."""

import asyncio
import os
import threading
from collections.abc import Iterator

import pytest

from gateway.auth.bounded import NICER, Bounded, Busy


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What the work waits for; open at the end at the latest."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def pool(gate: threading.Event) -> Iterator[Bounded]:
    pool = Bounded("work", 1, 2)
    yield pool
    gate.set()
    pool.close()


async def test_what_cannot_wait_any_more_is_refused_at_once_and_the_places_come_back(pool, gate):
    running = [asyncio.ensure_future(pool.run(gate.wait)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Busy, match="too much waits for work"):
        await pool.run(lambda: True)
    gate.set()
    assert await asyncio.gather(*running) == [True] * 3
    assert await pool.run(lambda: "again") == "again"


async def test_who_has_no_patience_left_is_told_so_and_the_place_stays_taken_until_the_work_is_done(pool, gate):
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await pool.run(gate.wait, 0.01)
    assert pool._places.acquire(blocking=False)  # the two that had not begun gave theirs back
    assert pool._places.acquire(blocking=False)
    assert not pool._places.acquire(blocking=False)


async def test_what_the_work_raises_is_raised(pool):
    with pytest.raises(ZeroDivisionError):
        await pool.run(lambda: 1 // 0)


async def test_slow_work_steps_back_behind_the_event_loop(pool):
    """The core is the live sessions' first: `os.nice(0)` tells the calling thread's niceness, on Linux its own."""
    assert await pool.run(lambda: os.nice(0)) == min(os.nice(0) + NICER, 19)
