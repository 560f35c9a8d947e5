"""UserStore, DeviceStore, SessionStore: administration, each act audited and moving the user's revision."""

import asyncio
from dataclasses import replace

import pytest

from gateway.core.authority import Order
from gateway.core.reason import Reason
from gateway.core.secret import Secret
from gateway.policy.organisations import Policies
from gateway.policy.rules import Policy, SecondFactor
from gateway.policy.snapshot import BurnStep, Device, Failures, Method, SetFailures, User
from gateway.store.errors import AlreadyExists, Conflict, NotFound
from gateway.store.ports import Actor
from tests.contract.world import ADMIN, NOW, STEP, World, opened, refused


async def test_a_user_comes_back_as_it_was_added(store):
    user = User(
        "", "alice", "ACME", enabled=False, method=Method.UPSTREAM_TOTP, second_factor=SecondFactor.OPTIONAL,
        valid_from=NOW, valid_until=NOW + 9, must_change=True, password_hash="$h", password_changed=NOW - 1,
        processes=frozenset({"A", "B"}), certificates=frozenset({"c" * 64}), routes=frozenset({"main"}),
    )  # fmt: skip
    account = await store.users.add(user, ADMIN)

    assert account.user == replace(user, id=account.user.id)
    assert await store.users.show("alice") == account
    assert account.created == NOW


@pytest.mark.req("TW-1")
async def test_a_name_is_taken_once_even_by_two_at_once(store):
    results = await asyncio.gather(
        *(store.users.add(User("", "alice"), ADMIN) for _ in range(8)), return_exceptions=True
    )

    assert sorted(type(one).__name__ for one in results) == ["Account"] + ["AlreadyExists"] * 7
    with pytest.raises(AlreadyExists, match="alice"):
        await store.users.add(User("", "alice"), ADMIN)


@pytest.mark.parametrize("name", ["", " ", " a", "a\0", "x" * 101])
async def test_a_name_nobody_could_log_in_with_is_refused(store, name: str):
    with pytest.raises(ValueError, match=r"name|NUL"):
        await store.users.add(User("", name), ADMIN)


async def test_users_are_listed_in_pages(store):
    for name in ("carol", "alice", "bob"):
        await store.users.add(User("", name), ADMIN)

    first = await store.users.list(limit=2)
    assert [one.user.name for one in first] == ["alice", "bob"]
    assert [one.user.name for one in await store.users.list(after="bob")] == ["carol"]


async def test_nobody_is_not_found_by_any_act(store):
    for act in (
        store.users.show("x"), store.users.change(User("", "x"), 1, ADMIN), store.users.set_password("x", "h", ADMIN),
        store.users.history("x", 3), store.users.unlock("x", ADMIN), store.devices.devices("x"),
        store.devices.add("x", Device("", Secret(b"k")), "p", ADMIN), store.devices.confirm("x", "d", 1, ADMIN),
        store.devices.remove("x", "d", ADMIN), store.sessions.show("x"), store.sessions.order(Order("x", Reason.KICKED), ADMIN),
    ):  # fmt: skip
        with pytest.raises(NotFound, match="x"):
            await act


async def test_a_change_replaces_everything_but_the_password(world: World):
    before = await world.store.users.show("trader")
    wanted = replace(before.user, organisation="ACME", processes=frozenset({"OTHER"}), password_hash="stolen")
    after = await world.store.users.change(wanted, before.revision, ADMIN)

    assert after.user == replace(wanted, password_hash=before.user.password_hash)
    assert (await world.store.audit.rows())[-1].details == '{"actor":"ops","fields":"organisation,processes"}'


async def test_a_change_of_what_was_changed_meanwhile_is_a_conflict(world: World):
    before = await world.store.users.show("trader")
    await world.store.users.change(replace(before.user, organisation="A"), before.revision, ADMIN)

    with pytest.raises(Conflict, match="trader"):
        await world.store.users.change(replace(before.user, organisation="B"), before.revision, ADMIN)

    assert (await world.store.users.show("trader")).user.organisation == "A"


async def test_a_user_who_is_disabled_loses_its_sessions(world: World):
    await world.open("s1")
    account = await world.store.users.show("trader")
    await world.store.users.change(replace(account.user, enabled=False), account.revision, ADMIN)

    row = await world.store.sessions.show("s1")
    assert row.end_reason is Reason.RIGHT_REMOVED
    assert [order async for order in _first(world.logins.orders())] == [Order("s1", Reason.RIGHT_REMOVED)]


async def _first(orders):
    async with asyncio.timeout(10):
        yield await anext(orders)
    await orders.aclose()


async def test_an_act_of_administration_puts_a_login_in_flight_into_conflict(world: World):
    snapshot = await world.snapshot()
    await world.store.users.unlock("trader", ADMIN)

    with pytest.raises(Conflict):
        await world.apply(opened("s1"), snapshot=snapshot)


@pytest.mark.req("TW-7")
async def test_replaced_passwords_go_into_the_history_newest_first(world: World):
    for number in (2, 3, 4):
        await world.store.users.set_password("trader", f"$argon2id${number}", Actor("trader", NOW + number))

    assert await world.store.users.history("trader", 3) == ("$argon2id$4", "$argon2id$3", "$argon2id$2")
    assert (await world.store.users.show("trader")).user.password_changed == NOW + 4


@pytest.mark.req("TW-3")
async def test_an_initial_password_must_be_changed_and_a_chosen_one_need_not(world: World):
    await world.store.users.set_password("trader", "$1", ADMIN, must_change=True, end_sessions=True)
    assert (await world.snapshot()).user.must_change

    await world.store.users.set_password("trader", "$2", ADMIN)
    assert not (await world.snapshot()).user.must_change


