"""LoginStore: what a judgement reads, and the one transaction that makes it true."""

import asyncio
from dataclasses import replace

import pytest

from gateway.core.authority import Ended, Seen, Started
from gateway.core.login import Memory, Note
from gateway.core.reason import Reason
from gateway.policy.rules import LockoutRules, LockScope
from gateway.policy.snapshot import (
    AddressFailures,
    BurnStep,
    EndSession,
    Failures,
    LiveSession,
    SetAddress,
    SetFailures,
)
from gateway.store.errors import Conflict
from tests.contract.world import KEY, NOW, STEP, World, admitted, attempt, opened, refused

MEMORY = "main/CLIENT>EXCHANGE"


# ── snapshot ──


async def test_a_snapshot_of_nobody_knows_only_address_and_stream(world: World):
    snapshot = await world.snapshot(user="nobody")

    assert (snapshot.user, snapshot.devices, snapshot.sessions, snapshot.revision) == (None, (), (), 0)
    assert snapshot.memory == Memory(MEMORY)


async def test_a_snapshot_shows_the_user_with_bindings_and_an_opened_key(world: World):
    snapshot = await world.snapshot()

    assert snapshot.user.name == "trader"
    assert snapshot.user.processes == {"CLIENT"}
    assert [device.id for device in snapshot.devices] == [world.device]
    assert snapshot.devices[0].key.reveal() == KEY


@pytest.mark.parametrize("name", ["", "a\0b", "tr\udcffader", "x" * 5000, "trader "])
async def test_a_name_no_engine_can_hold_is_nobody(world: World, name: str):
    snapshot = await world.snapshot(user=name, stream=name)

    assert snapshot.user is None


async def test_streams_with_unholdable_names_do_not_share_a_memory(world: World):
    keys = {
        (await world.snapshot(stream=name)).memory.key for name in ("a\0", "a\ufffd", "a\udcff", "a" * 900, "a" * 901)
    }

    assert len(keys) == 5


async def test_no_stream_has_no_memory(world: World):
    await world.open("s1", stream="")

    assert (await world.snapshot(stream="")).memory == Memory("")


# ── apply ──


@pytest.mark.req("M7-10", "TW-12")
async def test_an_admitted_login_takes_its_place(world: World):
    await world.open("s1")

    assert (await world.snapshot()).sessions == (LiveSession("s1", MEMORY, "node-1"),)
    row = await world.store.sessions.show("s1")
    assert (row.user, row.protocol, row.process, row.target, row.address, row.port, row.route, row.node) == (
        "trader", "fix", "CLIENT", "EXCHANGE", "192.0.2.7", 40001, "main", "node-1",
    )  # fmt: skip


async def test_opening_a_session_opens_the_memory_of_its_stream_at_the_next_version(world: World):
    before = await world.open("s1")

    assert before.memory == Memory(MEMORY, 0, b"", open=False)
    assert (await world.snapshot()).memory == Memory(MEMORY, 1, b"", open=True)


async def test_whoever_read_before_another_change_is_in_conflict_and_changes_nothing(world: World):
    stale = await world.snapshot()
    await world.open("s1")
    count = (await world.store.audit.head()).count

    with pytest.raises(Conflict):
        await world.apply(SetFailures(Failures(3, NOW)), opened("s2"), snapshot=stale)

    assert [one.id for one in (await world.snapshot()).sessions] == ["s1"]
    assert (await world.snapshot()).failures == Failures()
    assert (await world.store.audit.head()).count == count


async def test_a_login_of_another_stream_meanwhile_is_a_conflict_of_memory(world: World):
    snapshot = await world.snapshot()
    await world.logins.remember(Note(MEMORY, 0, b"hole"))

    with pytest.raises(Conflict):
        await world.apply(opened("s1"), snapshot=snapshot)


@pytest.mark.req("M7-9")
async def test_a_step_is_burnt_once(world: World):
    await world.apply(BurnStep(world.device, STEP, once=True), opened("s1"))
    snapshot = await world.snapshot(stream="other")
    assert snapshot.devices[0].burnt == {STEP}

    with pytest.raises(Conflict):
        await world.apply(BurnStep(world.device, STEP, once=True), opened("s2"), snapshot=snapshot, stream="other")

    assert [one.id for one in (await world.snapshot()).sessions] == ["s1"]


@pytest.mark.req("M7-9")
async def test_a_step_is_burnt_again_within_its_interval_where_the_rules_say_so(world: World):
    for session in ("s1", "s2", "s3"):
        await world.apply(BurnStep(world.device, STEP, once=False), opened(session), stream=session)

    assert len((await world.snapshot()).sessions) == 3


