"""Time and orders: one sweep a second over every connection, leases every few seconds, kicks and wills as they come.

A store that is away stops leases and orders, never a live session: both are tried again.
"""

import asyncio

from gateway.core.authority import Ended, Order, Owed, Seen
from gateway.core.reason import Reason
from gateway.net.lane import Services

SWEEP = 1.0
LEASE_EVERY = 5
"""Sweeps between two renewals of the leases."""
SLICE = 256
"""Connections per turn of the loop: a sweep over thousands must not hold up a message."""
RETRY_AT_MOST = 5.0


class Janitor:
    """Three loops over `services.table` and `services.live`. Invariant: none of them ends but by `stop`."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._tasks: list[asyncio.Task[None]] = []
        self._leasing: asyncio.Task[None] | None = None
        self._delivering: set[str] = set()

    def start(self) -> None:
        """Start sweeping and listening for orders."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._sweep()), loop.create_task(self._obey())]

    async def stop(self) -> None:
        """Stop both."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        due, count = loop.time() + SWEEP, 0
        while True:
            await asyncio.sleep(due - loop.time())
            self._services.journal.lag(loop.time() - due)
            due, count = max(due, loop.time() - SWEEP) + SWEEP, count + 1
            await self._tick_all()
            if count % LEASE_EVERY == 0 and (self._leasing is None or self._leasing.done()):
                self._leasing = self._services.errands.run("seen", self._renew())

    async def _tick_all(self) -> None:
        connections = list(self._services.table)
        for start in range(0, len(connections), SLICE):
            now = self._services.clock()
            for connection in connections[start : start + SLICE]:
                try:
                    connection.tick(now)
                except Exception as error:  # noqa: BLE001 - one connection's fault must not stop everybody's time
                    self._services.journal.failed("tick", error)
                    connection.abort()
            await asyncio.sleep(0)

    async def _renew(self) -> None:
        sightings = [Seen(*seen) for one in self._services.live.values() if (seen := one.sighting()) is not None]
        if sightings:
            await self._services.authority.seen(sightings)

    async def _obey(self) -> None:
        delay = 0.1
        while True:
            try:
                async for order in self._services.authority.orders():
                    delay = 0.1
                    self._carry_out(order) if isinstance(order, Order) else self._take(order)
            except Exception as error:  # noqa: BLE001 - the stream starts again, whatever broke it
                self._services.journal.failed("orders", error)
            await asyncio.sleep(delay)
            delay = min(2 * delay, RETRY_AT_MOST)

    def _carry_out(self, order: Order) -> None:
        connection = self._services.live.get(order.session)
        if connection is not None:
            connection.order(order.reason)

    def _take(self, owed: Owed) -> None:
        """Deliver a will, unless it is under way: what could not be delivered comes again."""
        if owed.session not in self._delivering:
            self._delivering.add(owed.session)
            self._services.errands.run("will", self._deliver(owed))

    async def _deliver(self, owed: Owed) -> None:
        services = self._services
        try:
            async with asyncio.timeout(services.patience.will):
                await services.courier.deliver(owed.route, owed.will)
        except Exception as error:  # noqa: BLE001 - whatever it was, the will stays owed
            services.journal.will_owed(owed.session, owed.route, error)
        else:
            services.journal.will_delivered(owed.session, owed.route)
            settled = Ended(owed.session, Reason.GATEWAY_LOST, services.clock().wall)
            await services.errands.tell("ended", lambda: services.authority.ended(settled), after=None)
        finally:
            self._delivering.discard(owed.session)
