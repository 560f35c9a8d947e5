"""Detection over a real store: what many logins together show, who is shut out by it, and what ends that."""

import asyncio

import pytest
import sqlalchemy as sa

from gateway.core.reason import Reason
from gateway.core.secret import Secret
from gateway.policy.rules import Action, DetectionRules
from gateway.policy.snapshot import Method
from gateway.store.errors import Conflict, NotFound
from gateway.store.ports import Actor
from gateway.store.schema import sightings
from gateway.store.sightings import _question
from tests.contract.lookout import HERE, OFF, Lookout, crowd, replay, spray, travel

HK, DE, DE2, JP, ELSEWHERE = "192.0.2.7", "198.51.100.1", "198.51.100.2", "203.0.113.5", "203.0.113.77"
SIX = [f"u{number}" for number in range(6)]
ALARM, BLOCK = Action.ALARM, Action.BLOCK
SUSPICIOUS = Reason.SUSPICIOUS


@pytest.fixture
def watched(store, passwords):
    async def make(rules: DetectionRules, people: int = 8) -> Lookout:
        return await Lookout.make(store, passwords, rules, people)

    return make


async def kept(store) -> int:
    return await store.survey(lambda connection: connection.scalar(sa.select(sa.func.count()).select_from(sightings)))


# ── nothing where nothing is asked ──


async def test_with_all_rules_off_nothing_is_asked_and_nothing_kept(watched, store):
    gate = await watched(OFF)
    await gate.each("u0", "u1", "nobody")
    await gate.wrong("u2")
    assert (await kept(store), await gate.found(), _question(OFF)) == (0, [], None)


async def test_an_alarm_about_replays_alone_keeps_nothing(watched, store):
    gate = await watched(DetectionRules())
    await gate.each("u0", "u0")
    assert (await kept(store), await gate.found()) == (0, [("replay", "u0", 1)])


# ── crowd ──


@pytest.mark.req("SF-18", "SF-20")
@pytest.mark.parametrize("over", ["fix", "amqp", "portal"])
async def test_the_sixth_account_from_an_address_raises_one_alert_that_counts_up(watched, over):
    gate = await watched(crowd(ALARM))
    assert await gate.each(*SIX, "u6", over=over) == [None] * 7
    assert await gate.found() == [("crowd", HERE, 2)]
    assert await gate.events("alert.raised") == 1
    assert [alert.rule.value for alert in gate.heard] == ["crowd", "crowd"]


@pytest.mark.req("SF-18")
async def test_accounts_over_all_protocols_are_one_crowd_and_names_nobody_has_count(watched):
    gate = await watched(crowd(ALARM))
    for name, over in (("u0", "fix"), ("u1", "amqp"), ("u2", "portal"), ("ghost", "fix"), ("phantom", "portal")):
        await gate.login(name, over=over)
    assert await gate.found() == []
    await gate.wrong("u3", over="amqp")
    assert await gate.found() == [("crowd", HERE, 1)]


@pytest.mark.req("SF-18")
async def test_one_account_many_times_and_many_addresses_are_no_crowd(watched):
    gate = await watched(crowd(ALARM))
    for number in range(8):
        assert await gate.login("u0") is None
        assert await gate.login(f"u{number}", f"203.0.113.{number}") is None if number else True
        gate.clock.move(30)
    assert await gate.found() == []


@pytest.mark.req("SF-18")
async def test_who_shares_a_64_of_ipv6_shares_an_address(watched):
    gate = await watched(crowd(ALARM))
    for number in range(6):
        await gate.login(f"u{number}", f"2001:db8::{number + 1}")
    assert await gate.found() == [("crowd", "2001:db8::/64", 1)]


@pytest.mark.req("SF-18")
@pytest.mark.parametrize("over", ["fix", "amqp", "portal"])
async def test_a_blocking_crowd_shuts_its_address_for_all_and_no_other_one(watched, over):
    gate = await watched(crowd(BLOCK))
    assert await gate.each(*SIX, over=over) == [None] * 5 + [SUSPICIOUS]
    gate.clock.move(30)
    assert await gate.each("u0", "u7", over=over) == [SUSPICIOUS] * 2
    assert await gate.login("u0", ELSEWHERE, over=over) is None
    assert [alert.blocks for alert in await gate.alerts()] == [True]


