"""The port `net` gives its mail to: one line per route, retries, and an end."""

import asyncio
import logging
from collections.abc import Awaitable, Sequence

from gateway.courier.line import Line
from gateway.courier.spec import CourierSpec
from gateway.observe.journal import Journal
from gateway.protocols.amqp.parcel import Parcel

POST_FOR = 2.0
"""Seconds that an answer is tried for: it can overtake the client's own Queue.Declare, but soon nobody waits for it."""
FIRST_PAUSE, POST_PAUSE, DELIVER_PAUSE = 0.005, 0.25, 5.0
"""Pauses between attempts double, from the first to the longest."""
FLUSH = 2.0
"""Seconds that closing waits for what is under way."""


class Couriers:
    """`gateway.net.spec.Courier` over AMQP.

    Invariants: `deliver` ends only with the broker's confirm of a message that it could route; nothing that is
    published or raised here shows a message or the account's password in a log.
    """

    def __init__(self, specs: Sequence[CourierSpec], journal: Journal) -> None:
        """Raises StartError for unreadable certificates."""
        self._lines = {spec.route: Line(spec, journal) for spec in specs}
        self._under_way: set[asyncio.Future[None]] = set()
        for name in (
            "aio_pika",
            "aiormq",
        ):  # their lines show frames, and with them bodies and the handshake's password
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)

    async def post(self, route: str, data: bytes) -> None:
        """Publish, for POST_FOR seconds at most. Raises LookupError, ValueError (no Parcel), and what the last attempt did."""
        line, parcel = self._lines[route], Parcel.decode(data)
        await self._counted(_tried(line, parcel, POST_PAUSE, asyncio.get_running_loop().time() + POST_FOR))

    async def deliver(self, route: str, data: bytes) -> None:
        """Publish until the broker has routed and confirmed it. Raises LookupError and ValueError, nothing else."""
        line, parcel = self._lines[route], Parcel.decode(data)
        await self._counted(_tried(line, parcel, DELIVER_PAUSE, float("inf")))

    def reload(self) -> None:
        """Read every certificate again. Raises StartError."""
        for line in self._lines.values():
            line.reload()

    async def close(self) -> None:
        """Let what is under way go out for FLUSH seconds, then close every line."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=FLUSH)
        for task in list(self._under_way):
            task.cancel()
        await asyncio.gather(*(line.close() for line in self._lines.values()))

    async def _counted(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        await task


async def _tried(line: Line, parcel: Parcel, longest: float, until: float) -> None:
    """Publish until it is accepted; past `until` the next failure is raised."""
    loop, pause = asyncio.get_running_loop(), FIRST_PAUSE
    while True:
        try:
            await line.publish(parcel)
        except Exception:
            if loop.time() + pause > until:
                raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, longest)
        else:
            return
