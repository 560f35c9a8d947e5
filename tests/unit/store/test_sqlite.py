"""SQLite underneath: real processes on one file, one of them killed in the middle of its work."""

import asyncio
import json
import os
import signal
import sqlite3
import sys
from pathlib import Path

import pytest

from gateway.core.secret import Secret
from gateway.policy.organisations import Policies
from gateway.policy.rules import Policy
from gateway.store.errors import StoreUnavailable
from gateway.store.sqlite import QUEUE
from gateway.store.store import Store
from gateway.store.vault import MasterKey
from tests.contract.world import NOW, World, attempt

MASTER = MasterKey(Secret(bytes(range(100, 132))))
CHILD = """
import asyncio, sys
from gateway.core.secret import Secret
from gateway.store.store import Store
from gateway.store.vault import MasterKey
from gateway.store.audit import AuditEntry, Event

async def main(url, name, count):
    store = await Store.open(url, MasterKey(Secret(bytes(range(100, 132)))))

    async def work(lane):
        for number in range(count):
            row = await store.audit.append(AuditEntry(1.0, Event.STORE_CREATED, user=f"{name}/{lane}/{number}"))
            print(row.seq, flush=True)

    await asyncio.gather(*(work(lane) for lane in range(4)))
    await store.close()

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


async def child(url: str, name: str, count: int) -> asyncio.subprocess.Process:
    root = str(Path(__file__).parents[3])
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, url, name, str(count), stdout=asyncio.subprocess.PIPE, cwd=root
    )


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/gateway.db"


async def test_a_commit_is_on_the_disk_before_it_is_told(url: str):
    store = await Store.open(url, MASTER)
    try:
        found = await store._database.write(
            lambda tx: {
                name: tx.connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys")
            }
        )
    finally:
        await store.close()

    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


@pytest.mark.req("BY-6")
async def test_two_processes_write_one_chain(url: str):
    await (await Store.open(url, MASTER)).close()
    children = [await child(url, name, 50) for name in ("a", "b")]
    outputs = await asyncio.gather(*(one.communicate() for one in children))

    told = [int(line) for out, _ in outputs for line in out.split()]
    assert sorted(told) == list(range(2, 402))
    store = await Store.open(url, MASTER)
    assert (await store.audit.verify()).count == 401
    assert (await store.audit.verify()).intact
    await store.close()


@pytest.mark.req("BY-6")
async def test_a_process_killed_in_the_middle_loses_nothing_it_has_told(url: str):
    await (await Store.open(url, MASTER)).close()
    victim = await child(url, "victim", 1_000_000)
    told = [int(await victim.stdout.readline()) for _ in range(100)]
    os.kill(victim.pid, signal.SIGKILL)
    told += [int(line) for line in (await victim.stdout.read()).splitlines()[:-1]]
    await victim.wait()

    store = await Store.open(url, MASTER)
    found = await store.audit.verify()
    assert found.intact, found.fault
    assert found.count >= max(told)
    await World.make(store)
    assert (await store.audit.verify()).intact
    await store.close()


async def test_too_many_waiting_calls_are_refused_at_once(url: str, monkeypatch: pytest.MonkeyPatch):
    store = await Store.open(url, MASTER)
    world = await World.make(store)
    monkeypatch.setattr("gateway.store.sqlite.QUEUE", 0)

    with pytest.raises(StoreUnavailable, match="too many"):
        await world.snapshot()
    assert QUEUE > 10_000
    await store.close()


async def test_the_reading_side_cannot_write(url: str):
    store = await Store.open(url, MASTER)

    with pytest.raises(StoreUnavailable):
        await store._database.read(lambda connection: connection.exec_driver_sql("DELETE FROM audit"))
    assert (await store.audit.verify()).intact
    await store.close()


async def test_one_that_fails_does_not_take_the_others_of_its_commit_along(url: str):
    store = await Store.open(url, MASTER)
    world = await World.make(store)
    snapshot = await world.snapshot(stream="")

    async def fail() -> None:
        await world.logins.apply(attempt(stream=""), snapshot, [_gone()], _entry(), NOW)

    results = await asyncio.gather(
        *(fail() if n % 2 else store.audit.append(_entry()) for n in range(20)), return_exceptions=True
    )

    assert [type(one).__name__ for one in results] == ["AuditRow", "Conflict"] * 10
    found = await store.audit.verify()
    assert (found.intact, found.count) == (True, 3 + 10)
    await store.close()


def _gone():
    from gateway.policy.snapshot import BurnStep

    return BurnStep("gone", 1, once=True)


def _entry():
    from tests.contract.world import refused

    return refused()


@pytest.mark.req("TW-10", "TW-11")
async def test_no_secret_is_in_any_file_of_the_store(url: str, tmp_path: Path):
    store = await Store.open(url, MASTER)
    world = await World.make(store)
    await world.open("s1")
    await store.close()

    everything = b"".join(path.read_bytes() for path in tmp_path.iterdir())  # noqa: ASYNC240 - nothing else runs
    assert len(everything) > 4096
    for canary in (b"12345678901234567890", b"pa55", b"123456", bytes(range(100, 132)), MASTER.derive("data keys")):
        assert canary not in everything


async def test_the_file_opens_with_the_plain_tool_and_is_whole(url: str, tmp_path: Path):
    store = await Store.open(url, MASTER)
    await World.make(store)
    await store.close()

    with sqlite3.connect(tmp_path / "gateway.db") as plain:
        assert plain.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert json.loads(plain.execute("SELECT details FROM audit WHERE seq = 3").fetchone()[0])["actor"] == "ops"
    plain.close()


async def test_a_closed_store_says_so(url: str):
    store = await Store.open(url, MASTER)
    logins = store.logins(node="n", policy_of=Policies(Policy()))
    await store.close()

    with pytest.raises(StoreUnavailable, match="closed"):
        await logins.snapshot(attempt(), NOW)
    assert not await logins.ready()


@pytest.mark.req("TW-10", "TW-11")
async def test_nobody_else_on_the_machine_reads_the_files(url: str, tmp_path: Path):
    store = await Store.open(url, MASTER)
    try:
        await World.make(store)
        modes = [os.stat(f"{tmp_path}/gateway.db{end}").st_mode & 0o077 for end in ("", "-wal", "-shm")]  # noqa: PTH116  async
        assert modes == [0, 0, 0]
    finally:
        await store.close()