@pytest.mark.req("TW-5")
async def test_unlocking_forgets_failures_and_leaves_a_record(world: World):
    await world.apply(SetFailures(Failures(5, NOW, NOW + 900, revoked=True)), entry=refused())
    assert (await world.store.users.show("trader")).failures.revoked
    await world.store.users.unlock("trader", ADMIN)

    assert (await world.store.users.show("trader")).failures == Failures()
    row = (await world.store.audit.rows())[-1]
    assert (row.event, row.user, row.address) == ("user.unlocked", "trader", "10.0.0.9")


# ── devices ──


@pytest.mark.req("SF-6")
async def test_a_user_has_at_most_so_many_devices(world: World):
    for number in (2, 3):
        await world.store.devices.add("trader", Device("", Secret(b"k" * 20)), f"phone {number}", ADMIN)

    with pytest.raises(Conflict, match=r"as it may \(3\)"):
        await world.store.devices.add("trader", Device("", Secret(b"k" * 20)), "phone 4", ADMIN)


@pytest.mark.req("M7-4")
async def test_a_device_counts_once_it_is_confirmed_and_that_code_is_burnt(world: World):
    new = Device("", Secret(b"q" * 32), "SHA256", 8, 60, confirmed=False)
    info = await world.store.devices.add("trader", new, "token", ADMIN)
    assert not info.confirmed

    await world.store.devices.confirm("trader", info.id, STEP // 2, ADMIN)

    device = next(one for one in (await world.snapshot()).devices if one.id == info.id)
    assert (device.algorithm, device.digits, device.period, device.confirmed) == ("SHA256", 8, 60, True)
    assert (device.key.reveal(), device.burnt) == (b"q" * 32, {STEP // 2})
    with pytest.raises(Conflict):
        await world.store.devices.confirm("trader", info.id, STEP // 2, ADMIN)


@pytest.mark.req("M7-6")
async def test_a_removed_device_is_gone_with_its_key_and_the_sessions_it_opened(world: World):
    await world.apply(BurnStep(world.device, STEP, once=True), opened("s1"))
    await world.store.devices.remove("trader", world.device, ADMIN)

    snapshot = await world.snapshot()
    assert (snapshot.devices, snapshot.sessions) == ((), ())
    assert await world.store.devices.devices("trader") == ()


async def test_a_device_of_somebody_else_is_not_found(world: World):
    await world.store.users.add(User("", "mallory"), ADMIN)

    with pytest.raises(NotFound):
        await world.store.devices.remove("mallory", world.device, ADMIN)


async def test_last_use_is_shown(world: World):
    await world.apply(BurnStep(world.device, STEP, once=True), opened("s1"))

    assert (await world.store.users.show("trader")).devices[0].last_used == NOW


# ── sessions and orders ──


async def test_live_sessions_are_listed_by_user(world: World):
    await world.open("s1", stream="a")
    await world.open("s2", stream="b")

    assert [row.id for row in await world.store.sessions.live(NOW, "trader")] == ["s1", "s2"]
    assert await world.store.sessions.live(NOW, "nobody") == ()
    assert await world.store.sessions.live(NOW + 31) == ()


async def test_an_order_reaches_only_the_node_of_its_session_and_only_once(world: World):
    await world.open("s1", stream="a", node="node-1")
    await world.open("s2", stream="b", node="node-2")
    mine, other = world.node("node-1").orders(), world.node("node-2").orders()
    await world.store.sessions.order(Order("s2", Reason.KICKED), ADMIN)
    await world.store.sessions.order(Order("s1", Reason.KICKED), ADMIN)

    async with asyncio.timeout(10):
        assert await anext(mine) == Order("s1", Reason.KICKED)
        assert await anext(other) == Order("s2", Reason.KICKED)
    waiting = asyncio.create_task(anext(mine))
    done, _ = await asyncio.wait([waiting], timeout=1)
    assert not done
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await other.aclose()


async def test_an_order_wakes_a_node_that_waits(world: World):
    await world.open("s1")
    orders = world.logins.orders()
    waiting = asyncio.create_task(anext(orders))
    await asyncio.sleep(0)
    await world.store.sessions.order(Order("s1", Reason.KICKED), ADMIN)

    async with asyncio.timeout(10):
        assert await waiting == Order("s1", Reason.KICKED)
    await orders.aclose()


async def test_an_order_crosses_from_one_process_to_another(place, world: World):
    """Two stores on one database: what two processes are to each other."""
    there = await place.open()
    await world.open("s1", node="there")
    orders = there.logins(node="there", policy_of=Policies(Policy(lockout=world.rules))).orders()
    waiting = asyncio.create_task(anext(orders))
    await asyncio.sleep(0)
    await world.store.sessions.order(Order("s1", Reason.KICKED), ADMIN)

    async with asyncio.timeout(10):
        assert (await waiting).session == "s1"
    await orders.aclose()


async def test_a_session_that_is_over_takes_no_order(world: World):
    await world.open("s1")
    await world.store.sessions.order(Order("s1", Reason.KICKED), ADMIN)

    with pytest.raises(NotFound, match="not live"):
        await world.store.sessions.order(Order("s1", Reason.KICKED), ADMIN)


async def test_pruning_keeps_what_still_matters(world: World):
    await world.apply(BurnStep(world.device, STEP, once=True), opened("s1"))
    await world.store.prune(NOW + 10)
    assert (await world.snapshot()).devices[0].burnt == {STEP}
    assert (await world.store.sessions.show("s1")).id == "s1"

    await world.store.prune(NOW + 90 * 86400)
    assert (await world.snapshot()).devices[0].burnt == frozenset()
    with pytest.raises(NotFound):
        await world.store.sessions.show("s1")
    assert (await world.store.audit.verify()).intact
