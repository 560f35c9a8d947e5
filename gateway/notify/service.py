"""One process's notifications: the follower, a carrier for each channel and a count, from start to stop."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from gateway.notify.carrier import pause
from gateway.notify.channel import Channel
from gateway.notify.follower import Observer
from gateway.notify.spec import BROKER, MAIL, NotifySpec
from gateway.store.errors import StoreError
from gateway.store.notices import OutboxStore

FAREWELL = 5.0
"""Seconds that what is under way may take at the end; another process takes up what is not done by then."""
COUNT_EVERY = 5.0


def channels(spec: NotifySpec) -> dict[str, Channel]:
    """Return every channel by its name in the outbox. Raises OSError where a certificate file can't be used.

    Who has no such channel need not load its libraries: they take a quarter of a second.
    """
    found: dict[str, Channel] = {}
    if spec.hooks:
        from gateway.notify.webhook import Webhook  # noqa: PLC0415

        found |= {hook.channel: Webhook(hook) for hook in spec.hooks}
    if spec.mail:
        from gateway.notify.mail import Mail  # noqa: PLC0415

        found[MAIL] = Mail(spec.mail, spec.portal)
    if spec.broker:
        from gateway.notify.broker import Broker  # noqa: PLC0415

        found[BROKER] = Broker(spec.broker)
    return found


class Worker(Protocol):
    """Something that goes on until it is told to stop."""

    async def run(self, stop: asyncio.Event) -> None:
        """Go on until then; raises nothing."""


class Count:
    """Notes how many notices wait: every process sees the same number."""

    def __init__(self, outbox: OutboxStore, observer: Observer) -> None:
        self._outbox = outbox
        self._observer = observer

    async def run(self, stop: asyncio.Event) -> None:
        """See Worker."""
        while not stop.is_set():
            with contextlib.suppress(StoreError):  # who needs the store says so
                self._observer.outbox(await self._outbox.waiting())
            await pause(stop, COUNT_EVERY)


@contextlib.asynccontextmanager
async def at_work(workers: Sequence[Worker]) -> AsyncIterator[None]:
    """Let them work until the end of the block."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(one.run(stop)) for one in workers]
    try:
        yield
    finally:
        stop.set()
        _, late = await asyncio.wait(tasks, timeout=FAREWELL)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