@pytest.mark.req("SF-18")
async def test_a_block_ends_with_its_window_however_often_it_is_tried(watched):
    gate = await watched(crowd(BLOCK, window=600.0))
    await gate.each(*SIX)
    for _ in range(9):
        gate.clock.move(60)
        assert await gate.login("u7") is SUSPICIOUS
    gate.clock.move(120)
    assert await gate.login("u7") is None


@pytest.mark.req("SF-18")
async def test_a_block_ends_when_its_alert_is_acknowledged_and_what_comes_then_counts_anew(watched):
    gate = await watched(crowd(BLOCK))
    await gate.each(*SIX)
    await gate.acknowledge()
    gate.clock.move(30)
    assert await gate.each(*SIX) == [None] * 5 + [SUSPICIOUS]
    assert await gate.found() == [("crowd", HERE, 1)]
    assert [await gate.events(f"alert.{what}") for what in ("raised", "acknowledged")] == [2, 1]


async def test_who_is_shut_out_is_not_charged_for_it(watched, store):
    gate = await watched(crowd(BLOCK))
    await gate.each(*SIX)
    for number in range(5):
        await gate.wrong(f"u{number}")
    assert (await store.users.show("u0")).failures.count == 0
    assert await gate.login("u0", ELSEWHERE, code=gate.code("u0")) is Reason.REPLAYED_CODE  # of its own good login
    gate.clock.move(30)
    assert await gate.login("u5", ELSEWHERE) is None


@pytest.mark.req("SF-18")
async def test_an_exempt_network_is_no_crowd(watched):
    gate = await watched(crowd(BLOCK, exempt=frozenset({"192.0.2.0/28"})))
    assert await gate.each(*SIX) == [None] * 6
    assert await gate.found() == []


@pytest.mark.req("SF-18")
async def test_the_same_after_its_window_is_a_new_alert(watched):
    gate = await watched(crowd(ALARM, accounts=2, window=100.0))
    await gate.each("u0", "u1")
    gate.clock.move(101)
    await gate.each("u0", "u1")
    assert await gate.found() == [("crowd", HERE, 1)] * 2


@pytest.mark.req("SF-18", "SF-20")
@pytest.mark.parametrize("action", [ALARM, BLOCK])
async def test_of_forty_accounts_at_once_all_are_seen_and_one_alert_is_raised(watched, action):
    gate = await watched(crowd(action), people=40)
    outcomes = await gate.at_once(*(f"u{number}" for number in range(40)))
    assert set(outcomes) <= {None, SUSPICIOUS}
    assert outcomes.count(None) == (5 if action is BLOCK else 40)
    assert await gate.found() == [("crowd", HERE, 35)]
    assert await gate.events("alert.raised") == 1


@pytest.mark.req("SF-18", "SF-20")
async def test_two_processes_see_one_crowd_at_one_moment(watched, place, passwords):
    rules = crowd(BLOCK)
    one = await watched(rules, people=40)
    other = await one.beside(await place.open(), passwords, rules)
    halves = await asyncio.gather(
        one.at_once(*(f"u{number}" for number in range(20))), other.at_once(*(f"u{number}" for number in range(20, 40)))
    )
    assert [*halves[0], *halves[1]].count(None) == 5
    assert await one.found() == [("crowd", HERE, 35)]
    assert await one.events("alert.raised") == 1


# ── travel ──


@pytest.mark.req("SF-19", "SF-20")
@pytest.mark.parametrize("over", ["fix", "amqp", "portal"])
async def test_two_countries_within_the_window_raise_an_alert(watched, over):
    gate = await watched(travel(ALARM))
    assert await gate.login("u0", HK, over=over) is None
    gate.clock.move(30)
    assert await gate.login("u0", DE, over=over) is None
    (alert,) = await gate.alerts()
    assert (alert.rule.value, alert.subject, alert.country, alert.address) == ("travel", "u0", "DE+HK", DE)


