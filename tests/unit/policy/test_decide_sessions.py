"""What a login does to the user's other sessions: taking over, being refused beside them, waiting for them, renewing."""

from dataclasses import replace

import pytest

from gateway.core.login import Memory
from gateway.core.reason import Reason
from gateway.policy.decide import Admit, Decision, Deny, Evidence, NeedPassword, TakeOver, decide
from gateway.policy.rules import OnDuplicate, Policy, Reuse, SessionRules, TotpRules
from gateway.policy.snapshot import BurnStep, EndSession, Failures, LiveSession, Method, RenewSession, SetFailures
from tests.unit.policy.test_decide import DEFAULT, KNOWN, NOW, PHONE, STEP, attempt, denied, judge, with_user

SAME = LiveSession("old", "main/ALGO1", "node1")
OTHER = LiveSession("other", "main/ALGO9", "node2")
BUSY = replace(KNOWN, sessions=(SAME, OTHER))


def asks(**login: object) -> Decision:
    return judge(snapshot=BUSY, login=attempt(**login))


# ── force ──


@pytest.mark.req("TW-1", "M7-10")
def test_a_login_that_forces_takes_over_every_session_of_the_user_on_every_stream():
    assert asks(force=True) == TakeOver(
        (EndSession("old", Reason.REPLACED), EndSession("other", Reason.REPLACED)), frozenset({"old", "other"})
    )


def test_a_login_without_a_stream_forces_all_the_same():
    decision = judge(snapshot=replace(BUSY, memory=Memory("")), login=attempt(stream="", force=True))
    assert isinstance(decision, TakeOver)
    assert decision.older == {"old", "other"}


@pytest.mark.req("TW-1")
def test_a_login_that_wants_to_be_alone_is_refused_beside_any_session():
    assert asks(force=False) == Deny(Reason.ALREADY_LOGGED_IN)
    assert denied(judge(snapshot=replace(KNOWN, sessions=(OTHER,)), login=attempt(force=False))).changes == ()
    assert isinstance(judge(login=attempt(force=False)), Admit)


def test_a_login_that_says_nothing_takes_over_its_own_stream_alone():
    assert asks(force=None) == TakeOver((EndSession("old", Reason.REPLACED),), frozenset({"old"}))


def test_what_the_login_asks_goes_before_what_the_policy_would_do():
    policy = replace(DEFAULT, sessions=SessionRules(on_duplicate=OnDuplicate.REFUSE, max_per_user=1))
    assert isinstance(judge(policy, BUSY, attempt(force=True)), TakeOver)
    assert denied(judge(DEFAULT, BUSY, attempt(force=False))).reason is Reason.ALREADY_LOGGED_IN


def test_a_login_that_takes_nothing_over_finds_no_place_where_there_is_none():
    policy = replace(DEFAULT, sessions=SessionRules(max_per_user=1))
    assert denied(judge(policy, replace(KNOWN, sessions=(OTHER,)))).reason is Reason.TOO_MANY_SESSIONS


@pytest.mark.parametrize("force", [True, False])
@pytest.mark.parametrize("wrong", ["code", "password"])
def test_who_has_not_proved_who_it_is_neither_ends_a_session_nor_learns_of_one(force: bool, wrong: str):
    login = attempt("000000" if wrong == "code" else None, force=force)
    beside = judge(snapshot=BUSY, login=login, password=wrong != "password")
    alone = judge(login=login, password=wrong != "password")
    assert beside == alone
    assert denied(beside).reason in (Reason.BAD_CODE, Reason.BAD_PASSWORD)
    assert judge(snapshot=BUSY, login=attempt(force=force), password=None) == NeedPassword()


@pytest.mark.parametrize("force", [True, False])
def test_where_only_the_engine_can_tell_who_it_is_nobody_ends_or_sees_other_sessions(force: bool):
    external = replace(with_user(method=Method.EXTERNAL), sessions=(OTHER,))
    assert isinstance(judge(snapshot=external, login=attempt("", force=force), password=None), Admit)


def test_a_bound_certificate_is_proof_enough_to_take_over():
    external = replace(with_user(method=Method.EXTERNAL, certificates=frozenset({"ab12"})), sessions=(OTHER,))
    login = attempt("", force=True)
    login = replace(login, origin=replace(login.origin, certificate="ab12"))
    assert isinstance(judge(snapshot=external, login=login, password=None), TakeOver)


