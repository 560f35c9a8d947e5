"""Back-ups: from one engine to the other, while it is written to, and refused whole where anything is wrong (SF-22)."""

import asyncio
import io
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.auth.backups import back_up
from gateway.auth.links import digest_of
from gateway.auth.passwords import Passwords
from gateway.auth.proofs import Claim
from gateway.core.login import Admitted
from gateway.core.secret import Secret
from gateway.policy.links import Purpose
from gateway.policy.rules import Channel
from gateway.store import backup, strongbox
from gateway.store.errors import BackupRefused, KeyRefused, NotFound
from gateway.store.restore import Archive, restore
from gateway.store.schema import memories, metadata, sent_codes, web_sessions
from gateway.store.store import Store, connect
from gateway.store.vault import MasterKey
from tests.contract.crowd import Crowd, authority_over
from tests.contract.staff import PASSWORD, Staff, token_of
from tests.contract.world import ADMIN, KEY, World

FULL = Path("/dev/full")
BOTH = sa.text("UPDATE users SET organisation = :text WHERE name IN ('u0', 'u59')")
PASSPHRASE = Secret("a long enough passphrase")


async def written(store: Store, master: MasterKey | None = None) -> bytes:
    out = io.BytesIO()
    await back_up(store, out, PASSPHRASE, ADMIN, master=master)
    return out.getvalue()


async def restored(place, content: bytes, master: MasterKey, passphrase: Secret = PASSPHRASE) -> Store:
    await restore(place.url, Archive(io.BytesIO(content), passphrase), master, ADMIN)
    return await place.open(master=master)


def rows(connection: sa.Connection) -> dict[str, list[tuple]]:
    return {
        table.name: [tuple(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key.columns))]
        for table in metadata.sorted_tables
    }


async def tables_in(place) -> list[str]:
    database = connect(place.url, timeout=5, pool_size=1)
    try:
        return await database.read(lambda connection: sa.inspect(connection).get_table_names())
    finally:
        await database.close()


@pytest.mark.req("SF-22")
async def test_what_is_restored_is_what_was_there_on_either_engine(place, target, world: World):
    await world.open("s1")
    await world.logins.remember(_note(world, "X>Y"))
    await world.store.users.set_password("trader", "$argon2id$2", ADMIN)
    content = await written(world.store)

    again = await restored(target, content, place.master)

    before, after = [await store._database.read(rows) for store in (world.store, again)]
    names = [column.name for column in memories.columns]
    assert [dict(zip(names, row, strict=True))["open"] for row in after["memories"]] == [True] * 2
    assert after["audit"][:-1] == before["audit"]
    assert after["audit"][-1][2] == "store.restored"
    for name in before.keys() - {"audit", "audit_head", "memories"}:
        assert sorted(map(str, after[name])) == sorted(map(str, before[name])), name
    assert (await again.audit.verify()).intact


def _note(world: World, key: str):
    from gateway.core.login import Note

    return Note(f"main/{key}", 0, b"hole \x00\xff")


@pytest.mark.req("SF-22", "TW-11")
async def test_everybody_logs_in_with_the_same_codes_after_a_restore(place, target, crowd: Crowd, passwords: Passwords):
    again = await restored(target, await written(crowd.store), place.master)

    crowd.store, crowd.authority = again, authority_over(again, passwords, [crowd])

    assert await crowd.everybody_gets_in()
    await crowd.enrol(again, "after")
    assert isinstance(await crowd.login("after"), Admitted)
    await again.users.set_password("u1", "$argon2id$3", ADMIN)  # the ids that PostgreSQL counts go on
    await again.users.set_password("u1", "$argon2id$4", ADMIN)
    assert (await again.audit.verify()).intact


@pytest.mark.req("SF-22")
async def test_a_code_that_was_used_before_the_backup_is_still_used_after_it(
    place, target, crowd: Crowd, passwords: Passwords
):
    assert isinstance(await crowd.login("u1"), Admitted)
    again = await restored(target, await written(crowd.store), place.master)
    crowd.store, crowd.authority = again, authority_over(again, passwords, [crowd])

    crowd.wall -= 30
    assert not isinstance(await crowd.login("u1"), Admitted)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> int:
    """Pages and chunks so small that a store of sixty people has several of each; the bytes of a chunk."""
    monkeypatch.setattr(backup, "PAGE", 25)
    monkeypatch.setattr(strongbox, "CHUNK", 16384)
    return 16384