@pytest.mark.req("M7-9")
async def test_of_200_parallel_logins_with_one_code_exactly_one_wins(world: World):
    snapshot = await world.snapshot(stream="")

    async def login(number: int) -> bool:
        changes = [BurnStep(world.device, STEP, once=True), opened(f"s{number}")]
        try:
            await world.logins.apply(attempt(stream=""), snapshot, changes, admitted(f"s{number}"), NOW)
        except Conflict:
            return False
        return True

    assert sum(await asyncio.gather(*map(login, range(200)))) == 1
    assert len((await world.snapshot()).sessions) == 1
    assert (await world.store.audit.verify()).intact


@pytest.mark.req("M7-9")
async def test_the_step_alone_guards_even_where_every_loser_reads_the_user_again(world: World):
    snapshot = await world.snapshot(stream="")

    async def login(number: int) -> bool:
        changes = [BurnStep(world.device, STEP, once=True), opened(f"s{number}")]
        for _ in range(30):
            known = await world.at_revision(snapshot)
            try:
                await world.logins.apply(attempt(stream=""), known, changes, admitted(f"s{number}"), NOW)
            except Conflict:
                continue
            return True
        return False

    assert sum(await asyncio.gather(*map(login, range(20)))) == 1


@pytest.mark.req("M7-11", "TW-5")
async def test_failures_are_kept_with_their_digests(world: World):
    record = Failures(3, NOW, NOW + 900, revoked=True, digests=(b"\x01" * 16, b"\xff" * 16))
    await world.apply(SetFailures(record), entry=refused())
    assert (await world.snapshot()).failures == record

    await world.apply(SetFailures(Failures()), entry=refused())
    assert (await world.snapshot()).failures == Failures()


async def test_a_lock_of_account_and_source_leaves_other_addresses_alone(store):
    world = await World.make(store, LockoutRules(scope=LockScope.ACCOUNT_AND_SOURCE))
    await world.apply(SetFailures(Failures(5, NOW, NOW + 900)), entry=refused(), address="2001:db8::1")

    assert (await world.snapshot(address="2001:db8::2")).failures.count == 5  # the same /64
    assert (await world.snapshot(address="2001:db8:0:1::1")).failures == Failures()


@pytest.mark.req("SF-8")
async def test_failures_of_one_address_at_the_same_moment_are_all_counted(world: World):
    seen = await world.snapshot(user="nobody")
    charged = [SetAddress(AddressFailures(1, NOW))]
    await world.logins.apply(attempt("nobody"), seen, charged, refused(), NOW)
    after = await world.snapshot(user="nobody")

    await asyncio.gather(
        *(
            world.logins.apply(attempt("nobody"), after, [SetAddress(AddressFailures(2, NOW))], refused(), NOW)
            for _ in range(10)
        ),
        world.logins.apply(attempt("nobody"), seen, [SetAddress(AddressFailures(1, NOW + 1))], refused(), NOW),
    )

    assert (await world.snapshot(user="nobody")).address == AddressFailures(12, NOW)


async def test_a_new_window_of_an_address_replaces_the_old_one(world: World):
    await world.apply(SetAddress(AddressFailures(40, NOW)), entry=refused())
    await world.apply(SetAddress(AddressFailures(1, NOW + 400)), entry=refused())

    assert (await world.snapshot()).address == AddressFailures(1, NOW + 400)


async def test_a_stranger_at_the_door_does_not_get_in_the_users_way(world: World):
    snapshot = await world.snapshot()
    await world.apply(SetAddress(AddressFailures(1, NOW)), entry=refused(Reason.NOT_BOUND), address="203.0.113.5")

    await world.apply(opened("s1"), snapshot=snapshot)


async def test_a_takeover_frees_the_old_place_and_orders_its_end(world: World):
    await world.open("old", node="node-2")
    await world.open("new", EndSession("old", Reason.REPLACED))

    assert [one.id for one in (await world.snapshot()).sessions] == ["new"]
    orders = world.node("node-2").orders()
    order = await asyncio.wait_for(anext(orders), 10)
    await orders.aclose()
    assert (order.session, order.reason) == ("old", Reason.REPLACED)


# ── memory ──


@pytest.mark.req("BY-1")
async def test_a_note_is_stored_only_at_its_version(world: World):
    assert await world.logins.remember(Note(MEMORY, 0, b"a"))
    assert await world.logins.remember(Note(MEMORY, 1, b"b"))
    assert not await world.logins.remember(Note(MEMORY, 1, b"c"))
    assert not await world.logins.remember(Note(MEMORY, 0, b"d"))

    assert (await world.snapshot()).memory == Memory(MEMORY, 2, b"b", open=False)


async def test_of_many_notes_at_one_version_exactly_one_is_stored(world: World):
    stored = await asyncio.gather(*(world.logins.remember(Note(MEMORY, 0, b"%d" % n)) for n in range(20)))

    assert sum(stored) == 1


@pytest.mark.req("BY-5")
async def test_the_end_of_a_session_closes_its_memory_with_the_last_value(world: World):
    await world.open("s1")
    await world.logins.ended(Ended("s1", Reason.LOGOUT, NOW + 5, b"numbers"))

    assert (await world.snapshot()).memory == Memory(MEMORY, 2, b"numbers", open=False)


