"""What detection makes of a decision: each rule off, alarming and blocking. The whole hot path is in tests/contract."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.login import Attempt, Login, Moment, Origin
from gateway.core.reason import Disclosure, Reason
from gateway.core.secret import Secret
from gateway.policy.decide import Admit, Decision, Deny, NeedOpening, NeedPassword, TakeOver, refusal
from gateway.policy.detection import Scene, is_exempt, overtaken
from gateway.policy.rules import Action, CrowdRules, DetectionRules, Policy, ReplayRules, SprayRules, TravelRules
from gateway.policy.sightings import Outcome, RaiseAlert, Rule, Sight, Sightings
from gateway.policy.snapshot import (
    BurnStep,
    Device,
    EndSession,
    Method,
    OpenSession,
    SetAddress,
    SetFailures,
    Snapshot,
    User,
)

NOW = 1_800_000_010.0
ALICE = User("u1", "alice", "ACME", processes=frozenset({"ALGO"}), password_hash="$argon2id$...", password_changed=NOW)
PHONE = Device("phone", Secret(b"12345678901234567890"))
KNOWN = Snapshot(ALICE, (PHONE,))
ADDRESS = "192.0.2.7"
GOOD = Admit((BurnStep("phone", 1, once=True), OpenSession("s1", 1800.0, 86400.0)))
CHARGED = (SetAddress(KNOWN.address), SetFailures(KNOWN.failures))
WRONG = Deny(Reason.BAD_CODE, 20, CHARGED)
REPLAY = Deny(Reason.REPLAYED_CODE, 20, CHARGED)
NOBODY = Deny(Reason.UNKNOWN_USER, changes=CHARGED[:1])
PENDING = (NeedPassword(), NeedOpening())
OFF = DetectionRules(replay=ReplayRules(Action.OFF))


def rules(action: Action, *on: Rule, accounts: int = 3, exempt: frozenset[str] = frozenset()) -> DetectionRules:
    """These rules (all, if none is named) in one mode and the others off."""
    each = {rule: action if rule in (on or Rule) else Action.OFF for rule in Rule}
    return DetectionRules(
        CrowdRules(each[Rule.CROWD], accounts), TravelRules(each[Rule.TRAVEL]), SprayRules(each[Rule.SPRAY], accounts),
        ReplayRules(each[Rule.REPLAY]), exempt,
    )  # fmt: skip


def detect(
    decision: Decision,
    which: DetectionRules,
    seen: Sightings = Sightings(),  # noqa: B008 - frozen
    *,
    country: str = "HK",
    address: str = ADDRESS,
    snapshot: Snapshot = KNOWN,
    certificate: str = "",
) -> Decision:
    login = Login("fix", "alice", "ALGO", "EXCH", "FIX.4.4", Secret(b"right"), Secret(b"123456"))
    attempt = Attempt(login, Origin("c1", "fix", address, 40000, certificate), "main", Moment(5.0, NOW))
    return Scene(Policy(), which, replace(snapshot, sightings=seen), attempt, country, NOW).detect(decision)


def alerts(decision: Decision) -> list[RaiseAlert]:
    return [change for change in getattr(decision, "changes", ()) if isinstance(change, RaiseAlert)]


def raised(decision: Decision) -> list[tuple[Rule, bool]]:
    return [(alert.rule, alert.blocks) for alert in alerts(decision)]


def sights(decision: Decision) -> list[Outcome]:
    return [change.outcome for change in getattr(decision, "changes", ()) if isinstance(change, Sight)]


@pytest.mark.parametrize("decision", [GOOD, WRONG, REPLAY, NOBODY, *PENDING])
def test_with_all_rules_off_a_decision_is_what_it_was(decision: Decision):
    seen = Sightings(crowd=99, sprayed=99, took_part=True, replayed=True, countries=frozenset({"DE"}))
    assert detect(decision, OFF, seen) == decision


# ── what is noted ──


@pytest.mark.parametrize(
    ("decision", "outcome"),
    [(GOOD, Outcome.GOOD), (WRONG, Outcome.BAD), (REPLAY, Outcome.REPLAYED), (NOBODY, Outcome.BAD)],
)
def test_an_attempt_is_noted_before_its_own_changes(decision: Admit | Deny, outcome: Outcome):
    found = detect(decision, rules(Action.ALARM))
    assert sights(found) == [outcome]
    assert found.changes[-len(decision.changes) :] == decision.changes


@pytest.mark.parametrize("reason", [Reason.LOCKED, Reason.REPEATED, Reason.BACKED_OFF, Reason.DISABLED])
def test_a_refusal_that_costs_nothing_is_not_noted(reason: Reason):
    assert detect(Deny(reason), rules(Action.ALARM)) == Deny(reason)


@pytest.mark.parametrize(
    ("user", "decision", "certificate", "outcome"),
    [
        (replace(ALICE, method=Method.EXTERNAL), Admit(GOOD.changes[1:]), "", Outcome.SEEN),
        (replace(ALICE, method=Method.EXTERNAL, certificates=frozenset({"ab"})), Admit(GOOD.changes[1:]), "ab", Outcome.GOOD),
        (replace(ALICE, method=Method.UPSTREAM_TOTP), GOOD, "", Outcome.GOOD),
        (ALICE, Admit(()), "", Outcome.SEEN),
    ],
    ids=["engine checks all", "certificate", "code", "password, code to come"],
)  # fmt: skip
def test_only_what_the_gateway_saw_proved_is_a_good_login(user, decision, certificate, outcome):
    found = detect(decision, rules(Action.ALARM), snapshot=replace(KNOWN, user=user), certificate=certificate)
    assert sights(found) == [outcome]


def test_the_console_has_no_address_and_leaves_no_sight():
    assert detect(GOOD, rules(Action.BLOCK), Sightings(countries=frozenset({"DE"})), address="") == GOOD


# ── crowd ──


@pytest.mark.req("SF-18")
@pytest.mark.parametrize(
    ("seen", "found"),
    [
        (Sightings(crowd=1), []),
        (Sightings(crowd=2), [(Rule.CROWD, False)]),
        (Sightings(crowd=2, known=True), []),
        (Sightings(crowd=3, known=True), [(Rule.CROWD, False)]),
    ],
)
def test_the_third_name_from_an_address_makes_a_crowd_of_three(seen: Sightings, found: list):
    decision = detect(GOOD, rules(Action.ALARM, Rule.CROWD), seen)
    assert raised(decision) == found
    assert isinstance(decision, Admit)


@pytest.mark.req("SF-18")
@pytest.mark.parametrize("decision", [GOOD, TakeOver((EndSession("s0", Reason.REPLACED),), frozenset({"s0"}))])
def test_a_blocking_crowd_refuses_the_login_that_makes_it_and_takes_nothing_over(decision: Decision):
    found = detect(decision, rules(Action.BLOCK, Rule.CROWD), Sightings(crowd=2))
    assert (found.reason, raised(found), sights(found)) == (Reason.SUSPICIOUS, [(Rule.CROWD, True)], [Outcome.SEEN])


@pytest.mark.req("SF-18")
def test_an_exempt_network_is_no_crowd_and_no_spray_shuts_it():
    exempt = frozenset({"192.0.2.0/24", "2001:db8::/48"})
    which = rules(Action.BLOCK, Rule.CROWD, Rule.SPRAY, exempt=exempt)
    seen = Sightings(crowd=3, sprayed=3, took_part=True)
    for address in (ADDRESS, "::ffff:192.0.2.9", "2001:db8::7"):
        assert isinstance(detect(GOOD, which, seen, address=address), Admit)
    assert detect(GOOD, which, seen, address="198.51.100.1").reason is Reason.SUSPICIOUS
    assert not is_exempt(which, "no address")


# ── travel ──


@pytest.mark.req("SF-19")
@pytest.mark.parametrize(
    ("here", "before", "found"),
    [
        ("HK", set(), []), ("HK", {"HK"}, []), ("HK", {"DE"}, [Rule.TRAVEL]), ("HK", {"HK", "DE"}, [Rule.TRAVEL]),
        ("", {"DE"}, []),
    ],
)  # fmt: skip
def test_a_good_login_from_another_country_travels(here: str, before: set[str], found: list[Rule]):
    decision = detect(GOOD, rules(Action.ALARM, Rule.TRAVEL), Sightings(countries=frozenset(before)), country=here)
    assert [rule for rule, _ in raised(decision)] == found
    assert isinstance(decision, Admit)


@pytest.mark.req("SF-19")
def test_the_alert_names_the_countries_and_the_firm_that_may_know():
    (alert,) = alerts(detect(GOOD, rules(Action.BLOCK, Rule.TRAVEL), Sightings(countries=frozenset({"DE"}))))
    assert (alert.subject, alert.user, alert.country, alert.organisation) == ("alice", "alice", "DE+HK", "ACME")


@pytest.mark.req("SF-19")
@pytest.mark.parametrize("decision", [WRONG, NOBODY, *PENDING])
def test_nobody_travels_without_proof(decision: Decision):
    found = detect(decision, rules(Action.BLOCK, Rule.TRAVEL), Sightings(countries=frozenset({"DE"})))
    assert (type(found), raised(found)) == (type(decision), [])


@pytest.mark.req("SF-19")
@pytest.mark.parametrize("decision", [GOOD, TakeOver((), frozenset({"s0"}))])
def test_a_blocking_travel_burns_no_code_and_ends_no_session(decision: Decision):
    found = detect(decision, rules(Action.BLOCK, Rule.TRAVEL), Sightings(countries=frozenset({"DE"})))
    assert (found.reason, sights(found)) == (Reason.SUSPICIOUS, [Outcome.SEEN])
    assert {type(change) for change in found.changes} == {Sight, RaiseAlert}


# ── spray ──


@pytest.mark.req("SF-20", "SF-8")
@pytest.mark.parametrize("decision", [WRONG, NOBODY, REPLAY])
def test_the_third_name_with_a_wrong_secret_makes_a_spray_wherever_it_comes_from(decision: Deny):
    which = rules(Action.ALARM, Rule.SPRAY)
    assert raised(detect(decision, which, Sightings(sprayed=2))) == [(Rule.SPRAY, False)]
    assert raised(detect(decision, which, Sightings(sprayed=2, tried=True))) == []


@pytest.mark.req("SF-20", "SF-8")
def test_a_blocking_spray_shuts_the_addresses_that_took_part_and_no_others():
    which = rules(Action.BLOCK, Rule.SPRAY)
    assert detect(GOOD, which, Sightings(sprayed=3, took_part=True)).reason is Reason.SUSPICIOUS
    assert isinstance(detect(GOOD, which, Sightings(sprayed=3)), Admit)
    assert isinstance(detect(GOOD, which, Sightings(sprayed=2, took_part=True)), Admit)


# ── replay ──


@pytest.mark.req("BY-8")
def test_a_replay_is_an_alert_about_the_user_even_where_nothing_is_looked_back_at():
    found = detect(REPLAY, DetectionRules())
    assert (raised(found), sights(found)) == ([(Rule.REPLAY, False)], [])
    assert (found.reason, alerts(found)[0].subject) == (Reason.REPLAYED_CODE, "alice")


@pytest.mark.req("BY-8")
def test_a_blocking_replay_shuts_that_user_out_at_that_address():
    which = rules(Action.BLOCK, Rule.REPLAY)
    assert detect(GOOD, which, Sightings(replayed=True)).reason is Reason.SUSPICIOUS
    assert isinstance(detect(GOOD, which), Admit)


# ── whoever is shut out ──


@pytest.mark.req("SF-8")
@pytest.mark.parametrize(
    "decision", [GOOD, WRONG, REPLAY, Deny(Reason.LOCKED, 99), Deny(Reason.NOT_ENROLLED), *PENDING]
)
def test_who_is_shut_out_gets_one_answer_whatever_was_right_and_changes_no_account(decision: Decision):
    found = detect(decision, rules(Action.BLOCK), Sightings(crowd=3))
    assert found == replace(refusal(Policy(), KNOWN, Reason.SUSPICIOUS, NOW), changes=tuple(alerts(found)))
    assert raised(found) == [(Rule.CROWD, True)]


@pytest.mark.parametrize("reason", [one for one in Reason if one.disclosure is Disclosure.SILENT])
def test_who_would_hear_nothing_hears_nothing_when_shut_out_either(reason: Reason):
    found = detect(Deny(reason, changes=CHARGED[:1]), rules(Action.BLOCK), Sightings(crowd=3))
    assert (found.reason, sights(found)) == (reason, [])


def test_the_answer_reads_like_any_other_refusal():
    from gateway.core.reason import public_text

    assert public_text(Reason.SUSPICIOUS, 20) == public_text(Reason.BAD_PASSWORD, 20)


# ── others at the same moment ──


@given(st.integers(0, 5), st.integers(0, 5), st.sampled_from([GOOD, WRONG, NOBODY]), st.sampled_from(list(Action)[1:]))
def test_a_decision_stands_as_long_as_no_rule_was_reached_since(before: int, more: int, decision, action: Action):
    which = rules(action, Rule.CROWD, Rule.SPRAY)
    found = detect(decision, which, Sightings(crowd=before, sprayed=before))
    now = Sightings(crowd=before + more + 1, sprayed=before + more + 1, known=True, tried=True)
    attempt = Attempt(Login("fix", "alice", "", "", ""), Origin("c", "l", ADDRESS, 1), "main", Moment(0, NOW))

    reached_since = bool(sights(found)) and {rule for rule, _ in raised(found)} != {
        rule for rule in (Rule.CROWD, Rule.SPRAY)
        if before + more + 1 >= 3 and (rule is Rule.CROWD or decision is not GOOD)
    }  # fmt: skip
    assert overtaken(which, attempt, found.changes, now) == reached_since


# ── whatever was seen ──

seen = st.builds(
    Sightings,
    crowd=st.integers(0, 4),
    known=st.booleans(),
    sprayed=st.integers(0, 4),
    tried=st.booleans(),
    took_part=st.booleans(),
    replayed=st.booleans(),
    countries=st.frozensets(st.sampled_from(["HK", "DE", "JP"])),
)
actions = st.sampled_from(Action)
ruled = st.builds(
    DetectionRules,
    crowd=st.builds(CrowdRules, actions, st.integers(2, 4)),
    travel=st.builds(TravelRules, actions),
    spray=st.builds(SprayRules, actions, st.integers(2, 4)),
    replay=st.builds(ReplayRules, actions),
)
decisions = st.sampled_from(
    [GOOD, WRONG, REPLAY, NOBODY, Deny(Reason.LOCKED, 9), TakeOver((), frozenset({"s0"})), *PENDING]
)


@given(decisions, ruled, seen, st.sampled_from(["HK", "DE", ""]))
def test_detection_only_ever_refuses_and_says_why_in_an_alert_that_blocks(decision, which, before, country):
    found = detect(decision, which, before, country=country)
    if isinstance(found, Deny) and found.reason is Reason.SUSPICIOUS:
        assert any(alert.blocks for alert in alerts(found))
        assert {type(change) for change in found.changes} <= {Sight, RaiseAlert}
    else:
        assert type(found) is type(decision)
        assert getattr(found, "reason", None) is getattr(decision, "reason", None)


@given(decisions, ruled, seen, st.sampled_from(["HK", "DE", ""]))
def test_a_rule_that_is_off_finds_nothing_and_one_that_alarms_refuses_nobody(decision, which, before, country):
    found = detect(decision, which, before, country=country)
    modes = {Rule(name): getattr(which, name).action for name in ("crowd", "travel", "spray", "replay")}
    assert all(modes[alert.rule] is (Action.BLOCK if alert.blocks else Action.ALARM) for alert in alerts(found))
    if Action.BLOCK not in modes.values():
        assert type(found) is type(decision)