# ── leaving ──


@pytest.mark.req("BY-5")
def test_a_session_that_is_leaving_the_same_stream_is_waited_for_and_not_ordered_again():
    decision = judge(snapshot=replace(KNOWN, leaving=(SAME, OTHER)))
    assert decision == TakeOver((), frozenset({"old"}))


def test_a_login_that_forces_waits_for_all_that_are_leaving():
    decision = judge(snapshot=replace(KNOWN, leaving=(SAME, OTHER)), login=attempt(force=True))
    assert decision == TakeOver((), frozenset({"old", "other"}))


def test_a_session_that_had_its_time_to_leave_is_waited_for_no_more():
    evidence = Evidence(b"these", "s1", password=True, waited=frozenset({"old"}))
    assert isinstance(decide(DEFAULT, replace(KNOWN, leaving=(SAME,)), attempt(), evidence, NOW), Admit)


def test_a_session_that_is_leaving_takes_no_place_and_keeps_nobody_out():
    policy = replace(DEFAULT, sessions=SessionRules(max_per_user=1, on_duplicate=OnDuplicate.REFUSE))
    assert isinstance(judge(policy, replace(KNOWN, leaving=(OTHER,))), Admit)
    assert isinstance(judge(policy, replace(KNOWN, leaving=(OTHER,)), attempt(force=False)), Admit)


# ── renewing ──


def renews(session: str = "other", typed: str | None = None, **login: object):
    return replace(attempt(typed, **login), renews=session)


@pytest.mark.req("SF-9")
def test_new_credentials_on_a_live_connection_burn_the_code_and_prolong_that_session():
    assert judge(snapshot=BUSY, login=renews()) == Admit(
        (BurnStep("phone", STEP, once=True), RenewSession("other", 1800.0, 86400.0))
    )


@pytest.mark.parametrize("force", [True, False, None])
def test_a_renewal_leaves_the_other_sessions_alone_and_needs_no_place(force):
    policy = replace(DEFAULT, sessions=SessionRules(max_per_user=2, on_duplicate=OnDuplicate.REFUSE))
    assert isinstance(judge(policy, replace(BUSY, leaving=(SAME,)), renews(force=force)), Admit)


def test_a_renewal_ends_a_row_of_failures_and_a_wrong_one_is_counted():
    once = replace(BUSY, failures=Failures(1, NOW - 60))
    assert SetFailures(Failures()) in judge(snapshot=once, login=renews()).changes
    decision = denied(judge(snapshot=once, login=renews(typed="000000")))
    assert decision.reason is Reason.BAD_CODE
    assert decision.changes[-1].failures.count == 2


@pytest.mark.req("BY-8")
def test_a_used_code_renews_nothing():
    used = replace(BUSY, devices=(replace(PHONE, burnt=frozenset({STEP})),))
    assert denied(judge(snapshot=used, login=renews())).reason is Reason.REPLAYED_CODE


@pytest.mark.req("M7-9")
def test_within_its_interval_the_code_that_opened_a_session_renews_it_where_the_policy_says_so():
    used = replace(BUSY, devices=(replace(PHONE, burnt=frozenset({STEP})),))
    policy = Policy(totp=TotpRules(window=0, reuse=Reuse.WITHIN_STEP))
    assert isinstance(judge(policy, used, renews()), Admit)


def test_a_session_of_somebody_else_is_not_renewed_and_its_user_is_not_charged():
    assert judge(snapshot=BUSY, login=renews("stranger")) == Deny(Reason.NOT_LOGGED_IN)


def test_a_session_that_was_ordered_to_end_is_not_renewed():
    assert judge(snapshot=replace(KNOWN, leaving=(OTHER,)), login=renews()) == Deny(Reason.NOT_LOGGED_IN)


@pytest.mark.req("TW-12")
def test_a_renewal_is_bound_as_a_login_is():
    assert denied(judge(snapshot=BUSY, login=renews(process="ALGO2"))).reason is Reason.NOT_BOUND


@pytest.mark.req("SF-9")
def test_what_only_the_engine_could_prove_prolongs_nothing():
    external = replace(with_user(method=Method.EXTERNAL), sessions=(OTHER,))
    assert judge(snapshot=external, login=renews(typed=""), password=None) == Deny(Reason.MISSING_CODE)