async def test_an_end_without_a_value_leaves_the_memory_open(world: World):
    await world.open("s1")
    await world.logins.ended(Ended("s1", Reason.CLIENT_LOST, NOW + 5))

    assert (await world.snapshot()).memory == Memory(MEMORY, 1, b"", open=True)


async def test_a_replaced_session_does_not_close_its_successors_memory(world: World):
    await world.open("old")
    await world.open("new", EndSession("old", Reason.REPLACED))
    await world.logins.ended(Ended("old", Reason.REPLACED, NOW + 5, b"too late"))

    assert (await world.snapshot()).memory == Memory(MEMORY, 2, b"", open=True)


# ── the life of a session ──


async def test_start_and_end_are_recorded_once_each(world: World):
    await world.open("s1")
    for _ in range(2):
        await world.logins.started(Started("s1", "10.0.0.1:9001", NOW + 1))
    for reason in (Reason.LOGOUT, Reason.CLIENT_LOST):
        await world.logins.ended(Ended("s1", reason, NOW + 9))

    row = await world.store.sessions.show("s1")
    assert (row.upstream, row.started, row.ended, row.end_reason) == ("10.0.0.1:9001", NOW + 1, NOW + 9, Reason.LOGOUT)
    assert (await world.events())[-3:] == [("login.admitted", "s1"), ("session.started", "s1"), ("session.ended", "s1")]
    assert (await world.snapshot()).sessions == ()


async def test_a_session_nobody_opened_changes_nothing(world: World):
    before = await world.store.audit.head()
    await world.logins.started(Started("ghost", "x", NOW))
    await world.logins.ended(Ended("ghost", Reason.LOGOUT, NOW, b"x"))
    await world.logins.seen([Seen("ghost", NOW)], NOW)

    assert await world.store.audit.head() == before


async def test_an_unreachable_engine_gives_the_code_back(world: World):
    await world.apply(BurnStep(world.device, STEP - 1, once=True), opened("s0"), stream="")
    await world.apply(BurnStep(world.device, STEP, once=True), opened("s1"))
    await world.logins.ended(Ended("s1", Reason.UPSTREAM_UNREACHABLE, NOW + 1))

    assert (await world.snapshot()).devices[0].burnt == {STEP - 1}


@pytest.mark.parametrize(
    "reason", [Reason.UPSTREAM_SILENT, Reason.UPSTREAM_REFUSED, Reason.UPSTREAM_CLOSED, Reason.CLIENT_LEFT]
)
async def test_any_other_end_does_not(world: World, reason: Reason):
    await world.apply(BurnStep(world.device, STEP, once=True), opened("s1"))
    await world.logins.ended(Ended("s1", reason, NOW + 1))

    assert (await world.snapshot()).devices[0].burnt == {STEP}


async def test_a_session_that_went_live_never_gives_its_code_back(world: World):
    await world.apply(BurnStep(world.device, STEP, once=True), opened("s1"))
    await world.logins.started(Started("s1", "x", NOW))
    await world.logins.ended(Ended("s1", Reason.UPSTREAM_UNREACHABLE, NOW + 1))

    assert (await world.snapshot()).devices[0].burnt == {STEP}


@pytest.mark.req("SF-6")
async def test_sessions_of_a_crashed_node_lose_their_places_when_the_lease_runs_out(world: World):
    await world.open("s1", stream="a")
    await world.open("s2", stream="b")
    await world.logins.seen([Seen("s2", NOW + 20)], NOW + 25)

    assert len((await world.snapshot(now=NOW + 29)).sessions) == 2
    assert [one.id for one in (await world.snapshot(now=NOW + 31)).sessions] == ["s2"]
    assert (await world.store.sessions.show("s2")).last_business == NOW + 20
    assert (await world.snapshot(now=NOW + 56)).sessions == ()


async def test_many_sessions_are_renewed_at_once(world: World):
    for number in range(30):
        await world.open(f"s{number}", stream="")
    await world.logins.seen([Seen(f"s{number}", NOW + number) for number in range(30)], NOW + 100)

    live = await world.store.sessions.live(NOW + 129)
    assert {row.id: row.last_business for row in live} == {f"s{number}": NOW + number for number in range(30)}


async def test_nothing_seen_is_nothing_done(world: World):
    await world.logins.seen([], NOW)


async def test_a_change_of_a_user_nobody_knows_is_refused(world: World):
    snapshot = replace(await world.snapshot(), user=None)

    with pytest.raises(ValueError, match="unknown"):
        await world.apply(opened("s1"), snapshot=snapshot)


async def test_a_step_of_a_device_that_is_gone_is_a_conflict(world: World):
    with pytest.raises(Conflict):
        await world.apply(BurnStep("gone", STEP, once=True), opened("s1"))


async def test_the_store_is_ready(world: World):
    assert await world.logins.ready()
