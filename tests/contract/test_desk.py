"""Delegated administration on both engines: who may do what to whom, and that it is felt at once."""

from dataclasses import replace

import pytest

from gateway.auth.desk import Forbidden
from gateway.auth.house import BadName, House
from gateway.auth.intake.intake import FaultyFile
from gateway.auth.intake.rows import read_csv
from gateway.core.reason import Reason
from gateway.policy.roles import Grant, Role, Ruling
from gateway.policy.snapshot import User
from gateway.store.errors import Conflict, NotFound
from gateway.store.finding import Which
from tests.contract.staff import DAY, Staff
from tests.contract.world import ADMIN, NOW, World, attempt


@pytest.mark.req("HK-6")
async def test_a_delegated_administrator_sees_its_own_firm_only(staff: Staff):
    seen = [one.user.name for one in await staff.office.desk.everybody(staff.by("acme1"))]
    assert seen == ["acme1", "acme2", "tom"]
    with pytest.raises(NotFound, match="zoe"):
        await staff.office.desk.show("zoe", staff.by("acme1"))
    assert len(await staff.office.desk.everybody(staff.by("eye"))) == 8


@pytest.mark.req("HK-6", "HK-7")
async def test_users_are_found_by_parts_of_name_firm_and_address(staff: Staff):
    found = await staff.office.desk.find(Which("ZEN"), staff.by("root1"))
    assert [one.user.name for one in found] == ["zen1", "zoe"]
    assert [one.user.name for one in await staff.office.desk.find(Which("TOM@example"), staff.by("root1"))] == ["tom"]


@pytest.mark.req("HK-6")
async def test_an_auditor_reads_and_changes_nothing(staff: Staff):
    assert (await staff.office.desk.show("tom", staff.by("eye"))).user.name == "tom"
    for act in (
        staff.office.desk.set_enabled("tom", staff.by("eye"), enabled=False),
        staff.office.desk.unlock("tom", "seen", staff.by("eye")),
        staff.office.desk.setup_link("tom", staff.by("eye")),
        staff.office.desk.add(User("", "new"), staff.by("eye")),
    ):
        with pytest.raises(Forbidden) as no:
            await act
        assert no.value.ruling is Ruling.NO_ROLE


@pytest.mark.req("HK-6")
async def test_administrators_are_maintained_by_the_exchange_alone(staff: Staff):
    with pytest.raises(Forbidden) as no:
        await staff.office.desk.set_enabled("acme2", staff.by("acme1"), enabled=False)
    assert no.value.ruling is Ruling.ADMINISTRATOR
    await staff.office.desk.set_enabled("acme2", staff.by("root1"), enabled=False)
    with pytest.raises(Forbidden) as no:
        await staff.office.desk.everybody(staff.by("acme2"))
    assert no.value.ruling is Ruling.DISABLED


@pytest.mark.req("SF-13")
async def test_a_role_that_is_over_gives_nothing_any_more(staff: Staff):
    staff.clock.move(31 * DAY)
    with pytest.raises(Forbidden) as no:
        await staff.office.desk.everybody(staff.by("root1"))
    assert no.value.ruling is Ruling.NO_ROLE


@pytest.mark.req("SF-13")
async def test_a_role_that_is_taken_away_is_gone_for_the_next_act(staff: Staff):
    await staff.store.users.grant("acme1", None, ADMIN)
    with pytest.raises(Forbidden):
        await staff.office.desk.everybody(staff.by("acme1"))
    row = (await staff.store.audit.rows())[-1]
    assert (row.event, row.user, row.details) == ("role.ended", "acme1", '{"actor":"ops","role":"delegated_admin"}')


@pytest.mark.req("TW-2")
async def test_an_administrator_without_an_authenticator_administers_nobody(staff: Staff):
    await staff.hire("bare", Role.EXCHANGE_ADMIN, device=False)
    with pytest.raises(Forbidden) as no:
        await staff.office.desk.show("tom", staff.by("bare"))
    assert no.value.ruling is Ruling.NO_SECOND_FACTOR


@pytest.mark.req("HK-1")
async def test_a_name_must_fit_its_role(store, passwords):
    staff = Staff.make(store, passwords, house=House(patterns={Role.USER: "[A-Z][0-9]{5}[A-Z0-9]{2}"}))
    await staff.hire("root1", Role.EXCHANGE_ADMIN)
    with pytest.raises(BadName, match="A-Z"):
        await staff.office.desk.add(User("", "tom"), staff.by("root1"))
    await staff.office.desk.add(User("", "B01610A1"), staff.by("root1"))


@pytest.mark.req("TW-1")
async def test_a_firm_cannot_give_its_users_another_firms_comp_ids(staff: Staff):
    with pytest.raises(Forbidden):
        await staff.office.desk.add(User("", "new", "ACME", processes=frozenset({"ZEN-ALGO"})), staff.by("acme1"))
    added = await staff.office.desk.add(User("", "new", "ACME"), staff.by("acme1"))
    wanted = replace(added.user, routes=frozenset({"zen"}))
    with pytest.raises(Forbidden):
        await staff.office.desk.change(wanted, added.revision, staff.by("acme1"))
    with pytest.raises(Forbidden):
        await staff.office.desk.add(User("", "other", "ZEN"), staff.by("acme1"))


