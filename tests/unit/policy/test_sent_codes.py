"""Codes that were sent, in the judgement of a login and of a proof: good once, in time, where the policy allows them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.reason import Reason
from gateway.policy.channels import has_second_factor, sends
from gateway.policy.decide import Admit, Decision, Deny, Evidence, NeedPassword, code_demanded, decide
from gateway.policy.links import Purpose, plan
from gateway.policy.proof import BOTH, Asked, Factor, prove
from gateway.policy.roles import Grant, Role
from gateway.policy.rules import Channel, Counted, LockoutRules, Policy, Reuse, SecondFactor, TotpRules
from gateway.policy.snapshot import BurnStep, Method, OpenSession, SentCode, SetFailures, Snapshot, SpendSent, User
from tests.unit.policy.test_decide import ALICE, DEFAULT, NOW, PHONE, STEP, attempt, code, counted, denied

DIGEST = b"the digest of 123456"
OPEN = SentCode(DIGEST, NOW + 300)
BY_MAIL = replace(ALICE, channel=Channel.EMAIL, email="alice@example.com")
BY_SMS = replace(ALICE, channel=Channel.SMS, phone="+85212345678")
NO_MAIL = Policy(channels=frozenset({Channel.APP, Channel.SMS}))
CODE, PASSWORD, NOTHING = frozenset({Factor.CODE}), frozenset({Factor.PASSWORD}), frozenset[Factor]()


def judge(
    user: User = BY_MAIL,
    *sent: SentCode,
    policy: Policy = DEFAULT,
    digest: bytes = DIGEST,
    typed: str = "123456",
    arrived: float = NOW,
    devices: tuple = (),
    password: bool | None = True,
) -> Decision:
    """Judge a login with a code whose digest is `digest`."""
    login = attempt(typed, arrived=arrived)
    evidence = Evidence(b"these", "s1", password, code=digest)
    return decide(policy, Snapshot(user, devices, sent or (OPEN,)), login, evidence, arrived)


@pytest.mark.req("HK-2", "SF-1")
@pytest.mark.parametrize("user", [BY_MAIL, BY_SMS])
def test_a_sent_code_opens_a_session_and_is_spent(user: User):
    assert judge(user) == Admit((SpendSent(DIGEST), OpenSession("s1", 1800.0, 86400.0)))


def test_the_password_is_looked_at_last():
    assert judge(password=None) == NeedPassword()
    assert denied(judge(password=None, digest=b"another")).reason is Reason.BAD_CODE


@pytest.mark.req("HK-2", "SF-8", "M7-11")
@pytest.mark.parametrize(
    ("sent", "digest", "reason"),
    [
        (OPEN, b"another", Reason.BAD_CODE),
        (OPEN, b"", Reason.BAD_CODE),
        (replace(OPEN, used=True), DIGEST, Reason.REPLAYED_CODE),
        (replace(OPEN, expires=NOW), DIGEST, Reason.STALE_CODE),
    ],
)
def test_a_wrong_used_or_old_one_is_a_failed_attempt(sent: SentCode, digest: bytes, reason: Reason):
    decision = denied(judge(BY_MAIL, sent, digest=digest))
    assert (decision.reason, counted(decision)) == (reason, 1)


def test_without_a_code_there_is_none():
    assert denied(judge(typed="")).reason is Reason.MISSING_CODE


@pytest.mark.req("BY-4")
def test_a_sent_code_is_judged_when_it_arrived():
    login = attempt("123456", arrived=NOW)
    evidence = Evidence(b"these", "s1", password=True, code=DIGEST)
    late = decide(DEFAULT, Snapshot(BY_MAIL, (), (replace(OPEN, expires=NOW + 1),)), login, evidence, NOW + 60)
    assert isinstance(late, Admit)


def test_a_sent_code_is_good_once_even_where_a_step_is_not():
    reused = Policy(totp=TotpRules(reuse=Reuse.WITHIN_STEP))
    assert denied(judge(BY_MAIL, replace(OPEN, used=True), policy=reused)).reason is Reason.REPLAYED_CODE


@pytest.mark.req("SF-2", "SF-3")
def test_where_the_policy_allows_no_mail_a_mailed_code_is_no_code():
    assert denied(judge(policy=NO_MAIL)).reason is Reason.NOT_ENROLLED
    assert denied(judge(policy=NO_MAIL, devices=(PHONE,))).reason is Reason.BAD_CODE
    assert isinstance(judge(BY_SMS, policy=NO_MAIL), Admit)


@pytest.mark.req("TW-2")
def test_who_administers_others_has_an_authenticator():
    admin = replace(BY_MAIL, grant=Grant(Role.EXCHANGE_ADMIN, NOW + 86400))
    assert denied(judge(admin)).reason is Reason.NOT_ENROLLED
    assert isinstance(judge(admin, devices=(PHONE,), typed=code(), digest=b"x"), Admit)


def test_whose_channel_is_the_app_is_sent_nothing():
    assert denied(judge(replace(BY_MAIL, channel=Channel.APP))).reason is Reason.NOT_ENROLLED


def test_an_authenticator_that_is_there_still_counts():
    decision = judge(devices=(PHONE,), typed=code(), digest=b"another")
    assert isinstance(decision, Admit)
    assert decision.changes[0] == BurnStep("phone", STEP, once=True)


@pytest.mark.req("SF-4", "M7-3")
def test_who_has_chosen_a_channel_has_switched_the_second_factor_on():
    optional = Policy(second_factor=SecondFactor.OPTIONAL)
    assert code_demanded(optional, BY_MAIL, ())
    assert not code_demanded(optional, replace(BY_MAIL, email=""), ())
    assert not code_demanded(optional, replace(BY_MAIL, method=Method.PASSWORD), ())


USERS = st.builds(
    lambda channel, email, phone, grant: replace(ALICE, channel=channel, email=email, phone=phone, grant=grant),
    st.sampled_from(Channel),
    st.sampled_from(["", "a@b"]),
    st.sampled_from(["", "+1"]),
    st.sampled_from([None, Grant(Role.AUDITOR, NOW + 1)]),
)


@given(USERS, st.frozensets(st.sampled_from(Channel)), st.booleans())
def test_codes_are_sent_only_by_an_allowed_channel_to_a_registered_address(user, allowed, enrolled):
    policy, devices = Policy(channels=allowed), (replace(PHONE, confirmed=enrolled),)
    address = {Channel.EMAIL: user.email, Channel.SMS: user.phone, Channel.APP: ""}[user.channel]
    assert sends(policy, user) == (bool(address) and user.channel in allowed and user.grant is None)
    assert has_second_factor(policy, user, devices) == (enrolled or sends(policy, user))


# ── proofs ──


def proven(policy: Policy = DEFAULT, sent: SentCode = OPEN, digest: bytes = DIGEST, **asked) -> Admit | Deny:
    login, evidence = attempt("123456"), Evidence(b"these", "", password=True, code=digest)
    failures = replace(Snapshot().failures, count=2, last=NOW - 60)
    decision = prove(policy, Snapshot(BY_MAIL, (), (sent,), failures), login, evidence, NOW, Asked(**asked))
    assert not isinstance(decision, NeedPassword)
    return decision


@pytest.mark.req("HK-2", "TW-8")
def test_a_sent_code_proves_a_person_and_ends_the_failures_where_the_password_was_proved_too():
    assert SetFailures(Snapshot().failures) in proven(factors=BOTH).changes
    assert SetFailures(Snapshot().failures) in proven(factors=CODE, held=PASSWORD).changes
    assert proven(factors=CODE).changes == (SpendSent(DIGEST),)


@pytest.mark.req("TW-8", "SF-8")
def test_a_wrong_guess_at_a_form_is_a_failed_attempt():
    assert counted(proven(digest=b"another", factors=CODE, held=PASSWORD)) == 3


def test_where_codes_do_not_count_the_address_still_pays():
    policy = Policy(lockout=LockoutRules(counts=frozenset({Counted.PASSWORD})))
    decision = denied(proven(policy, digest=b"another", factors=CODE))
    assert counted(decision) == 2
    assert len(decision.changes) == 2


# ── links ──


@pytest.mark.req("HK-3")
def test_a_setup_link_asks_for_the_code_and_sets_the_password_alone():
    new = replace(BY_MAIL, password_hash="")
    found = plan(DEFAULT, new, (), Purpose.SETUP)
    assert found is not None
    assert (found.asks, found.sets) == (CODE, PASSWORD)
    assert plan(DEFAULT, BY_MAIL, (), Purpose.SETUP) is None
    not_allowed = plan(NO_MAIL, new, (), Purpose.SETUP)
    assert not_allowed is not None
    assert (not_allowed.asks, not_allowed.sets) == (NOTHING, BOTH)


@pytest.mark.req("SF-3", "M7-7", "TW-9")
def test_one_letter_box_resets_no_password():
    assert plan(DEFAULT, BY_MAIL, (), Purpose.RESET_PASSWORD) is None
    for user, confirmed in ((BY_SMS, ()), (BY_MAIL, (PHONE,))):
        found = plan(DEFAULT, user, confirmed, Purpose.RESET_PASSWORD)
        assert found is not None
        assert (found.asks, found.sets) == (CODE, PASSWORD)
