"""Self-service on both engines: devices, recovery codes and the password, each with the current password."""

import asyncio

import pytest

from gateway.auth.passwords import WeakPassword
from gateway.auth.proofs import Denied
from gateway.auth.reminders import reminders
from gateway.auth.users import WrongCode
from gateway.core.reason import Reason
from gateway.core.secret import Secret
from gateway.policy.organisations import Policies
from gateway.policy.proof import Factor
from gateway.policy.rules import LockoutRules, PasswordRules, Policy, SecondFactor
from gateway.policy.snapshot import Device, Method
from gateway.store.errors import Conflict, NotFound
from gateway.store.schema import recovery_codes
from tests.contract.staff import DAY, PASSWORD, Staff
from tests.contract.world import World, opened

RIGHT = Secret(PASSWORD)
WRONG = Secret("not the Horse 1")
NEW = Secret("another Horse 9")
BLANK = Device("", Secret(b""))


@pytest.mark.req("M7-4", "HK-5")
async def test_every_change_of_a_credential_asks_for_the_current_password(staff: Staff):
    me, by = staff.office.myself, staff.by("tom")
    (phone,) = await me.devices(by)
    for change in (
        me.add(WRONG, BLANK, "tablet", by), me.regenerate(WRONG, phone.id, by), me.remove(WRONG, phone.id, by),
        me.recovery_codes(WRONG, by), me.change_password(WRONG, NEW, by),
    ):  # fmt: skip
        with pytest.raises(Denied):
            await change
    assert await me.devices(by) == (phone,)


@pytest.mark.req("TW-8", "SF-8")
async def test_guessing_the_current_password_locks_the_account(store, passwords):
    staff = Staff.make(store, passwords, Policy(lockout=LockoutRules(threshold=3)))
    await staff.hire("tom")
    for number in range(3):
        with pytest.raises(Denied):
            await staff.office.myself.recovery_codes(Secret(f"guess number {number}"), staff.by("tom"))
    with pytest.raises(Denied) as no:
        await staff.office.myself.recovery_codes(RIGHT, staff.by("tom"))
    assert no.value.reason is Reason.LOCKED


@pytest.mark.req("SF-6", "M7-4")
async def test_a_second_device_counts_once_its_first_code_was_seen(staff: Staff):
    me = staff.office.myself
    made = await me.add(RIGHT, BLANK, "tablet", staff.by("tom"))
    phone = staff.keys["tom"]
    code = await staff.first_code(made, "tom")
    with pytest.raises(Denied):
        await staff.proves("tom", code=code)
    with pytest.raises(WrongCode):
        await me.confirm(made.device, Secret("000000"), staff.by("tom"))
    await me.confirm(made.device, await staff.first_code(made, "tom"), staff.by("tom"))
    await staff.proves("tom")
    staff.keys["tom"] = phone
    await staff.proves("tom")
    third = await me.add(RIGHT, BLANK, "third", staff.by("tom"))
    await me.confirm(third.device, await staff.first_code(third, "tom"), staff.by("tom"))
    with pytest.raises(Conflict):
        await me.add(RIGHT, BLANK, "fourth", staff.by("tom"))
    with pytest.raises(Conflict, match="already"):
        await me.confirm(made.device, code, staff.by("tom"))


@pytest.mark.req("M7-4", "M7-6")
async def test_the_old_key_works_until_the_new_one_is_confirmed(staff: Staff):
    me = staff.office.myself
    (phone,) = await me.devices(staff.by("tom"))
    old = staff.keys["tom"]
    await me.regenerate(RIGHT, phone.id, staff.by("tom"))
    made = await me.regenerate(RIGHT, phone.id, staff.by("tom"))
    await staff.proves("tom")
    await me.confirm(made.device, await staff.first_code(made, "tom"), staff.by("tom"))

    assert [(one.id, one.name) for one in await me.devices(staff.by("tom"))] == [(made.device, "phone")]
    await staff.proves("tom")
    staff.keys["tom"] = old
    with pytest.raises(Denied):
        await staff.proves("tom")


