"""Groups with route permissions on both engines (HK-9): what a member may use, and that it is felt at once."""

from dataclasses import replace

import pytest

from gateway.auth.desk import Forbidden
from gateway.auth.house import House
from gateway.auth.intake.intake import Intake
from gateway.auth.intake.rows import read_csv
from gateway.core.reason import Reason
from gateway.policy.organisations import Policies
from gateway.policy.rules import Policy
from gateway.policy.snapshot import User
from gateway.store.errors import Conflict, NotFound
from gateway.store.people import Group
from tests.contract.staff import Staff
from tests.contract.world import ADMIN, NOW, World, attempt


def group(name: str = "desk", *routes: str, firm: str = "") -> Group:
    return Group(name, firm, frozenset(routes))


async def change(world: World, **values) -> User:
    account = await world.store.users.show("trader")
    return (await world.store.users.change(replace(account.user, **values), account.revision, ADMIN)).user


async def member(world: World, *routes: str) -> User:
    await world.store.groups.put(group("desk", *routes), ADMIN)
    return await change(world, groups=frozenset({"desk"}))


async def may_use(world: World, *routes: str) -> list[bool]:
    """What the next login on each of these routes is judged by."""
    user = (await world.logins.snapshot(attempt(), NOW)).user
    return [user.may_use(route) for route in routes]


@pytest.mark.req("HK-9")
async def test_a_member_may_use_its_groups_routes_beside_its_own(world: World):
    assert await may_use(world, "main", "other") == [True, True], "with neither routes nor groups every route is open"
    await member(world, "main", "night")
    assert await may_use(world, "main", "night", "other") == [True, True, False]
    await change(world, routes=frozenset({"other"}))
    assert await may_use(world, "main", "night", "other", "none") == [True, True, True, False]
    assert (await world.store.users.show("trader")).user.routes == {"other"}


@pytest.mark.req("HK-9")
async def test_a_route_that_a_group_loses_ends_its_members_sessions_there(world: World):
    await member(world, "main", "night")
    await world.open("s1")
    await world.store.groups.put(group("desk", "main"), ADMIN)
    assert (await world.store.sessions.show("s1")).end_reason is None
    await world.store.groups.put(group("desk", "night"), ADMIN)
    assert (await world.store.sessions.show("s1")).end_reason is Reason.RIGHT_REMOVED
    assert await may_use(world, "main", "night") == [False, True]


@pytest.mark.req("HK-9")
async def test_a_change_of_the_group_puts_a_members_login_in_flight_into_conflict(world: World):
    await member(world, "main")
    seen = await world.snapshot()
    await world.store.groups.put(group("desk", "night"), ADMIN)
    with pytest.raises(Conflict):
        await world.apply(_opened(), snapshot=seen)


def _opened():
    from tests.contract.world import opened

    return opened("s1")


@pytest.mark.req("HK-9")
async def test_leaving_the_last_group_never_opens_every_route(world: World):
    await member(world, "main")
    with pytest.raises(ValueError, match="every route"):
        await change(world, groups=frozenset())
    await world.store.groups.put(group("night", "night"), ADMIN)
    await change(world, groups=frozenset({"night"}))
    assert await may_use(world, "main", "night") == [False, True]


@pytest.mark.req("HK-9")
async def test_a_group_that_is_not_there_has_no_members_and_one_with_members_stays(world: World):
    with pytest.raises(NotFound, match="ghost"):
        await change(world, groups=frozenset({"ghost"}))
    await member(world, "main")
    with pytest.raises(Conflict, match="members"):
        await world.store.groups.remove("desk", ADMIN)
    await world.store.groups.put(group("empty", "main"), ADMIN)
    await world.store.groups.remove("empty", ADMIN)
    assert await world.store.groups.list() == (group("desk", "main"),)
    with pytest.raises(NotFound):
        await world.store.groups.remove("empty", ADMIN)


@pytest.mark.req("HK-9")
@pytest.mark.parametrize("bad", [group("desk"), group("", "main"), group("x" * 101, "main"), group("desk", "a\0")])
async def test_a_group_without_a_name_or_a_route_is_refused(store, bad: Group):
    with pytest.raises(ValueError, match=r"route|longer"):
        await store.groups.put(bad, ADMIN)


@pytest.mark.req("HK-9", "HK-6")
async def test_a_firm_uses_its_own_groups_and_the_exchange_makes_them(staff: Staff):
    desk = staff.office.desk
    with pytest.raises(Forbidden):
        await desk.put_group(group("acme", "main", firm="ACME"), staff.by("acme1"))
    for made in (group("acme", "main", firm="ACME"), group("zen", "main", firm="ZEN"), group("all", "night")):
        await desk.put_group(made, staff.by("root1"))
    for wanted, allowed in (("acme", True), ("zen", False), ("all", False)):
        tom = await desk.show("tom", staff.by("acme1"))
        new = replace(tom.user, groups=tom.user.groups | {wanted})
        if allowed:
            await desk.change(new, tom.revision, staff.by("acme1"))
        else:
            with pytest.raises(Forbidden):
                await desk.change(new, tom.revision, staff.by("acme1"))
    assert (await staff.store.users.show("tom")).user.group_routes == {"main"}


@pytest.mark.req("HK-8", "HK-9")
async def test_people_are_imported_into_groups(store):
    await store.groups.put(group("desk", "main"), ADMIN)
    intake = Intake(store, Policies(Policy()), House())
    checked = await intake.check(read_csv(b"user,groups\ntom,desk\nzoe,ghost\n"))
    assert [(fault.line, fault.text) for fault in checked.faults] == [(3, "there is no group called 'ghost'")]
    await intake.write(checked, ADMIN, partial=True)
    assert (await store.users.show("tom")).user.group_routes == {"main"}