@contextmanager
def busy(place) -> Iterator[list[int]]:
    """Another process's writes, in a thread of its own: two users always get the same organisation in one transaction."""
    done, ended = [0], threading.Event()

    async def write() -> None:
        store = await Store.open(place.url, place.master)
        while not ended.is_set():
            number = done[0] + 1
            await store._database.write(lambda tx, n=number: tx.execute(BOTH, {"text": str(n)}) and None)
            await store.users.unlock("u1", ADMIN)  # an audit row
            done[0] = number
        await store.close()

    thread = threading.Thread(target=lambda: asyncio.run(write()))
    thread.start()
    try:
        yield done
    finally:
        ended.set()
        thread.join(30)


class Slow(io.BytesIO):
    """A file that is written to only while the store goes on being changed."""

    def __init__(self, done: list[int]) -> None:
        super().__init__()
        self.done = done
        self.overlapped = 0

    def write(self, more) -> int:
        waited, seen = threading.Event(), self.done[0]
        for _ in range(1000):
            if self.done[0] > seen + 2:
                self.overlapped += 1
                break
            waited.wait(0.01)
        return super().write(more)


@pytest.mark.req("SF-22")
async def test_a_backup_is_one_moment_of_a_store_that_is_written_to(place, target, crowd: Crowd, small):
    with busy(place) as done:
        out = Slow(done)
        await back_up(crowd.store, out, PASSPHRASE, ADMIN)

    assert out.overlapped > 2
    again = await restored(target, out.getvalue(), place.master)
    assert (await again.users.show("u0")).user.organisation == (await again.users.show("u59")).user.organisation
    assert (await again.audit.verify()).intact


@pytest.mark.req("SF-22")
@pytest.mark.parametrize("target", ["sqlite", "postgresql"], indirect=True)
@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
async def test_a_damaged_backup_writes_nothing(place, target, crowd: Crowd, small):
    content = await written(crowd.store)
    chunk, start = small + 16, _header(content)
    first, second = content[start : start + chunk], content[start + chunk : start + 2 * chunk]
    assert len(second) == chunk  # there are three of them at least
    damaged = {
        "cut at a chunk": content[: start + 2 * chunk],
        "cut anywhere": content[:-7],
        "one bit": _flipped(content, len(content) - 100),
        "reordered": content[:start] + second + first + content[start + 2 * chunk :],
        "one left out": content[: start + chunk] + content[start + 2 * chunk :],
        "prolonged": content + b"x",
    }

    for name, bad in damaged.items():
        with pytest.raises(BackupRefused):
            await restored(target, bad, place.master)
        assert await tables_in(target) == [], name
    assert (await (await restored(target, content, place.master)).audit.verify()).intact


def _header(content: bytes) -> int:
    magic = len(b"gateway backup 1\n")
    return magic + 4 + int.from_bytes(content[magic : magic + 4])


def _flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


@pytest.mark.req("SF-22")
async def test_a_wrong_passphrase_or_master_key_writes_nothing(place, target, world: World):
    content = await written(world.store)

    with pytest.raises(BackupRefused, match="passphrase"):
        await restored(target, content, place.master, Secret("another passphrase"))
    with pytest.raises(KeyRefused, match="master key"):
        await restored(target, content, MasterKey(Secret(secrets.token_bytes(32))))

    assert await tables_in(target) == []


@pytest.mark.req("SF-22")
async def test_a_store_in_use_is_not_overwritten(place, target, world: World):
    content = await written(world.store)
    there = await target.open()
    await there.users.add(replace((await world.store.users.show("trader")).user, id="", name="mine"), ADMIN)

    with pytest.raises(BackupRefused, match="empty"):
        await restored(target, content, place.master)

    assert [account.user.name for account in await there.users.list()] == ["mine"]
    assert (await there.audit.verify()).intact


@pytest.mark.req("SF-22")
async def test_a_store_that_was_only_ever_opened_counts_as_empty(place, target, world: World):
    content = await written(world.store)
    await (await target.open()).close()

    again = await restored(target, content, place.master)

    assert [account.user.name for account in await again.users.list()] == ["trader"]


