"""The judgement of one login, row by row. The model-based properties are in test_decide_properties.py."""

import base64
from dataclasses import replace

import pyotp
import pytest

from gateway.core.login import Attempt, Login, Memory, Moment, Origin, Sealed
from gateway.core.reason import Reason
from gateway.core.secret import Secret
from gateway.policy.decide import Admit, Decision, Deny, Evidence, NeedOpening, NeedPassword, TakeOver, decide
from gateway.policy.rules import (
    Counted,
    LockoutRules,
    OnDuplicate,
    Policy,
    Reuse,
    SecondFactor,
    SessionRules,
    TotpRules,
)
from gateway.policy.snapshot import (
    AddressFailures,
    BurnStep,
    Device,
    EndSession,
    Failures,
    LiveSession,
    Method,
    OpenSession,
    SetAddress,
    SetFailures,
    Snapshot,
    User,
)

KEY = b"12345678901234567890"
NOW = 1_800_000_010.0
"""Ten seconds into a step."""
STEP = int(NOW // 30)
PHONE = Device("phone", Secret(KEY))
ALICE = User("u1", "alice", processes=frozenset({"ALGO1"}), password_hash="$argon2id$...", password_changed=NOW)
KNOWN = Snapshot(ALICE, (PHONE,), memory=Memory("main/ALGO1", 7))
M7_615 = Policy(
    second_factor=SecondFactor.OPTIONAL,
    totp=TotpRules(window=0, reuse=Reuse.WITHIN_STEP),
    lockout=LockoutRules(counts=frozenset({Counted.PASSWORD}), duration=0),
)
M7_616 = replace(
    M7_615, second_factor=SecondFactor.MANDATORY, exemptions=False, lockout=LockoutRules(duration=0, threshold=5)
)
DEFAULT = Policy()


def code(step: int = STEP) -> str:
    """The phone's code of a step."""
    return pyotp.TOTP(base64.b32encode(KEY).decode()).generate_otp(step)


def attempt(typed: str | None = None, *, process: str = "ALGO1", arrived: float = NOW, **login: object) -> Attempt:
    """A login of alice with the phone's current code unless told otherwise ("" for none)."""
    typed = code() if typed is None else typed
    fields = {"password": Secret("right"), "code": Secret(typed) if typed else None, "stream": "ALGO1", **login}
    return Attempt(
        Login("fix", "alice", process, "EXCH", "FIX.4.4", **fields),
        Origin("c1", "fix", "192.0.2.7", 40000),
        "main",
        Moment(5.0, arrived),
    )


def judge(
    policy: Policy = DEFAULT,
    snapshot: Snapshot = KNOWN,
    login: Attempt | None = None,
    *,
    password: bool | None = True,
    digest: bytes = b"these",
    now: float = NOW,
) -> Decision:
    """Decide on a login whose password is right unless told otherwise."""
    return decide(policy, snapshot, login or attempt(), Evidence(digest, "s1", password), now)


def denied(decision: Decision) -> Deny:
    assert isinstance(decision, Deny)
    return decision


def counted(decision: Decision) -> int | None:
    """The failures in a row after the decision; None where the account's record is untouched."""
    changes = decision.changes if isinstance(decision, Deny | Admit) else ()
    return next((change.failures.count for change in changes if isinstance(change, SetFailures)), None)


def with_user(**changes: object) -> Snapshot:
    return replace(KNOWN, user=replace(ALICE, **changes))


# ── yes ──


@pytest.mark.req("M7-1", "CQ-1")
def test_user_password_and_current_code_open_a_session_and_burn_the_step():
    assert judge() == Admit((BurnStep("phone", STEP, once=True), OpenSession("s1", 1800.0, 86400.0)))


def test_the_password_is_looked_at_last_and_only_if_nothing_else_speaks_against_it():
    assert judge(password=None) == NeedPassword()
    assert denied(judge(login=attempt("000000"), password=None)).reason is Reason.BAD_CODE


def test_a_good_login_ends_a_row_of_failures():
    decision = judge(snapshot=replace(KNOWN, failures=Failures(count=2, last=NOW - 60, digests=(b"other",))))
    assert isinstance(decision, Admit)
    assert decision.changes[0] == SetFailures(Failures())


def test_where_the_engine_checks_the_password_only_its_answer_ends_a_row_of_failures():
    snapshot = replace(with_user(method=Method.UPSTREAM_TOTP), failures=Failures(count=2, last=NOW - 60))
    decision = judge(snapshot=snapshot, password=None)
    assert isinstance(decision, Admit)
    assert counted(decision) is None


@pytest.mark.req("BY-4")
def test_a_code_is_judged_when_it_arrived_however_late_it_is_looked_at():
    late = judge(M7_616, login=attempt(arrived=NOW), now=NOW + 300)
    assert isinstance(late, Admit)


@pytest.mark.req("BY-4")
def test_a_code_that_became_right_in_the_queue_is_still_wrong():
    assert denied(judge(login=attempt(code(STEP + 1)), now=NOW + 30)).reason is Reason.BAD_CODE


# ── who is it? ──


def test_an_unknown_user_costs_the_address_and_nothing_else():
    decision = denied(judge(snapshot=Snapshot()))
    assert decision == Deny(Reason.UNKNOWN_USER, changes=(SetAddress(AddressFailures(1, NOW)),))


@pytest.mark.req("SF-8")
def test_an_address_without_budget_is_refused_before_any_account_is_looked_at():
    decision = judge(snapshot=replace(KNOWN, address=AddressFailures(DEFAULT.lockout.address_budget, NOW - 1)))
    assert decision == Deny(Reason.ADDRESS_BLOCKED)


@pytest.mark.req("TW-12")
def test_somebody_elses_comp_id_is_refused_without_charging_the_account():
    decision = denied(judge(login=attempt(process="ALGO2")))
    assert (decision.reason, counted(decision)) == (Reason.NOT_BOUND, None)


def test_a_user_without_any_process_gets_in_nowhere():
    assert denied(judge(snapshot=with_user(processes=frozenset()))).reason is Reason.NOT_BOUND


@pytest.mark.req("M7-13", "TW-12")
def test_a_bound_certificate_must_be_the_one_presented():
    snapshot = with_user(certificates=frozenset({"ab12"}))
    presented = replace(attempt(), origin=replace(attempt().origin, certificate="ab12"))
    assert denied(judge(snapshot=snapshot)).reason is Reason.NOT_BOUND
    assert isinstance(judge(snapshot=snapshot, login=presented), Admit)


def test_a_bound_route_must_be_the_one_taken():
    assert denied(judge(snapshot=with_user(routes=frozenset({"other"})))).reason is Reason.NOT_BOUND
    assert isinstance(judge(snapshot=with_user(routes=frozenset({"main"}))), Admit)


@pytest.mark.req("HK-7")
@pytest.mark.parametrize("state", [{"enabled": False}, {"valid_from": NOW + 1}, {"valid_until": NOW}])
def test_a_disabled_user_or_one_outside_its_dates_is_refused_and_not_charged(state):
    decision = denied(judge(snapshot=with_user(**state)))
    assert (decision.reason, decision.changes) == (Reason.DISABLED, ())


@pytest.mark.req("HK-7")
def test_a_user_within_its_dates_gets_in():
    assert isinstance(judge(snapshot=with_user(valid_from=NOW, valid_until=NOW + 1)), Admit)


# ── locks ──


@pytest.mark.req("TW-5")
def test_a_locked_account_refuses_even_the_right_login_and_the_attempt_does_not_extend_the_lock():
    locked = replace(KNOWN, failures=Failures(count=3, last=NOW - 100, locked_until=NOW + 800))
    assert judge(snapshot=locked) == Deny(Reason.LOCKED, retry_after=800)


@pytest.mark.req("M7-11")
def test_a_revoked_user_is_told_no_time():
    decision = denied(judge(snapshot=replace(KNOWN, failures=Failures(count=5, revoked=True))))
    assert (decision.reason, decision.retry_after) == (Reason.LOCKED, 20)


@pytest.mark.req("TW-5", "M7-11")
def test_the_failure_that_reaches_the_threshold_locks():
    nearly = replace(KNOWN, failures=Failures(count=4, last=NOW - 1))
    decision = denied(judge(snapshot=nearly, password=False))
    assert decision.changes[-1] == SetFailures(
        Failures(count=5, last=NOW, locked_until=NOW + 900, digests=(b"these",)),
    )
    assert decision.retry_after == 900


@pytest.mark.req("SF-8")
def test_an_attempt_within_the_back_off_is_not_judged():
    policy = replace(DEFAULT, lockout=LockoutRules(backoff_base=60, backoff_limit=300))
    decision = judge(policy, replace(KNOWN, failures=Failures(count=1, last=NOW - 10)))
    assert decision == Deny(Reason.BACKED_OFF, retry_after=50)


@pytest.mark.req("BY-3")
def test_the_same_refused_credentials_are_not_counted_again_and_are_told_how_long_to_wait():
    seen = replace(KNOWN, failures=Failures(count=1, last=NOW - 5, digests=(b"these",)))
    assert judge(snapshot=seen, login=attempt(code(STEP - 3))) == Deny(Reason.REPEATED, retry_after=20)


@pytest.mark.req("BY-3", "M7-11")
def test_a_stale_code_that_does_not_count_is_remembered_all_the_same():
    first = denied(judge(M7_615, login=attempt(code(STEP - 3))))
    (failures,) = [change.failures for change in first.changes if isinstance(change, SetFailures)]
    again = judge(M7_615, replace(KNOWN, failures=failures), attempt(code(STEP - 3)), now=NOW + 1)
    assert (failures.count, denied(again).reason) == (0, Reason.REPEATED)


# ── the code ──


@pytest.mark.req("M7-8")
def test_under_m7_the_code_of_the_interval_that_just_ended_is_stale():
    decision = denied(judge(M7_616, login=attempt(code(STEP - 1))))
    assert (decision.reason, decision.drift, counted(decision)) == (Reason.STALE_CODE, -1, 1)


def test_by_default_the_interval_before_is_accepted_too():
    decision = judge(login=attempt(code(STEP - 1)))
    assert isinstance(decision, Admit)
    assert BurnStep("phone", STEP - 1, once=True) in decision.changes


def test_a_code_from_the_future_is_wrong_and_the_log_learns_how_far_the_clock_is_off():
    decision = denied(judge(login=attempt(code(STEP + 2))))
    assert (decision.reason, decision.drift) == (Reason.BAD_CODE, 2)


@pytest.mark.req("CQ-7")
def test_a_missing_code_is_a_failure():
    decision = denied(judge(login=attempt("")))
    assert (decision.reason, counted(decision)) == (Reason.MISSING_CODE, 1)


@pytest.mark.req("BY-8")
def test_a_burnt_code_is_a_replay():
    burnt = replace(KNOWN, devices=(replace(PHONE, burnt=frozenset({STEP})),))
    assert denied(judge(snapshot=burnt)).reason is Reason.REPLAYED_CODE


@pytest.mark.req("M7-9")
def test_under_m7_the_same_code_opens_a_second_session_within_its_interval():
    burnt = replace(KNOWN, devices=(replace(PHONE, burnt=frozenset({STEP})),))
    decision = judge(M7_616, burnt)
    assert isinstance(decision, Admit)
    assert BurnStep("phone", STEP, once=False) in decision.changes


@pytest.mark.req("M7-9")
def test_within_step_ends_with_the_interval_even_where_the_window_is_wider():
    policy = replace(DEFAULT, totp=TotpRules(window=1, reuse=Reuse.WITHIN_STEP))
    burnt = replace(KNOWN, devices=(replace(PHONE, burnt=frozenset({STEP - 1})),))
    assert denied(judge(policy, burnt, attempt(code(STEP - 1)))).reason is Reason.REPLAYED_CODE


@pytest.mark.req("SF-6")
def test_each_of_several_devices_is_good():
    other = Device("tablet", Secret(b"09876543210987654321"))
    decision = judge(snapshot=replace(KNOWN, devices=(other, PHONE)))
    assert isinstance(decision, Admit)
    assert BurnStep("phone", STEP, once=True) in decision.changes


@pytest.mark.req("M7-11")
def test_615_does_not_count_a_wrong_code_but_still_counts_the_wrong_password_beside_it():
    wrong = attempt("000000")
    assert judge(M7_615, login=wrong, password=None) == NeedPassword()
    right_password, wrong_password = judge(M7_615, login=wrong), judge(M7_615, login=wrong, password=False)
    assert (denied(right_password).reason, counted(right_password)) == (Reason.BAD_CODE, 0)
    assert (denied(wrong_password).reason, counted(wrong_password)) == (Reason.BAD_PASSWORD, 1)


@pytest.mark.req("M7-11")
def test_616_counts_a_wrong_code():
    decision = judge(M7_616, login=attempt("000000"), password=None)
    assert (denied(decision).reason, counted(decision)) == (Reason.BAD_CODE, 1)


def test_a_wrong_code_that_does_not_count_still_spends_the_addresses_budget():
    decision = denied(judge(M7_615, login=attempt("000000")))
    assert SetAddress(AddressFailures(1, NOW)) in decision.changes


# ── who needs a code? ──

NO_DEVICE = replace(KNOWN, devices=())


@pytest.mark.req("M7-3")
def test_an_optional_second_factor_is_off_until_the_user_enables_it():
    assert isinstance(judge(M7_615, NO_DEVICE, attempt("")), Admit)
    assert denied(judge(M7_615, KNOWN, attempt(""))).reason is Reason.MISSING_CODE


@pytest.mark.req("M7-3", "M7-15")
def test_one_user_may_be_told_to_enrol_where_it_is_optional_for_the_others():
    told = replace(NO_DEVICE, user=replace(ALICE, second_factor=SecondFactor.MANDATORY))
    assert denied(judge(M7_615, told)).reason is Reason.NOT_ENROLLED


@pytest.mark.req("CQ-2", "CQ-6")
def test_a_login_before_the_authenticator_is_registered_is_explained_to_whoever_has_the_password():
    assert judge(snapshot=NO_DEVICE, password=None) == NeedPassword()
    assert judge(snapshot=NO_DEVICE) == Deny(Reason.NOT_ENROLLED)
    assert denied(judge(snapshot=NO_DEVICE, password=False)).reason is Reason.BAD_PASSWORD


@pytest.mark.req("CQ-2")
def test_a_device_that_is_not_confirmed_yet_does_not_count():
    snapshot = replace(KNOWN, devices=(replace(PHONE, confirmed=False),))
    assert denied(judge(snapshot=snapshot)).reason is Reason.NOT_ENROLLED


@pytest.mark.req("CQ-4", "HK-8")
def test_a_user_of_the_old_method_needs_no_code_where_exemptions_are_allowed():
    assert isinstance(judge(snapshot=with_user(method=Method.PASSWORD), login=attempt("")), Admit)


@pytest.mark.req("SF-4", "SF-5")
@pytest.mark.parametrize("user", [{"method": Method.PASSWORD}, {"second_factor": SecondFactor.OPTIONAL}])
def test_without_exemptions_nobody_gets_round_the_code(user):
    policy = replace(DEFAULT, exemptions=False)
    assert denied(judge(policy, with_user(**user), attempt(""))).reason is Reason.MISSING_CODE
    enrolled_nowhere = replace(with_user(**user), devices=())
    assert denied(judge(policy, enrolled_nowhere, attempt(""))).reason is Reason.NOT_ENROLLED


@pytest.mark.req("CQ-4", "M7-18")
def test_where_the_engine_checks_the_password_the_gateway_checks_the_code_alone():
    upstream = with_user(method=Method.UPSTREAM_TOTP, password_hash="")
    assert isinstance(judge(snapshot=upstream, password=None), Admit)
    assert denied(judge(snapshot=upstream, login=attempt("000000"), password=None)).reason is Reason.BAD_CODE


@pytest.mark.req("CQ-4")
def test_an_external_user_is_bound_and_locked_but_not_asked():
    external = replace(with_user(method=Method.EXTERNAL), devices=())
    assert isinstance(judge(snapshot=external, login=attempt(""), password=None), Admit)
    revoked = replace(external, failures=Failures(revoked=True))
    assert denied(judge(snapshot=revoked, login=attempt(""), password=None)).reason is Reason.LOCKED


# ── the password ──


SEALED = Sealed("venue", Secret("cipher"))


@pytest.mark.req("CQ-3")
def test_what_is_sealed_is_asked_for_before_anything_in_it_is_judged():
    sealed = attempt("", password=None, sealed=SEALED)
    assert judge(login=sealed) == NeedOpening()
    assert judge(snapshot=replace(KNOWN, failures=Failures(digests=(b"these",))), login=sealed) == NeedOpening()


@pytest.mark.parametrize(
    ("snapshot", "reason"),
    [
        (replace(KNOWN, user=None), Reason.UNKNOWN_USER),
        (replace(KNOWN, address=AddressFailures(10**6, NOW)), Reason.ADDRESS_BLOCKED),
        (replace(KNOWN, failures=Failures(revoked=True)), Reason.LOCKED),
    ],
    ids=lambda value: value.key if isinstance(value, Reason) else "",
)
def test_whoever_is_refused_anyway_has_nothing_opened(snapshot, reason):
    assert denied(judge(snapshot=snapshot, login=attempt("", password=None, sealed=SEALED))).reason is reason


def test_a_wrong_password_is_counted_and_burns_nothing():
    decision = denied(judge(password=False))
    assert (decision.reason, counted(decision)) == (Reason.BAD_PASSWORD, 1)
    assert not any(isinstance(change, BurnStep) for change in decision.changes)


def test_no_password_is_a_wrong_one():
    assert denied(judge(login=attempt(password=None), password=None)).reason is Reason.BAD_PASSWORD


def test_wrong_password_and_wrong_code_wait_the_same_so_that_the_number_tells_nothing():
    waits = {
        denied(judge(password=False)).retry_after,
        denied(judge(login=attempt("000000"))).retry_after,
        denied(judge(login=attempt(code(STEP - 4)))).retry_after,
        denied(judge(login=attempt(""))).retry_after,
        denied(judge(snapshot=with_user(enabled=False))).retry_after,
    }
    assert waits == {20}


@pytest.mark.req("TW-3")
def test_an_initial_password_blocks_everything_else():
    decision = judge(snapshot=with_user(must_change=True))
    assert decision == Deny(Reason.MUST_CHANGE_PASSWORD)


@pytest.mark.req("HK-4", "M7-14", "TW-6")
def test_a_password_older_than_ninety_days_must_be_changed():
    assert isinstance(judge(snapshot=with_user(password_changed=NOW - 90 * 86400)), Admit)
    expired = judge(snapshot=with_user(password_changed=NOW - 90 * 86400 - 1))
    assert denied(expired).reason is Reason.MUST_CHANGE_PASSWORD


# ── sessions ──

SAME = LiveSession("old", "main/ALGO1", "node1")
OTHER = LiveSession("other", "main/ALGO9", "node1")


@pytest.mark.req("TW-1")
def test_the_same_stream_is_taken_over_only_after_the_older_session_was_told_to_end():
    decision = judge(snapshot=replace(KNOWN, sessions=(SAME, OTHER)))
    assert decision == TakeOver((EndSession("old", Reason.REPLACED),), frozenset({"old"}))


@pytest.mark.req("TW-1")
def test_a_policy_may_refuse_the_second_login_instead():
    policy = replace(DEFAULT, sessions=SessionRules(on_duplicate=OnDuplicate.REFUSE))
    assert judge(policy, replace(KNOWN, sessions=(SAME,))) == Deny(Reason.ALREADY_LOGGED_IN)


@pytest.mark.req("TW-1", "SF-6")
def test_a_user_has_no_more_sessions_than_the_policy_allows():
    policy = replace(DEFAULT, sessions=SessionRules(max_per_user=1))
    assert judge(policy, replace(KNOWN, sessions=(OTHER,))) == Deny(Reason.TOO_MANY_SESSIONS)
    assert isinstance(judge(policy, replace(KNOWN, sessions=(SAME,))), TakeOver)


def test_a_protocol_without_streams_replaces_nobody():
    snapshot = replace(KNOWN, sessions=(replace(SAME, stream=""),), memory=Memory(""))
    assert isinstance(judge(snapshot=snapshot, login=attempt(stream="")), Admit)


@pytest.mark.req("SF-9", "SF-10")
def test_every_session_is_opened_with_an_end():
    decision = judge()
    assert isinstance(decision, Admit)
    opened = decision.changes[-1]
    assert isinstance(opened, OpenSession)
    assert (opened.idle, opened.lifetime) == (1800.0, 86400.0)