@pytest.mark.req("SF-19")
async def test_one_country_two_users_or_no_country_are_no_travel(watched):
    gate = await watched(travel(ALARM))
    for name, address in (("u0", DE), ("u0", DE2), ("u1", HK), ("u0", ELSEWHERE), ("u0", "127.0.0.1")):
        assert await gate.login(name, address) is None
        gate.clock.move(30)
    assert await gate.found() == []


@pytest.mark.req("SF-19")
@pytest.mark.parametrize("over", ["fix", "portal"])
async def test_a_blocking_travel_refuses_the_other_country_only_and_burns_nothing(watched, over):
    gate = await watched(travel(BLOCK))
    await gate.login("u0", HK, over=over)
    gate.clock.move(30)
    assert await gate.login("u0", DE, over=over) is SUSPICIOUS
    assert await gate.login("u0", HK, over=over) is None
    assert await gate.login("u1", DE, over=over) is None


@pytest.mark.req("SF-19")
@pytest.mark.parametrize("how", ["window", "acknowledged"])
async def test_a_traveller_is_let_in_when_the_window_is_over_or_somebody_has_looked(watched, how):
    gate = await watched(travel(BLOCK, window=3600.0))
    await gate.login("u0", HK)
    gate.clock.move(30)
    assert await gate.login("u0", DE) is SUSPICIOUS
    if how == "window":
        gate.clock.move(3601)
    else:
        await gate.acknowledge()
    assert await gate.login("u0", DE) is None


@pytest.mark.req("SF-19")
async def test_nobody_makes_somebody_else_travel_without_proof(watched):
    gate = await watched(travel(BLOCK))
    await gate.enrol("ext", method=Method.EXTERNAL)
    for name in ("u0", "ext"):
        await gate.wrong(name, DE)
        assert await gate.login(name, HK) is None
    gate.clock.move(30)
    await gate.wrong("u0", JP)
    assert await gate.found() == []


# ── spray ──


@pytest.mark.req("SF-20", "SF-8")
@pytest.mark.parametrize("over", ["fix", "amqp", "portal"])
async def test_wrong_secrets_over_many_names_from_anywhere_are_a_spray(watched, over):
    gate = await watched(spray(ALARM))
    for number, name in enumerate(("u0", "u1", "u1", "ghost")):
        await gate.wrong(name, f"203.0.113.{number}", over=over)
    assert await gate.found() == []
    await gate.wrong("u2", "203.0.113.9", over=over)
    assert await gate.found() == [("spray", "", 1)]
    assert await gate.login("u3", "203.0.113.9", over=over) is None


@pytest.mark.req("SF-20", "SF-8")
async def test_good_logins_of_many_are_no_spray(watched):
    gate = await watched(spray(ALARM))
    await gate.each(*SIX)
    assert await gate.found() == []


@pytest.mark.req("SF-20", "SF-8")
async def test_a_blocking_spray_shuts_the_addresses_that_took_part_until_its_end(watched):
    gate = await watched(spray(BLOCK, window=300.0))
    for number in range(4):
        await gate.wrong(f"u{number}", f"203.0.113.{number}")
    assert [await gate.login("u5", f"203.0.113.{number}") for number in range(5)] == [SUSPICIOUS] * 4 + [None]
    gate.clock.move(301)
    assert await gate.login("u5", "203.0.113.0") is None


@pytest.mark.req("SF-20", "SF-8")
async def test_a_spray_that_was_looked_at_shuts_nobody(watched):
    gate = await watched(spray(BLOCK))
    for number in range(4):
        await gate.wrong(f"u{number}")
    assert await gate.login("u5") is SUSPICIOUS
    await gate.acknowledge()
    assert await gate.login("u5") is None


@pytest.mark.req("SF-20", "SF-8")
async def test_of_forty_guesses_at_once_at_as_many_names_one_alert_is_raised(watched):
    gate = await watched(spray(ALARM), people=40)
    await gate.at_once(*(f"u{number}" for number in range(40)), password="not the Password 1")
    assert await gate.found() == [("spray", "", 37)]
    assert await gate.events("alert.raised") == 1


# ── replay ──


