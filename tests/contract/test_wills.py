"""The journal of wills: what a venue must still be told, and by whom; and what becomes of a dead gateway's sessions."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.core.authority import Ended, Order, Owed, Seen, Started
from gateway.core.login import Memory
from gateway.core.reason import Reason
from gateway.policy.snapshot import EndSession, LiveSession
from gateway.store.logins import LEASE, SqlLoginStore
from gateway.store.wills import AGAIN, QUIET
from tests.contract.test_logins import MEMORY
from tests.contract.world import ADMIN, NOW, World

RENEWED = 5.0
"""Seconds between two signs of life of a gateway."""


class Node:
    """A gateway process: its store, and whatever its stream of orders has yielded."""

    def __init__(self, world: World, name: str) -> None:
        self.store: SqlLoginStore = world.node(name)
        self._orders: AsyncIterator[Order | Owed] = self.store.orders()
        self._next: asyncio.Task[Order | Owed] | None = None

    async def next(self) -> Order | Owed:
        """The next order or will, whenever it comes."""
        self._next = self._next or asyncio.ensure_future(anext(self._orders))
        found = await asyncio.wait_for(asyncio.shield(self._next), 30)
        self._next = None
        return found

    async def owes(self) -> list[Owed]:
        """What its journal says is to be delivered at this moment: one look, without waiting."""
        return await self.store._wills.due()

    async def stop(self) -> None:
        if self._next:
            self._next.cancel()
            await asyncio.gather(self._next, return_exceptions=True)


@pytest.fixture
async def nodes(world: World) -> AsyncIterator[list[Node]]:
    made = [Node(world, name) for name in ("a", "b", "c")]
    yield made
    for node in made:
        await node.stop()


async def pass_time(world: World, seconds: float, *nodes: Node, alive: tuple[str, ...] = ()) -> list[list[Owed]]:
    """Let time pass in the gateways' own steps; `alive` are sessions whose gateway gives signs of life. What was owed."""
    found: list[list[Owed]] = [[] for _ in nodes]
    for _ in range(round(seconds / RENEWED)):
        world.clock.move(RENEWED)
        await world.logins.seen([Seen(one, world.clock.wall) for one in alive], world.clock.wall)
        for node, owes in zip(nodes, found, strict=True):
            owes.extend(await node.owes())
    return found


# ── owed by a living gateway ──


@pytest.mark.req("M7-10")
async def test_a_will_that_is_owed_is_delivered_by_the_process_that_says_so(world: World, nodes: list[Node]):
    a, b, _ = nodes
    await world.open("s1", node="a", will=b"logout")
    await a.store.ended(Ended("s1", Reason.CLIENT_LOST, NOW, owed=True))

    assert await a.next() == Owed("s1", "main", b"logout")
    assert await b.owes() == []


async def test_the_will_is_the_one_that_was_known_last(world: World, nodes: list[Node]):
    a, *_ = nodes
    for session, will in (("s1", b"with id"), ("s2", b"")):
        await world.open(session, node="a", stream=session, will=b"without id")
        await a.store.started(Started(session, "broker", NOW, will))
        await a.store.ended(Ended(session, Reason.CLIENT_LOST, NOW, owed=True))

    assert {one.session: one.will for one in await a.owes()} == {"s1": b"with id", "s2": b"without id"}


@pytest.mark.parametrize("owed_first", [False, True])
async def test_a_venue_that_was_told_is_told_no_more(world: World, nodes: list[Node], owed_first: bool):
    a, b, _ = nodes
    await world.open("s1", node="a", will=b"logout")
    if owed_first:
        await a.store.ended(Ended("s1", Reason.CLIENT_LOST, NOW, owed=True))
    await a.store.ended(Ended("s1", Reason.CLIENT_LOST, NOW))

    assert await pass_time(world, 5 * LEASE, a, b) == [[], []]
    assert [event for event, _ in await world.events()].count("session.ended") == 1


async def test_nothing_is_owed_where_there_is_no_will(world: World, nodes: list[Node]):
    a, b, _ = nodes
    await world.open("s1", node="a")
    await a.store.ended(Ended("s1", Reason.CLIENT_LOST, NOW, owed=True))

    assert await pass_time(world, 5 * LEASE, a, b) == [[], []]
    assert (await world.snapshot()).leaving == ()