@pytest.mark.req("SF-22", "TW-11")
async def test_the_master_key_is_in_the_backup_only_where_asked_for(place, world: World):
    without, with_it = await written(world.store), await written(world.store, place.master)

    assert Archive(io.BytesIO(without), PASSPHRASE).master is None
    held = Archive(io.BytesIO(with_it), PASSPHRASE).master
    assert held is not None
    assert held.derive("x") == place.master.derive("x")


@pytest.mark.req("SF-22", "TW-10")
async def test_nothing_of_the_store_is_readable_in_a_backup(place, world: World):
    content = await written(world.store, place.master)

    assert KEY not in content
    for word in (b"trader", b"argon2id$", place.master.export().reveal(), PASSPHRASE.reveal(), b"store_id"):
        assert word not in content


@pytest.mark.req("SF-22")
async def test_a_backup_is_in_the_audit_record_of_the_store_and_of_itself(place, target, world: World):
    again = await restored(target, await written(world.store, place.master), place.master)

    for store in (world.store, again):
        (row,) = [row for row in await store.audit.rows() if row.event == "store.backed_up"]
        assert '"actor":"ops"' in row.details
        assert '"fields":"master_key"' in row.details


@pytest.mark.req("SF-22", "BY-7")
async def test_a_backup_from_before_a_rotation_still_opens_and_one_after_it_too(
    place, target, crowd: Crowd, passwords: Passwords
):
    from gateway.auth.keys import Keys

    before = await written(crowd.store)
    await Keys(crowd.store.keys).rotate(ADMIN)
    after = await written(crowd.store)

    assert before != after
    again = await restored(target, after, place.master)
    crowd.store, crowd.authority = again, authority_over(again, passwords, [crowd])
    assert await crowd.everybody_gets_in()


@pytest.mark.req("SF-22")
async def test_a_full_disk_is_said_to_be_one(world: World):
    with FULL.open("wb", buffering=0) as full, pytest.raises(BackupRefused, match="No space"):  # noqa: ASYNC230
        await back_up(world.store, full, PASSPHRASE, ADMIN)

    await world.open("s1")  # the store goes on


@pytest.mark.req("SF-22")
async def test_a_short_passphrase_is_refused_before_anything_is_written(world: World):
    out = io.BytesIO()

    with pytest.raises(BackupRefused, match="12 characters"):
        await back_up(world.store, out, Secret("too short"), ADMIN)

    assert out.getvalue() == b""


@pytest.mark.req("SF-22")
@pytest.mark.parametrize(
    "content", [b"", b"gateway backup 1\n", b"gateway backup 1\n\xff\xff\xff\xff{}", os.urandom(300)]
)
def test_what_is_no_backup_is_refused(content: bytes):
    with pytest.raises(BackupRefused, match="no back-up"):
        Archive(io.BytesIO(content), PASSPHRASE)


@pytest.mark.req("SF-22", "TW-9")
async def test_a_link_does_not_come_back_with_a_restore_that_does_not_know_whether_it_was_used(
    place, target, staff: Staff
):
    await staff.office.links.ask(Purpose.RESET_PASSWORD, "tom", staff.by("tom"))
    token = token_of(staff.tray.letters[-1])
    await staff.office.links.open(token, staff.clock.wall)

    again = await restored(target, await written(staff.store), place.master)

    with pytest.raises(NotFound):
        await again.links.show(digest_of(token), staff.clock.wall)
    assert (await again.users.show("root1")).user.grant == (await staff.store.users.show("root1")).user.grant


async def test_neither_sessions_of_the_portal_nor_sent_codes_come_back_with_a_restore(place, target, staff: Staff):
    await staff.hire("mia", device=False, channel=Channel.EMAIL)
    await staff.office.sentcodes.send(staff.by("mia"))
    await staff.office.signin.enter(Claim("mia", Secret(PASSWORD)), staff.by("mia"))

    again = await restored(target, await written(staff.store), place.master)

    for table in (sent_codes, web_sessions):
        assert await again.survey(lambda connection, table=table: connection.execute(table.select()).all()) == []
        assert (
            len(await staff.store.survey(lambda connection, table=table: connection.execute(table.select()).all())) == 1
        )