@pytest.mark.req("BY-8")
@pytest.mark.parametrize("over", ["fix", "amqp", "portal"])
async def test_a_second_use_of_a_code_raises_an_alert_about_its_owner(watched, over):
    gate = await watched(replay(ALARM))
    code = gate.code("u0")
    assert await gate.login("u0", code=code, over=over) is None
    assert await gate.login("u0", ELSEWHERE, code=code, over=over) is Reason.REPLAYED_CODE
    (alert,) = await gate.alerts()
    assert (alert.rule.value, alert.subject, alert.address, alert.blocks) == ("replay", "u0", ELSEWHERE, False)
    gate.clock.move(30)
    assert await gate.login("u0", ELSEWHERE, over=over) is None


@pytest.mark.req("BY-8")
async def test_a_blocking_replay_shuts_that_user_out_at_the_address_it_came_from(watched):
    gate = await watched(replay(BLOCK, window=300.0))
    code = gate.code("u0")
    await gate.login("u0", code=code)
    await gate.login("u0", ELSEWHERE, code=code)
    gate.clock.move(30)
    assert await gate.login("u0", ELSEWHERE) is SUSPICIOUS
    assert await gate.each("u1", address=ELSEWHERE) == [None]
    assert await gate.login("u0") is None
    gate.clock.move(301)
    assert await gate.login("u0", ELSEWHERE) is None


# ── alerts, and what becomes of them ──


async def test_an_alert_is_acknowledged_once_and_by_name(watched):
    gate = await watched(replay(ALARM))
    await gate.each("u0", "u0")
    (alert,) = await gate.alerts()
    by = Actor("root1", gate.clock.wall + 5)
    done = await gate.store.alerts.acknowledge(alert.id, by)
    assert (done.acknowledged, done.acknowledged_by) == (by.wall, "root1")
    assert await gate.found() == []
    assert await gate.alerts(open_only=False) == [done]
    with pytest.raises(Conflict):
        await gate.store.alerts.acknowledge(alert.id, by)
    with pytest.raises(NotFound):
        await gate.store.alerts.acknowledge("none", by)
    assert await gate.events("alert.acknowledged") == 1
    assert (await gate.store.audit.verify()).intact


async def test_the_audit_record_says_what_was_found(watched):
    gate = await watched(travel(BLOCK))
    await gate.login("u0", HK)
    gate.clock.move(30)
    await gate.login("u0", DE)
    rows = {row.event: row for row in await gate.store.audit.rows()}
    assert rows["login.refused"].reason == "suspicious"
    for part in ('"rule":"travel"', '"subject":"u0"', '"country":"DE+HK"', '"blocks":true'):
        assert part in rows["alert.raised"].details


async def test_what_no_window_reaches_is_pruned_and_an_open_alert_is_kept(watched, store):
    gate = await watched(crowd(ALARM, accounts=2))
    await gate.each("u0", "u1")
    await store.prune(gate.clock.wall + 86_000)
    assert await kept(store) == 2
    await store.prune(gate.clock.wall + 40 * 86_400)
    assert (await kept(store), len(await gate.alerts())) == (0, 1)
    await gate.acknowledge()
    await store.prune(gate.clock.wall + 40 * 86_400)
    assert await gate.alerts(open_only=False) == []


async def test_names_no_engine_can_hold_are_seen_too(watched):
    gate = await watched(crowd(ALARM, accounts=3))
    for name in ("nul\0", "lone\ud800", "x" * 500):
        assert await gate.login(name, code=Secret(b"123456")) is Reason.UNKNOWN_USER
    assert await gate.found() == [("crowd", HERE, 1)]


async def test_what_the_engine_refuses_counts_for_a_spray(watched):
    from gateway.core.authority import Ended
    from gateway.core.login import Attempt, Login, Origin

    gate = await watched(spray(ALARM))
    for number in range(4):
        name = f"up{number}"
        await gate.enrol(name, method=Method.UPSTREAM_TOTP)
        login = Login("fix", name, name, "EXCH", "1", Secret(b"the engine's"), gate.code(name), name)
        grant = await gate.authority.verify(Attempt(login, Origin("c", "fix", HERE, 1), "main", gate.clock()))
        await gate.authority.ended(Ended(grant.session, Reason.UPSTREAM_REFUSED, gate.clock.wall, b""))
    assert await gate.found() == [("spray", "", 1)]