async def test_a_will_comes_again_to_its_process_until_it_is_settled_and_to_no_other(world: World, nodes: list[Node]):
    a, b, c = nodes
    await world.open("s1", node="a", will=b"logout")
    await a.store.ended(Ended("s1", Reason.CLIENT_LOST, NOW, owed=True))
    mine, *others = await pass_time(world, 4 * LEASE, a, b, c)

    assert len(mine) == pytest.approx(4 / AGAIN, abs=2)
    assert others == [[], []]


async def test_a_will_whose_process_died_is_taken_by_exactly_one_other(world: World, nodes: list[Node]):
    a, b, c = nodes
    await world.open("s1", node="a", will=b"logout")
    await a.store.ended(Ended("s1", Reason.CLIENT_LOST, NOW, owed=True))
    early = await pass_time(world, LEASE - RENEWED, b, c)
    late = await pass_time(world, 3 * RENEWED, b, c)

    assert early == [[], []]
    assert sorted(map(len, late)) == [0, 1]


async def test_who_lost_a_will_to_another_is_not_handed_it_again(world: World, nodes: list[Node]):
    a, b, _ = nodes
    await world.open("s1", node="a", will=b"logout")
    await a.store.ended(Ended("s1", Reason.CLIENT_LOST, NOW, owed=True))
    await pass_time(world, 2 * LEASE, b)

    assert await a.owes() == []


async def test_a_will_settled_by_another_process_comes_no_more(world: World, nodes: list[Node]):
    a, b, _ = nodes
    await world.open("s1", node="a", will=b"logout")
    await a.store.ended(Ended("s1", Reason.CLIENT_LOST, NOW, owed=True))
    assert len(await a.owes()) == 1
    await b.store.ended(Ended("s1", Reason.CLIENT_LOST, NOW))

    assert await pass_time(world, 2 * LEASE, a, b) == [[], []]


# ── leaving ──


@pytest.mark.req("M7-10", "BY-5")
async def test_a_session_leaves_when_it_has_said_so_and_the_venue_knows(world: World, nodes: list[Node]):
    a, *_ = nodes
    await world.open("s1", node="a", will=b"logout")
    snapshot = await world.snapshot()
    await world.apply(EndSession("s1", Reason.REPLACED), snapshot=snapshot)
    here = LiveSession("s1", MEMORY, "a")

    ordered = await world.snapshot()
    await a.store.ended(Ended("s1", Reason.REPLACED, NOW, b"numbers", owed=True))
    owed = await world.snapshot()
    await a.store.ended(Ended("s1", Reason.REPLACED, NOW))
    left = await world.snapshot()

    assert [(one.sessions, one.leaving) for one in (ordered, owed, left)] == [((), (here,)), ((), (here,)), ((), ())]
    assert left.memory == Memory(MEMORY, 2, b"numbers", open=False)


async def test_a_session_that_never_leaves_is_stuck_and_in_nobodys_way_after_a_while(world: World):
    await world.open("s1")
    await world.apply(EndSession("s1", Reason.REPLACED))

    assert (await world.snapshot(now=NOW + 60)).leaving == ()


# ── dead gateways ──


@pytest.mark.req("M7-10")
async def test_after_a_gateway_was_killed_each_of_its_wills_is_delivered_by_one_process(
    world: World, nodes: list[Node]
):
    _, b, c = nodes
    for number in range(50):
        await world.open(f"s{number:02}", node="killed", stream=f"{number}", will=b"logout %d" % number)
    by_b, by_c = await pass_time(world, LEASE + 2 * RENEWED, b, c)

    told = [one.session for one in by_b + by_c]
    assert len(told) == len(set(told)) == 50
    assert {one.will for one in by_b + by_c} == {b"logout %d" % number for number in range(50)}


async def test_two_processes_that_look_at_the_same_moment_take_each_will_once(world: World, nodes: list[Node]):
    _, b, c = nodes
    for number in range(20):
        await world.open(f"s{number:02}", node="killed", stream=f"{number}", will=b"logout")
    await pass_time(world, LEASE - RENEWED, b, c)
    world.clock.move(2 * RENEWED)
    taken = await asyncio.gather(b.owes(), c.owes())

    told = [one.session for owed in taken for one in owed]
    assert len(told) == len(set(told)) == 20


@pytest.mark.req("TW-12")
@pytest.mark.parametrize("will", [b"", b"logout"])
async def test_a_dead_session_gets_its_end_once_and_its_streams_memory_stays_open(
    world: World, nodes: list[Node], will: bytes
):
    _, b, c = nodes
    await world.open("s1", node="killed", will=will)
    await pass_time(world, 3 * LEASE, b, c)

    row = await world.store.sessions.show("s1")
    ends = [one for one in await world.store.audit.rows() if one.event == "session.ended"]
    assert (row.end_reason, [(one.session, one.reason) for one in ends]) == (
        Reason.GATEWAY_LOST, [("s1", "gateway_lost")],
    )  # fmt: skip
    assert (await world.snapshot(now=world.clock.wall)).memory.open
    assert (await world.store.audit.verify()).intact


