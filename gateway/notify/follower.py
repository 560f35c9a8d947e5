"""Follows the audit chain: each row once, in its order, into the outbox; and once a day looks who has to be reminded.

Several processes may follow: whoever moves the reader on queues what that is told by, in the same transaction, and the
others find it further on. It never holds a login up: it reads what was committed.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Protocol, TypeVar

from gateway.auth.reminders import Reminder
from gateway.notify.carrier import pause
from gateway.notify.kinds import Kind
from gateway.notify.spec import MAIL, NotifySpec
from gateway.notify.told import KEEP, notice_of, told, wanted
from gateway.store.audit import AuditRow, Event
from gateway.store.notices import Notice, ReaderStore
from gateway.store.ports import Account

READER, DAILY = "notices", "reminders"
CHUNK = 200
"""Rows told of in one transaction."""
PAUSE = 0.5
"""Seconds between two looks at a chain that has nothing new."""
DAY, WEEK = 86400.0, 7 * 86400.0
_REMINDER = "reminder:"
"""How the tags of reminders begin; behind it whose, and the day."""

T = TypeVar("T")
Remind = Callable[[Iterable[Account], float], Iterator[Reminder]]
Everybody = Callable[[], AsyncIterator[Account]]


class Observer(Protocol):
    """Who is told how it goes. Must neither raise nor block."""

    def outbox(self, waiting: int) -> None:
        """So many notices wait."""

    def failed(self, call: str, error: BaseException) -> None:
        """Something of our own failed."""


class Follower:
    """Invariant: a row is told of once, or, where it is older than KEEP, never."""

    def __init__(  # noqa: PLR0913, PLR0917 - its parts
        self,
        readers: ReaderStore,
        spec: NotifySpec,
        everybody: Everybody,
        remind: Remind,
        observer: Observer,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._readers = readers
        self._spec = spec
        self._everybody = everybody
        self._remind = remind
        self._observer = observer
        self._clock = clock
        self._reminded = 0

    async def begin(self) -> None:
        """Take the places of the two readers: the first time, behind everything that has happened. Raises StoreError."""
        await self._readers.begin(READER)
        await self._readers.begin(DAILY, 0)

    async def run(self, stop: asyncio.Event) -> None:
        """Follow until told to stop."""
        while not stop.is_set():
            try:
                busy = await self.step()
                await self.day()
            except Exception as error:  # noqa: BLE001 - tried again: the readers stand where they stood
                self._observer.failed("notices", error)
                busy = False
            if not busy:
                await pause(stop, PAUSE)

    async def step(self) -> bool:
        """Tell of the next rows; say whether there were any. Raises StoreError."""
        news = await self._readers.look(READER, CHUNK)
        if not news.rows:
            return False
        notices = await self._notices(news.rows)
        await self._readers.advance(READER, news.seen, news.rows[-1].seq, notices)
        return True

    async def _notices(self, rows: tuple[AuditRow, ...]) -> list[Notice]:
        names = {name for row in rows for name in self._of(partial(wanted, [row]))}
        accounts = {one.user.name: one for one in await self._readers.accounts(names)} if names else {}
        asked = any(row.event == Event.REQUEST_MADE.value for row in rows)
        administrators = await self._readers.administrators(self._clock()) if asked else ()
        now = self._clock()
        found = (
            notice for row in rows for notice in self._of(partial(told, row, self._spec, accounts, administrators))
        )
        return [notice for notice in found if notice.expires > now]

    def _of(self, read: Callable[[], Iterable[T]]) -> Sequence[T]:
        """Return what is read of a row; nothing of one that cannot be told: it holds up no other."""
        try:
            return list(read())
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it
            self._observer.failed("notices", error)
            return ()

    async def day(self) -> None:
        """Queue the day's reminders (SF-7, HK-4): each user's once in seven days. Raises StoreError."""
        now = self._clock()
        today = int(now // DAY)
        if self._spec.mail is None or _done(today, self._reminded):
            return
        self._reminded = seen = (await self._readers.look(DAILY, 0)).seen
        if _done(today, seen):
            return
        accounts = [one async for one in self._everybody()]
        queued = [tag.rpartition(":") for tag in await self._readers.queued(_REMINDER, now - WEEK)]
        lately = {whose for whose, _, day in queued if int(day) <= today + 1}
        notices = [_reminder(one, now) for one in self._remind(accounts, now) if one.email]
        due = [notice for notice in notices if notice.tag.rpartition(":")[0] not in lately]
        await self._readers.advance(DAILY, seen, today, due)


def _done(today: int, seen: int) -> bool:
    """Say whether somebody has looked today, or where it is tomorrow already. A day far ahead was a wrong clock's."""
    return today <= seen <= today + 1


def _reminder(one: Reminder, now: float) -> Notice:
    facts = {"user": one.user, "changed": one.changed, "until": one.expires or 0.0}
    tag = f"{_REMINDER}{one.user}:{one.email}:{now // DAY:.0f}"
    return notice_of(tag, Kind.REMINDER.value, MAIL, one.email, facts, now, now + KEEP)