@pytest.mark.req("SF-6")
async def test_who_has_as_many_as_allowed_can_still_replace_one(staff: Staff):
    me = staff.office.myself
    for label in ("tablet", "watch"):
        made = await me.add(RIGHT, BLANK, label, staff.by("tom"))
        await me.confirm(made.device, await staff.first_code(made, "tom"), staff.by("tom"))
    phone = (await me.devices(staff.by("tom")))[0]
    await me.regenerate(RIGHT, phone.id, staff.by("tom"))
    assert len(await me.devices(staff.by("tom"))) == 4


async def test_of_two_browsers_one_that_begins_anew_takes_nothing_that_the_other_has_confirmed(
    staff: Staff, monkeypatch
):
    me, devices = staff.office.myself, staff.store.devices
    begun = await me.add(RIGHT, BLANK, "first", staff.by("tom"))
    remove = devices.remove

    async def late(name: str, device: str, by, **how) -> None:
        await me.confirm(begun.device, await staff.first_code(begun, "tom"), staff.by("tom"))
        await remove(name, device, by, **how)

    monkeypatch.setattr(devices, "remove", late)
    with pytest.raises(Conflict, match="by now"):
        await me.add(RIGHT, BLANK, "second", staff.by("tom"))
    assert [one.confirmed for one in await me.devices(staff.by("tom"))] == [True, True]


async def test_one_that_was_begun_and_never_confirmed_makes_room_for_the_next(staff: Staff):
    me = staff.office.myself
    for label in ("one", "two", "three", "four"):
        await me.add(RIGHT, BLANK, label, staff.by("tom"))
    assert {one.name for one in await me.devices(staff.by("tom"))} == {"phone", "four"}


@pytest.mark.req("SF-4")
async def test_the_last_device_is_not_removed_where_a_code_is_demanded(staff: Staff):
    (phone,) = await staff.office.myself.devices(staff.by("tom"))
    with pytest.raises(Conflict, match="SF-4"):
        await staff.office.myself.remove(RIGHT, phone.id, staff.by("tom"))


@pytest.mark.req("M7-3", "M7-4")
async def test_where_the_second_factor_is_optional_it_is_switched_off_with_the_password(store, passwords):
    staff = Staff.make(store, passwords, Policy(second_factor=SecondFactor.OPTIONAL))
    await staff.hire("tom")
    (phone,) = await staff.office.myself.devices(staff.by("tom"))
    await staff.office.myself.remove(RIGHT, phone.id, staff.by("tom"))
    assert await staff.office.myself.devices(staff.by("tom")) == ()


@pytest.mark.req("M7-6", "M7-10")
async def test_a_device_that_is_removed_ends_the_sessions(staff: Staff):
    await staff.hire("trader")
    world = World(staff.store, staff.store.logins(node="node-1", policy_of=Policies(staff.policy)), "")
    me, by = staff.office.myself, staff.by("trader")
    (phone,) = await me.devices(by)
    made = await me.add(RIGHT, BLANK, "tablet", by)
    await me.confirm(made.device, await staff.first_code(made, "trader"), staff.by("trader"))
    await world.apply(opened("s1"))
    await me.remove(RIGHT, phone.id, staff.by("trader"))
    assert (await staff.store.sessions.show("s1")).end_reason is Reason.RIGHT_REMOVED


async def test_a_device_is_renamed_by_its_owner_alone(staff: Staff):
    (phone,) = await staff.office.myself.devices(staff.by("tom"))
    await staff.office.myself.rename(phone.id, "new phone", staff.by("tom"))
    assert [one.name for one in await staff.office.myself.devices(staff.by("tom"))] == ["new phone"]
    with pytest.raises(NotFound):
        await staff.office.myself.rename(phone.id, "mine", staff.by("zoe"))


@pytest.mark.req("HK-5", "TW-11")
async def test_a_recovery_code_stands_in_for_a_code_once(staff: Staff):
    codes = await staff.office.myself.recovery_codes(RIGHT, staff.by("tom"))
    assert len({code.reveal() for code in codes}) == 10
    typed = Secret(codes[0].reveal().lower().replace(b"-", b" "))
    await staff.proves("tom", recovery=typed)
    assert (await staff.events())[-1] == "recovery.used"
    with pytest.raises(Denied):
        await staff.proves("tom", recovery=codes[0])
    assert await staff.office.myself.recovery_codes_left(staff.by("tom")) == 9


