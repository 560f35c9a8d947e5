"""Keys are rotated while logins go on, by processes that are killed, and with enrolments in between (BY-7, TW-11)."""

import asyncio
import base64
import secrets
import signal
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.auth.keys import Keys
from gateway.auth.passwords import Passwords
from gateway.core.login import Admitted
from gateway.core.secret import Secret
from gateway.store.errors import KeyRefused
from gateway.store.schema import devices, keys
from gateway.store.store import Store
from gateway.store.vault import MasterKey
from tests.contract.crowd import PEOPLE, Crowd, authority_over
from tests.contract.world import ADMIN

ROOT = Path(__file__).resolve().parents[2]
ROTATE = """
import asyncio, sys
from gateway.auth.keys import Keys
from gateway.store.ports import Actor
from gateway.store.store import Store
from gateway.store.vault import parse_master_key

async def main(url, pause):
    store = await Store.open(url, parse_master_key(sys.stdin.readline(), "stdin"))
    print("open", flush=True)
    await Keys(store.keys, batch=1, pause=float(pause)).rotate(Actor("child", 1.0))
    await store.close()

asyncio.run(main(*sys.argv[1:]))
"""


async def child(place, pause: float) -> asyncio.subprocess.Process:
    """A process of its own that has the store open and rotates its keys, one device at a time."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", ROTATE, place.url, str(pause)),
        stdin=pipe,
        stdout=pipe,
        cwd=ROOT,
    )
    assert process.stdin
    assert process.stdout
    process.stdin.write(base64.b64encode(place.master.export().reveal()) + b"\n")
    async with asyncio.timeout(60):
        assert await process.stdout.readline() == b"open\n"
    return process


async def states(store: Store) -> list[tuple[bool, int]]:
    """Of each data key, oldest first: whether it is destroyed, and the devices under it."""
    return [(key.retired is not None, key.devices) for key in await store.keys.list()]


async def moved(store: Store) -> int:
    return (await states(store))[-1][1] if len(await states(store)) > 1 else 0


@pytest.mark.req("BY-7", "TW-11")
async def test_no_login_fails_while_another_process_rotates_the_keys(place, crowd: Crowd):
    rotating = await child(place, pause=0.01)
    rounds = 0
    while rotating.returncode is None or not rounds:
        assert await crowd.everybody_gets_in()
        rounds += 1
        await asyncio.sleep(0)

    assert rotating.returncode == 0
    assert await states(crowd.store) == [(True, 0), (False, PEOPLE)]
    assert await crowd.everybody_gets_in()  # this process never saw the rotation but through the store
    assert (await crowd.store.audit.verify()).intact


@pytest.mark.req("BY-7")
async def test_a_rotation_that_was_killed_is_run_again_and_nothing_is_lost(place, crowd: Crowd):
    for at_least in (1, PEOPLE // 2):
        rotating = await child(place, pause=0.02)
        async with asyncio.timeout(60):
            while await moved(crowd.store) < at_least:  # noqa: ASYNC110 - the other process tells nobody
                await asyncio.sleep(0.01)
        rotating.send_signal(signal.SIGKILL)
        assert await rotating.wait() == -signal.SIGKILL
        assert await crowd.everybody_gets_in()
    half = await states(crowd.store)

    done = await Keys(crowd.store.keys).rotate(ADMIN)

    assert [destroyed for destroyed, _ in half] == [False, False]  # the second run went on, it made no third key
    assert done.devices == half[0][1]
    assert await states(crowd.store) == [(True, 0), (False, PEOPLE)]
    assert await crowd.everybody_gets_in()
    again = await place.open()
    assert len(await again.devices.devices("u7")) == 1


@pytest.mark.req("BY-7")
async def test_two_rotations_at_once_are_one(place, crowd: Crowd):
    other = await place.open()

    await asyncio.gather(*(Keys(store.keys, batch=5).rotate(ADMIN) for store in (crowd.store, other)))

    found = await states(crowd.store)
    assert found[-1] == (False, PEOPLE)
    assert all(state == (True, 0) for state in found[:-1])
    assert await crowd.everybody_gets_in()


@pytest.mark.req("BY-7")
async def test_who_enrols_in_a_process_that_missed_the_rotation_can_log_in_everywhere(place, crowd: Crowd):
    missed = await place.open()
    await Keys(crowd.store.keys).rotate(ADMIN)

    await crowd.enrol(missed, "late")

    assert await states(crowd.store) == [(True, 0), (False, PEOPLE + 1)]
    assert isinstance(await crowd.login("late"), Admitted)


@pytest.mark.req("BY-7")
async def test_enrolments_during_a_rotation_are_never_left_under_a_destroyed_key(place, crowd: Crowd):
    other = await place.open()

    async def enrolments() -> None:
        for number in range(40):
            await crowd.enrol(other, f"new{number}")

    async def rotations() -> None:
        for _ in range(3):
            await Keys(crowd.store.keys, batch=10, pause=0.0).rotate(ADMIN)

    await asyncio.gather(enrolments(), rotations())

    assert (await states(crowd.store))[:-1] == [(True, 0)] * 3
    assert await crowd.everybody_gets_in()


@pytest.mark.req("BY-7", "TW-11")
async def test_the_old_keys_sealed_form_is_gone_and_every_device_is_sealed_anew(crowd: Crowd):
    def sealed(connection: sa.Connection) -> dict[str, bytes]:
        return {row.id: bytes(row.sealed) for row in connection.execute(sa.select(devices.c.id, devices.c.sealed))}

    def kept(connection: sa.Connection) -> list[bytes]:
        return [bytes(blob) for blob in connection.execute(sa.select(keys.c.sealed).order_by(keys.c.created)).scalars()]

    before = await crowd.store._database.read(sealed)
    await Keys(crowd.store.keys).rotate(ADMIN)
    after = await crowd.store._database.read(sealed)

    assert before.keys() == after.keys()
    assert not set(before.values()) & set(after.values())
    old, new = await crowd.store._database.read(kept)
    assert (old, len(new) > 32) == (b"", True)


@pytest.mark.req("BY-7")
async def test_a_data_key_that_cannot_be_read_refuses_the_login(place, crowd: Crowd, passwords: Passwords):
    other = await place.open()
    await Keys(other.keys).rotate(ADMIN)
    broken = sa.update(keys).where(keys.c.retired.is_(None)).values(sealed=b"x" * 60)
    await other._database.write(lambda tx: tx.execute(broken) and None)

    assert not isinstance(await crowd.login("u1"), Admitted)


@pytest.mark.req("TW-11")
async def test_a_new_master_key_opens_the_store_and_who_runs_with_the_old_one_goes_on(
    place, crowd: Crowd, passwords: Passwords
):
    new = MasterKey(Secret(secrets.token_bytes(32)))
    other = await place.open()

    assert await other.keys.change_master(new, ADMIN) == 1

    assert await crowd.everybody_gets_in()  # its keys are open, and it still signs the audit chain
    with pytest.raises(KeyRefused):
        await place.open()
    reopened = await place.open(master=new)
    crowd.authority = authority_over(reopened, passwords, [crowd])
    assert await crowd.everybody_gets_in()
    assert (await reopened.audit.verify()).intact
    assert (await crowd.store.audit.verify()).intact
    digests = [store.vault.credential_digest(b"x") for store in (reopened, crowd.store)]
    assert digests[0] == digests[1]


@pytest.mark.req("TW-11")
async def test_after_a_change_of_the_master_key_nobody_seals_under_the_old_one(place, crowd: Crowd):
    new = MasterKey(Secret(secrets.token_bytes(32)))
    await (await place.open()).keys.change_master(new, ADMIN)

    with pytest.raises(KeyRefused, match="another master key"):
        await Keys(crowd.store.keys).rotate(ADMIN)
    with pytest.raises(KeyRefused, match="another master key"):
        await crowd.store.keys.change_master(MasterKey(Secret(secrets.token_bytes(32))), ADMIN)

    renewed = await place.open(master=new)
    await Keys(renewed.keys).rotate(ADMIN)
    assert not isinstance(await crowd.login("u1"), Admitted)  # fail closed: the new data key is not for the old master
    assert len(await (await place.open(master=new)).devices.devices("u1")) == 1