@pytest.mark.req("HK-6")
async def test_a_new_user_gets_neither_role_nor_password_from_an_administrator(staff: Staff):
    wanted = User("", "new", "ACME", password_hash="$known", grant=Grant(Role.EXCHANGE_ADMIN, NOW + DAY))
    added = await staff.office.desk.add(wanted, staff.by("acme1"))
    assert (added.user.grant, added.user.password_hash) == (None, "")


@pytest.mark.req("HK-6")
async def test_the_address_that_links_go_to_is_not_one_administrators_to_change(staff: Staff):
    tom = await staff.office.desk.show("tom", staff.by("acme1"))
    with pytest.raises(Forbidden) as no:
        await staff.office.desk.change(replace(tom.user, email="me@evil"), tom.revision, staff.by("acme1"))
    assert no.value.ruling is Ruling.CHECKED


@pytest.mark.req("TW-5")
async def test_unlocking_says_how_the_person_was_identified(staff: Staff):
    with pytest.raises(ValueError, match="identified"):
        await staff.office.desk.unlock("tom", " ", staff.by("acme1"))
    await staff.office.desk.unlock("tom", "called back", staff.by("acme1"))
    row = (await staff.store.audit.rows())[-1]
    assert (row.event, "acme1, proof: called back" in row.details) == ("user.unlocked", True)


@pytest.mark.req("HK-7")
@pytest.mark.parametrize(
    ("change", "ends"),
    [
        ({"processes": frozenset({"OTHER"})}, True),
        ({"certificates": frozenset({"c" * 64})}, True),
        ({"routes": frozenset({"elsewhere"})}, True),
        ({"valid_until": NOW}, True),
        ({"valid_until": NOW + DAY}, True),
        ({"routes": frozenset({"main"})}, False),
        ({"processes": frozenset({"CLIENT", "OTHER"})}, False),
        ({"organisation": "ACME"}, False),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
async def test_a_right_that_is_taken_away_ends_the_sessions_that_used_it(world: World, change, ends: bool):
    await world.open("s1")
    account = await world.store.users.show("trader")
    await world.store.users.change(replace(account.user, **change), account.revision, ADMIN)
    row = await world.store.sessions.show("s1")
    assert row.end_reason is (Reason.RIGHT_REMOVED if ends else None)


@pytest.mark.req("SF-13")
async def test_a_role_and_its_end_come_back_as_they_were_given(world: World):
    grant = Grant(Role.AUDITOR, NOW + 7 * DAY)
    await world.store.users.grant("trader", grant, ADMIN)
    assert (await world.store.users.show("trader")).user.grant == grant
    assert (await world.logins.snapshot(attempt(), NOW)).user.grant == grant
    before = await world.store.users.show("trader")
    after = await world.store.users.change(replace(before.user, grant=None), before.revision, ADMIN)
    assert after.user.grant == grant, "a change of the profile changes no role"


@pytest.mark.req("TW-2")
async def test_the_first_administrators_come_by_a_link_and_there_are_no_more_than_two_of_them(store, passwords):
    staff = Staff.make(store, passwords)
    letter = await staff.office.links.bootstrap("root1", NOW + 30 * DAY, ADMIN)
    assert letter.url.reveal().startswith(b"https://portal.example/link/")
    fresh = (await store.users.show("root1")).user
    assert (fresh.password_hash, fresh.grant) == ("", Grant(Role.EXCHANGE_ADMIN, NOW + 30 * DAY))
    await staff.hire("root2", Role.EXCHANGE_ADMIN)
    await staff.office.links.bootstrap("root1", NOW + 30 * DAY, ADMIN)
    await staff.hire("root3", Role.EXCHANGE_ADMIN)
    with pytest.raises(Conflict, match="root2, root3"):
        await staff.office.links.bootstrap("root4", NOW + 30 * DAY, ADMIN)


@pytest.mark.req("TW-2")
async def test_an_account_in_use_is_not_made_an_administrator_by_a_link(store, passwords):
    staff = Staff.make(store, passwords)
    await staff.hire("tom")
    with pytest.raises(Conflict, match="in use"):
        await staff.office.links.bootstrap("tom", NOW + DAY, ADMIN)


@pytest.mark.req("SF-13")
@pytest.mark.parametrize("until", [NOW - 1, NOW + 400 * DAY])
async def test_a_grant_ends_and_not_too_late(store, passwords, until: float):
    staff = Staff.make(store, passwords)
    with pytest.raises(ValueError, match="grant ends"):
        await staff.office.links.bootstrap("root1", until, ADMIN)


@pytest.mark.req("HK-8", "HK-6")
async def test_an_administrator_imports_new_people_of_its_own_firm(staff: Staff):
    reading = read_csv(b"user,organisation\nnew,ACME\nother,ZEN\ntom,ACME\n")
    with pytest.raises(FaultyFile) as faulty:
        await staff.office.desk.import_people(reading, staff.by("acme1"))
    assert [fault.line for fault in faulty.value.faults] == [3, 4]
    done = await staff.office.desk.import_people(reading, staff.by("acme1"), partial=True)
    assert (done.users, (await staff.office.desk.show("new", staff.by("acme1"))).user.organisation) == (1, "ACME")
    for name in ("eye", "tom"):
        with pytest.raises(Forbidden):
            await staff.office.desk.check_import(reading, staff.by(name))