@pytest.mark.req("HK-5")
async def test_a_recovery_code_is_spent_by_one_of_many_at_once(staff: Staff):
    codes = await staff.office.myself.recovery_codes(RIGHT, staff.by("tom"))
    done = await asyncio.gather(*(staff.proves("tom", recovery=codes[1]) for _ in range(4)), return_exceptions=True)
    assert sum(one is None for one in done) == 1


@pytest.mark.req("SF-5", "HK-5")
async def test_a_recovery_code_replaces_the_code_and_not_the_password(staff: Staff):
    codes = await staff.office.myself.recovery_codes(RIGHT, staff.by("tom"))
    with pytest.raises(Denied):
        await staff.proves("tom", recovery=codes[0], password=WRONG)
    await staff.proves("tom", frozenset({Factor.CODE}), recovery=codes[0])
    with pytest.raises(Denied):
        await staff.proves("zoe", recovery=codes[1])


@pytest.mark.req("TW-10", "TW-11")
async def test_recovery_codes_stand_nowhere_and_new_ones_make_the_old_ones_void(staff: Staff):
    old = await staff.office.myself.recovery_codes(RIGHT, staff.by("tom"))
    await staff.office.myself.recovery_codes(RIGHT, staff.by("tom"))
    rows = await staff.store.survey(lambda connection: connection.execute(recovery_codes.select()).all())
    assert len(rows) == 10
    assert not any(code.reveal().replace(b"-", b"") in repr(rows).encode() for code in old)
    with pytest.raises(Denied):
        await staff.proves("tom", recovery=old[0])


async def test_without_an_authenticator_there_is_nothing_to_recover(staff: Staff):
    await staff.hire("bare", device=False)
    with pytest.raises(Conflict):
        await staff.office.myself.recovery_codes(RIGHT, staff.by("bare"))


@pytest.mark.req("TW-6", "TW-7", "HK-5")
async def test_a_password_is_changed_by_the_rules(store, passwords):
    rules = PasswordRules(history=3, min_age=DAY)
    staff = Staff.make(store, passwords, Policy(password=rules))
    await staff.hire("tom")
    me = staff.office.myself
    with pytest.raises(WeakPassword, match="too soon"):
        await me.change_password(RIGHT, NEW, staff.by("tom"))
    staff.clock.move(DAY + 1)
    await me.change_password(RIGHT, NEW, staff.by("tom"))
    staff.clock.move(DAY + 1)
    with pytest.raises(WeakPassword, match="last ones"):
        await me.change_password(NEW, RIGHT, staff.by("tom"))
    await staff.proves("tom", password=NEW)


@pytest.mark.req("HK-5", "M7-4")
async def test_who_proved_a_password_that_is_replaced_meanwhile_changes_nothing(staff: Staff):
    """Somebody who knows the old password is at it at the very moment in which its owner, or an administrator, resets it."""
    reset = await staff.passwords.hash(NEW)
    hash_ = staff.passwords.hash

    async def slow(password: Secret) -> str:
        await staff.store.users.set_password("tom", reset, staff.by("tom"))
        return await hash_(password)

    staff.passwords.hash = slow
    with pytest.raises(Conflict, match="meanwhile"):
        await staff.office.myself.change_password(RIGHT, Secret("the thief's Horse 3"), staff.by("tom"))
    assert (await staff.store.users.show("tom")).user.password_hash == reset


@pytest.mark.req("SF-7", "HK-4")
async def test_who_has_an_old_password_or_one_that_expires_soon_is_reminded(staff: Staff):
    await staff.hire("algo", method=Method.UPSTREAM_TOTP)
    accounts = await staff.store.users.list()

    def due(policy: Policy, days: float) -> set[str]:
        from gateway.auth.house import House

        at = staff.clock.wall + days * DAY
        return {one.user for one in reminders(accounts, Policies(policy), House(), at)}

    never = Policy(password=PasswordRules(max_age=0))
    assert (due(never, 89), "tom" in due(never, 91), "algo" in due(never, 91)) == (set(), True, False)
    ninety = Policy(password=PasswordRules(max_age=90 * DAY))
    assert (due(ninety, 75), "tom" in due(ninety, 77)) == (set(), True)
