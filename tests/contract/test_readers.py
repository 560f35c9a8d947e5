"""Readers of the audit chain: each row once, whichever process reads, and what it is told by queued with the step."""

import asyncio

import pytest

from gateway.core.secret import Secret
from gateway.policy.roles import Grant, Role
from gateway.policy.snapshot import User
from gateway.store.audit import AuditEntry, Event
from gateway.store.errors import NotFound
from gateway.store.notices import Notice
from gateway.store.store import Store
from tests.contract.world import ADMIN, NOW


def about(row) -> Notice:
    return Notice(f"{row.seq}:mail", "mail", Secret(b"{}"), NOW, NOW + 60)


async def happened(store: Store, times: int) -> None:
    for _ in range(times):
        await store.audit.append(AuditEntry(NOW, Event.LOGIN_ADMITTED, user="trader"))


async def follow(store: Store, limit: int = 3) -> int:
    """Read on until the end; return how many rows this process told of."""
    told = 0
    while True:
        news = await store.readers.look("test", limit)
        if not news.rows:
            return told
        notices = [about(row) for row in news.rows]
        if await store.readers.advance("test", news.seen, news.rows[-1].seq, notices):
            told += len(news.rows)


async def test_the_first_start_begins_behind_what_has_happened(store: Store):
    await happened(store, 5)
    await store.readers.begin("test")
    await happened(store, 2)

    assert await follow(store) == 2


async def test_a_start_later_on_goes_on_where_the_last_one_ended(place):
    store = await place.open()
    await store.readers.begin("test")
    await happened(store, 4)
    await follow(store)
    await happened(store, 3)

    again = await place.open()
    await again.readers.begin("test")

    assert await follow(again) == 3


async def test_many_readers_in_two_processes_tell_of_each_row_once(place):
    one, other = await place.open(), await place.open()
    await one.readers.begin("test")
    await happened(one, 50)

    shares = await asyncio.gather(*(follow(store) for store in (one, other) for _ in range(4)))

    assert sum(shares) == 50
    assert await one.outbox.waiting() == 50


async def test_who_comes_second_moves_nothing_and_queues_nothing(store: Store):
    await store.readers.begin("test")
    await happened(store, 1)
    news = await store.readers.look("test", 10)

    assert await store.readers.advance("test", news.seen, news.rows[-1].seq, [])
    assert not await store.readers.advance("test", news.seen, news.rows[-1].seq, [about(news.rows[-1])])
    assert await store.outbox.waiting() == 0


async def test_several_processes_may_begin_at_once(place):
    stores = [await place.open() for _ in range(3)]

    await asyncio.gather(*(store.readers.begin("test", 0) for store in stores))

    assert (await stores[0].readers.look("test", 1)).seen == 0


async def test_a_reader_that_never_began_reads_nothing(store: Store):
    with pytest.raises(NotFound, match="no reader"):
        await store.readers.look("test", 1)


async def test_accounts_and_administrators_are_those_there_are(store: Store):
    for name, until in (("root", NOW + 60), ("former", NOW - 60)):
        await store.users.add(User("", name, grant=Grant(Role.AUDITOR, until)), ADMIN)
    await store.users.add(User("", "tom"), ADMIN)

    assert [one.user.name for one in await store.readers.accounts({"tom", "root", "nobody"})] == ["root", "tom"]
    assert [one.user.name for one in await store.readers.administrators(NOW)] == ["root"]


@pytest.mark.req("SF-11")
async def test_who_wants_no_notice_of_logins_is_remembered_and_audited(store: Store):
    await store.users.add(User("", "tom"), ADMIN)

    await store.readers.set_quiet("tom", ADMIN, quiet=True)
    assert (await store.users.show("tom")).quiet_since == NOW
    await store.readers.set_quiet("tom", ADMIN, quiet=False)
    assert (await store.users.show("tom")).quiet_since is None

    events = [row.event for row in await store.audit.rows()]
    assert events[-2:] == ["notices.stopped", "notices.resumed"]
    with pytest.raises(NotFound):
        await store.readers.set_quiet("nobody", ADMIN, quiet=True)
