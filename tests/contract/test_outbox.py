"""The outbox: sealed, once by its tag, to one carrier at a time, and forgotten once it is out."""

import asyncio
from dataclasses import replace

import pytest
import sqlalchemy as sa

from gateway.core.secret import Secret
from gateway.store.notices import Claimed, Fate, Notice
from gateway.store.schema import outbox
from gateway.store.store import Store
from gateway.store.vault import MasterKey
from tests.contract.world import ADMIN, NOW

DAY = 86400.0
LEASE = 60.0
TEXT = b'{"url": "https://portal.example/link/the-token-of-a-letter"}'


def notice(tag: str = "1:login", channel: str = "mail", at: float = NOW) -> Notice:
    return Notice(tag, channel, Secret(TEXT), at, at + 3 * DAY)


async def claim(store: Store, now: float = NOW, channel: str = "mail", limit: int = 10) -> tuple[Claimed, ...]:
    return await store.outbox.claim(channel, now, LEASE, limit)


async def states(store: Store) -> dict[str, str]:
    rows = await store.survey(lambda connection: connection.execute(sa.select(outbox.c.tag, outbox.c.state)).all())
    return {row.tag: row.state for row in rows}


async def test_what_was_queued_is_claimed_as_it_was_with_an_id_that_stays(store: Store):
    await store.outbox.put([notice()])

    (first,) = await claim(store)
    (again,) = await claim(store, NOW + LEASE)

    assert (first.notice.tag, first.notice.body.reveal(), first.tries, again.tries) == ("1:login", TEXT, 1, 2)
    assert first.key == again.key
    assert len(first.key) == 32


async def test_a_tag_is_queued_once(store: Store):
    await store.outbox.put([notice(), notice()])
    await store.outbox.put([notice(), notice("2:login")])

    assert [one.notice.tag for one in await claim(store)] == ["1:login", "2:login"]


async def test_each_channel_has_its_own(store: Store):
    await store.outbox.put([notice("1", "mail"), notice("2", "hook:siem")])

    assert [one.notice.tag for one in await claim(store, channel="hook:siem")] == ["2"]


async def test_two_carriers_never_have_the_same_at_the_same_time(place):
    """Sixteen claims at once, by two processes: every notice goes to exactly one of them."""
    one, other = await place.open(), await place.open()
    await one.outbox.put([notice(str(number)) for number in range(40)])

    takes = await asyncio.gather(*(claim(store, limit=5) for store in (one, other) for _ in range(8)))

    found = [taken.notice.tag for take in takes for taken in take]
    assert sorted(found, key=int) == [str(number) for number in range(40)]


async def test_what_a_killed_carrier_had_goes_to_another_when_the_lease_is_over(store: Store):
    """At least once: nobody knows whether it was sent, so it is sent again, under the same id."""
    await store.outbox.put([notice()])
    (lost,) = await claim(store)

    assert await claim(store, NOW + LEASE - 1) == ()
    (taken,) = await claim(store, NOW + LEASE)
    assert (taken.notice.tag, taken.key) == (lost.notice.tag, lost.key)


async def test_what_was_sent_is_gone_and_its_content_forgotten(store: Store):
    await store.outbox.put([notice()])
    (taken,) = await claim(store)

    await store.outbox.sent([taken], NOW + 1)

    assert await claim(store, NOW + DAY) == ()
    assert (await store.outbox.waiting(), await store.outbox.entries()) == (0, ())
    (row,) = await store.survey(lambda connection: connection.execute(sa.select(outbox)).all())
    assert (row.state, bytes(row.sealed)) == ("sent", b"")


async def test_what_was_declined_waits_for_its_time_with_the_reason(store: Store):
    await store.outbox.put([notice()])
    (taken,) = await claim(store)

    await store.outbox.later(taken, NOW + 10, "SMTPDataError 451")

    assert await claim(store, NOW + 9) == ()
    (again,) = await claim(store, NOW + 10)
    assert again.error == "SMTPDataError 451"


async def test_a_carrier_that_lost_its_lease_puts_off_nothing(store: Store):
    await store.outbox.put([notice()])
    (slow,) = await claim(store)
    (fast,) = await claim(store, NOW + LEASE)

    await store.outbox.later(slow, NOW + DAY, "too slow")

    assert (await store.outbox.entries())[0].due == NOW
    await store.outbox.sent([fast], NOW + LEASE + 1)
    assert await states(store) == {"1:login": "sent"}


async def test_what_was_given_up_is_listed_without_its_content(store: Store):
    await store.outbox.put([notice(), notice("2:login")])
    taken = (await claim(store, limit=1))[0]

    await store.outbox.give_up(taken, NOW + 5, "too late")

    gone, waits = await store.outbox.entries()
    assert (gone.tag, gone.state, gone.error, gone.tries) == ("1:login", Fate.GIVEN_UP, "too late", 1)
    assert (waits.tag, waits.state) == ("2:login", Fate.WAITING)
    assert b"token" not in repr((gone, waits)).encode()


@pytest.mark.req("TW-10", "TW-11")
async def test_a_letters_token_is_nowhere_in_the_database(store: Store):
    await store.outbox.put([notice()])

    (row,) = await store.survey(lambda connection: connection.execute(sa.select(outbox)).all())

    assert b"the-token-of-a-letter" not in bytes(row.sealed)
    assert "the-token-of-a-letter" not in repr(row)


async def test_what_was_moved_to_another_tag_is_given_up_and_not_sent(store: Store):
    """Somebody who can write the database cannot make one letter another one's."""
    await store.outbox.put([notice(), notice("2:login")])
    (sealed,) = {bytes(one) for one in await _sealed(store, "2:login")}
    await store._database.write(
        lambda tx: tx.execute(sa.update(outbox).where(outbox.c.tag == "1:login").values(sealed=sealed)) and None
    )

    assert [one.notice.tag for one in await claim(store)] == ["2:login"]
    assert (await states(store))["1:login"] == "given_up"


async def _sealed(store: Store, tag: str) -> list[bytes]:
    found = sa.select(outbox.c.sealed).where(outbox.c.tag == tag)
    return list(await store.survey(lambda connection: connection.execute(found).scalars().all()))


@pytest.mark.req("BY-7")
async def test_what_waits_opens_under_a_new_master_key(place):
    store = await place.open()
    await store.outbox.put([notice()])
    new = MasterKey(Secret(bytes(range(32))))
    await store.keys.change_master(new, ADMIN)

    later = await place.open(master=new)

    (taken,) = await claim(later)
    assert taken.notice.body.reveal() == TEXT


async def test_old_ones_are_pruned_but_nothing_that_waits(store: Store):
    await store.outbox.put([notice("sent"), notice("gone"), notice("waits")])
    for taken in await claim(store):
        if taken.notice.tag == "sent":
            await store.outbox.sent([taken], NOW)
        if taken.notice.tag == "gone":
            await store.outbox.give_up(taken, NOW, "too late")

    await store.prune(NOW + 30 * DAY - 1)
    assert set(await states(store)) == {"sent", "gone", "waits"}
    await store.prune(NOW + 30 * DAY + 1)
    assert set(await states(store)) == {"waits"}


async def test_times_read_back_exactly(store: Store):
    odd = replace(notice(at=NOW + 0.123456789), expires=NOW + 7.7)
    await store.outbox.put([odd])

    (taken,) = await claim(store, NOW + 1)

    assert (taken.notice.created, taken.notice.expires) == (odd.created, odd.expires)
