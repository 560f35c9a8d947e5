"""Imports on both engines (HK-8): all of a file or nothing, and what was imported can log in."""

import asyncio

import pyotp
import pytest

from gateway.auth.house import House
from gateway.auth.intake.intake import FaultyFile, Intake
from gateway.auth.intake.otpauth import read_otpauth
from gateway.auth.intake.rows import read_csv
from gateway.core.secret import Secret
from gateway.policy import totp
from gateway.policy.organisations import Policies
from gateway.policy.roles import Role
from gateway.policy.rules import Policy
from gateway.store.errors import StoreError
from gateway.store.imports import Known
from tests.contract.world import ADMIN, NOW, World

KEY = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


@pytest.fixture
def intake(store) -> Intake:
    return Intake(store, Policies(Policy()), House(patterns={Role.USER: "[a-z0-9]+"}))


def lines(*rows: str) -> bytes:
    return "\n".join(("user,organisation,email,processes,totp_key", *rows, "")).encode()


@pytest.mark.req("HK-8", "TW-11")
async def test_what_was_imported_is_there_with_a_key_that_works(store, intake: Intake):
    checked = await intake.check(read_csv(lines(f"tom,ACME,t@x,A;B,{KEY}", "zoe,ZEN,,,")))
    assert (checked.faults, checked.users, checked.devices) == ((), 2, 1)
    await intake.write(checked, ADMIN)

    tom, zoe = (await store.users.show("tom")).user, (await store.users.show("zoe")).user
    assert (tom.organisation, tom.email, tom.processes, zoe.processes) == ("ACME", "t@x", {"A", "B"}, {"zoe"})
    (device,) = await store.devices.devices("tom")
    assert totp.match(device, Secret(pyotp.TOTP(KEY).at(int(NOW))), NOW, 0) is not None
    assert [row.event for row in await store.audit.rows()][1:] == [
        "user.added", "user.added", "device.added", "users.imported",
    ]  # fmt: skip
    assert (await store.audit.verify()).intact


@pytest.mark.req("HK-8")
async def test_ten_thousand_rows_with_ten_bad_ones_import_nothing_and_list_all_ten(store, intake: Intake):
    bad = range(1000, 10_001, 1000)
    rows = [f"u{number},ACME,,," if number not in bad else f"U-{number},ACME,,," for number in range(1, 10_001)]
    checked = await intake.check(read_csv(lines(*rows)))
    assert [fault.line for fault in checked.faults] == [number + 1 for number in bad]
    with pytest.raises(FaultyFile, match="10 faults"):
        await intake.write(checked, ADMIN)
    assert await store.users.list() == ()

    await intake.write(checked, ADMIN, partial=True)
    assert await store.imports.known(["u1", "u9999", "u10000"]) == {name: Known("ACME", 0) for name in ("u1", "u9999")}
    assert (await store.audit.head()).count == 1 + 9990 + 1


@pytest.mark.req("HK-8")
async def test_how_far_an_import_is_can_be_watched_and_others_have_their_turn_meanwhile(store, intake: Intake):
    told, turns = [], 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    file = read_csv(lines(*(f"u{number},ACME,,," for number in range(2000))))
    beside = asyncio.create_task(other())
    checked = await intake.check(file, watch=lambda *how_far: told.append(how_far))
    beside.cancel()
    await intake.write(checked, ADMIN, watch=lambda *how_far: told.append(how_far))

    assert [count for done, count, of in told if (done, of) == ("checked", 2000)] == list(range(0, 2000, 100))
    assert [count for done, count, of in told if (done, of) == ("written", 2000)] == list(range(0, 2000, 500))
    assert turns >= 20


@pytest.mark.req("HK-8", "HK-1")
async def test_faults_of_the_whole_file_are_found_against_itself_and_the_store(store, world: World):
    intake = Intake(store, Policies(Policy()), House())
    key = f"tom,,,,{KEY}"
    reading = read_csv(lines("trader,,,,", "tom,A,,,", key, key, key, key, "tom,B,,,", "x\0,,,,", "mail,,nowhere,,"))
    checked = await intake.check(reading)
    found = [(fault.line, fault.text) for fault in checked.faults]
    assert [line for line, _ in found] == [2, 8, 9, 10]
    assert "exists already" in found[0][1]
    assert "in line 3 already" in found[1][1]


@pytest.mark.req("SF-6")
async def test_nobody_gets_more_authenticators_than_the_policy_allows(store, intake: Intake):
    checked = await intake.check(read_csv(lines("tom,A,,,", *[f"tom,,,,{KEY}"] * 4)))
    assert [fault.line for fault in checked.faults] == [6]


@pytest.mark.req("HK-8", "HK-6")
async def test_an_authenticator_for_somebody_who_is_there_is_the_operators_to_import(store, world: World):
    intake = Intake(store, Policies(Policy()), House())
    reading = read_otpauth(f"otpauth://totp/trader?secret={KEY}\n".encode())
    assert [fault.line for fault in (await intake.check(reading)).faults] == [1]
    checked = await intake.check(reading, strangers=True)
    await intake.write(checked, ADMIN)
    assert (checked.users, len((await store.users.show("trader")).devices)) == (0, 2)


@pytest.mark.req("HK-6", "TW-1")
async def test_a_firm_imports_its_own_users_without_bindings(store, intake: Intake):
    reading = read_csv(lines("a1,ACME,,,", "a2,ZEN,,,", "a3,ACME,,OTHER,"))
    checked = await intake.check(reading, organisation="ACME")
    assert [fault.line for fault in checked.faults] == [3, 4]


@pytest.mark.req("HK-8")
async def test_a_name_that_was_taken_meanwhile_leaves_nothing_behind(store, intake: Intake):
    checked = await intake.check(read_csv(lines("tom,,,,", "zoe,,,,")))
    results = await asyncio.gather(*(intake.write(checked, ADMIN) for _ in range(3)), return_exceptions=True)
    assert sum(one is None for one in results) == 1
    assert all(one is None or isinstance(one, StoreError) for one in results)
    assert [one.user.name for one in await store.users.list()] == ["tom", "zoe"]
    assert [row.event for row in await store.audit.rows()].count("user.added") == 2