async def test_a_session_that_was_ordered_to_end_by_a_gateway_that_died_is_found_too(world: World, nodes: list[Node]):
    _, b, _ = nodes
    await world.open("s1", node="killed", will=b"logout")
    await world.apply(EndSession("s1", Reason.REPLACED))
    (owed,) = await pass_time(world, LEASE + RENEWED, b)

    assert [one.session for one in owed] == ["s1"]
    assert (await world.store.sessions.show("s1")).end_reason is Reason.REPLACED


async def test_a_living_gateways_sessions_are_left_alone(world: World, nodes: list[Node]):
    _, b, _ = nodes
    await world.open("s1", node="a", will=b"logout")

    assert await pass_time(world, 10 * LEASE, b, alive=("s1",)) == [[]]
    assert [one.id for one in (await world.snapshot(now=world.clock.wall)).sessions] == ["s1"]


@pytest.mark.parametrize("jump", [7200.0, -7200.0])
async def test_a_jump_of_the_wall_clock_ends_no_live_session(world: World, nodes: list[Node], jump: float):
    """b's clock is hours ahead of a's, or behind: a's leases look long over to one of them, but they move."""
    _, b, _ = nodes
    await world.open("s1", node="a", will=b"logout")
    await world.open("s2", node="b", stream="x", will=b"logout")
    for _ in range(20):
        world.clock.move(RENEWED)
        await world.logins.seen([Seen("s1", world.clock.wall)], world.clock.wall)
        world.clock.wall += jump
        assert await b.owes() == []
        world.clock.wall -= jump

    assert "session.ended" not in [event for event, _ in await world.events()]


async def test_a_process_never_takes_its_own_sessions_for_dead(world: World, nodes: list[Node]):
    a, *_ = nodes
    await world.open("s1", node="a", will=b"logout")

    assert await pass_time(world, 5 * LEASE, a) == [[]]


async def test_a_gateway_that_was_taken_for_dead_learns_that_its_session_is_over(world: World, nodes: list[Node]):
    a, b, _ = nodes
    await world.open("s1", node="a", will=b"logout")
    await pass_time(world, LEASE + RENEWED, b)

    assert await a.next() == Order("s1", Reason.GATEWAY_LOST)


async def test_its_end_settles_what_was_owed_for_it(world: World, nodes: list[Node]):
    a, b, _ = nodes
    await world.open("s1", node="a", will=b"logout")
    await pass_time(world, LEASE + RENEWED, b)
    await a.store.ended(Ended("s1", Reason.GATEWAY_LOST, world.clock.wall, b"numbers"))

    assert await pass_time(world, 2 * LEASE, b) == [[]]
    assert [event for event, _ in await world.events()].count("session.ended") == 1


async def test_a_lease_is_over_no_sooner_than_it_says_and_then_soon(world: World, nodes: list[Node]):
    _, b, _ = nodes
    await world.open("s1", node="killed", will=b"logout")
    late: float | None = None
    while late is None:
        world.clock.move(1.0)
        late = world.clock.wall - NOW - LEASE if await b.owes() else None

    assert 0 < late <= 3


async def test_a_process_that_starts_after_the_lease_was_over_makes_sure_first(world: World, nodes: list[Node]):
    _, b, _ = nodes
    await world.open("s1", node="killed", will=b"logout")
    world.clock.move(1000)
    at_once = await b.owes()
    world.clock.move(QUIET * LEASE + 0.1)

    assert (at_once, [one.session for one in await b.owes()]) == ([], ["s1"])


async def test_a_kicked_sessions_lease_goes_on_until_it_has_left(world: World, nodes: list[Node]):
    _, b, _ = nodes
    await world.open("s1", node="a", will=b"logout")
    await world.store.sessions.order(Order("s1", Reason.KICKED), ADMIN)

    assert await pass_time(world, 3 * LEASE, b, alive=("s1",)) == [[]]


async def test_pruning_forgets_nothing_that_is_owed_today(world: World, nodes: list[Node]):
    _, b, _ = nodes
    await world.open("s1", node="killed", will=b"logout")
    await world.store.prune(NOW + 60)
    (owed,) = await pass_time(world, 2 * LEASE, b)

    assert {one.session for one in owed} == {"s1"}
