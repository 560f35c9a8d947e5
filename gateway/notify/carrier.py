"""Takes what is due in the outbox and hands it to one channel, at least once each.

A message that is declined waits, twice as long each time. Where the server itself is away the whole lane waits, never
longer than LONGEST_REST, so that what piled up goes out soon after it is back. A lease is longer than any try: what a
killed process had is taken up by another when it is over.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from enum import Enum, auto
from typing import Protocol

from gateway.notify.channel import Away, Channel, Declined, Message, Undeliverable
from gateway.store.notices import Claimed, OutboxStore

AT_ONCE = 4
"""Messages under way on one channel."""
PAUSE = 0.5
"""Seconds between two looks at an outbox that has nothing due."""
LIMIT = 45.0
LEASE = 60.0
"""Seconds a try may take, and seconds nobody else tries."""
FIRST_WAIT, LONGEST_WAIT = 1.0, 3600.0
"""Of a message that is declined; doubled from the one to the other."""
FIRST_REST, LONGEST_REST = 1.0, 60.0
"""Of a channel whose server is away."""
JITTER = 0.25
_DOUBLINGS = 20
_UNREADABLE = "is no message: another version queued it"

Clock = Callable[[], float]


class Observer(Protocol):
    """Who is told how it goes. Must neither raise nor block."""

    def notice_sent(self, channel: str) -> None:
        """One went out."""

    def notice_put_off(self, channel: str, kind: str, error: str, seconds: float) -> None:
        """One was not taken, and is tried again after so many seconds."""

    def notice_given_up(self, channel: str, kind: str, error: str) -> None:
        """One will not go out."""

    def channel_away(self, channel: str, error: str) -> None:
        """The server behind a channel cannot be reached; said again after each try that finds it so."""

    def failed(self, call: str, error: BaseException) -> None:
        """Something of our own failed."""


class _End(Enum):
    """How a try ended."""

    SENT = auto()
    SETTLED = auto()
    """Put off or given up, and written down."""
    AWAY = auto()


def wait_after(tries: int) -> float:
    """Return the seconds a message waits after so many tries, with some jitter."""
    wait = min(FIRST_WAIT * 2.0 ** min(tries - 1, _DOUBLINGS), LONGEST_WAIT)
    return wait * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - jitter


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait, or until told to stop."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


class Carrier:
    """One channel's way out of the outbox. Invariant: a message is marked as sent only after the channel took it.

    `rest`: seconds the lane waits because its server is away, 0 where it is not.
    """

    def __init__(
        self,
        name: str,
        channel: Channel,
        outbox: OutboxStore,
        observer: Observer,
        *,
        clock: Clock = time.time,
    ) -> None:
        self.name = name
        self._channel = channel
        self._outbox = outbox
        self._observer = observer
        self._clock = clock
        self.rest = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Carry until told to stop; what is under way then is finished."""
        try:
            while not stop.is_set():
                if not await self._tried() or self.rest:
                    await pause(stop, self.rest or PAUSE)
        finally:
            await self._channel.close()

    async def _tried(self) -> bool:
        try:
            return await self.round()
        except Exception as error:  # noqa: BLE001 - tried again: nothing that waits is lost
            self._observer.failed("outbox", error)
            return False

    async def round(self) -> bool:
        """Take what is due and try it; say whether there was anything. Raises StoreError."""
        now = self._clock()
        claimed = await self._outbox.claim(self.name, now, LEASE, 1 if self.rest else AT_ONCE)
        if not claimed:
            return False
        ends = await asyncio.gather(*(self._carry(one) for one in claimed), return_exceptions=True)
        if sent := [one for one, end in zip(claimed, ends, strict=True) if end is _End.SENT]:
            await self._outbox.sent(sent, self._clock())  # one write for all of them: logins wait for the same disk
            for _ in sent:
                self._observer.notice_sent(self.name)
        away = all(end is _End.AWAY for end in ends)
        self.rest = min(2 * self.rest or FIRST_REST, LONGEST_REST) if away else 0.0
        for end in ends:
            if isinstance(
                end, BaseException
            ):  # the store's, or the end of this process: what went out is marked by now
                raise end
        return True

    async def _carry(self, one: Claimed) -> "_End":
        """Try one message, and say how that ended."""
        now = self._clock()
        try:
            message = Message.of(one)
        except (ValueError, LookupError, TypeError):
            await self._outbox.give_up(one, now, _UNREADABLE)
            self._observer.notice_given_up(self.name, "", _UNREADABLE)
            return _End.SETTLED
        if now >= one.notice.expires:
            await self._give_up(one, message, f"too late: {one.error}" if one.error else "too late")
            return _End.SETTLED
        try:
            async with asyncio.timeout(LIMIT):
                await self._channel.send(message)
        except (Away, TimeoutError) as error:
            fault = str(error) or type(error).__name__
            self._observer.channel_away(self.name, fault)
            await self._outbox.later(one, now, fault)
            return _End.AWAY
        except Undeliverable as error:
            await self._give_up(one, message, str(error))
        except Exception as error:  # noqa: BLE001 - one message that breaks a library holds up no other
            await self._put_off(one, message, str(error) if isinstance(error, Declined) else type(error).__name__)
        else:
            return _End.SENT
        return _End.SETTLED

    async def _put_off(self, one: Claimed, message: Message, error: str) -> None:
        wait = wait_after(one.tries)
        # What expires before is looked at then, to be given up in time.
        await self._outbox.later(one, min(self._clock() + wait, one.notice.expires), error)
        self._observer.notice_put_off(self.name, message.kind, error, wait)

    async def _give_up(self, one: Claimed, message: Message, error: str) -> None:
        await self._outbox.give_up(one, self._clock(), error)
        self._observer.notice_given_up(self.name, message.kind, error)
