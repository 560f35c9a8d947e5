"""What must hold for every login, policy and history: played against a model that knows the right credentials."""

import base64
import hashlib
from dataclasses import replace

import pyotp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.login import Attempt, Login, Memory, Moment, Origin
from gateway.core.reason import Reason
from gateway.core.secret import Secret
from gateway.policy.decide import Admit, Deny, Evidence, NeedPassword, TakeOver, code_demanded, decide
from gateway.policy.rules import (
    Counted,
    LockoutRules,
    LockScope,
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
    RenewSession,
    SetAddress,
    SetFailures,
    Snapshot,
    User,
)

KEY = b"12345678901234567890"
TOTP = pyotp.TOTP(base64.b32encode(KEY).decode())
NOW = 1_800_000_010.0
STEP = int(NOW // 30)

times = st.floats(min_value=-1e4, max_value=1e4).map(lambda offset: NOW + offset)
policies = st.builds(
    Policy,
    second_factor=st.sampled_from(SecondFactor),
    exemptions=st.booleans(),
    totp=st.builds(TotpRules, window=st.integers(0, 2), reuse=st.sampled_from(Reuse)),
    lockout=st.builds(
        LockoutRules,
        threshold=st.integers(1, 4),
        counts=st.frozensets(st.sampled_from(Counted)),
        duration=st.sampled_from([0.0, 60.0, 900.0]),
        scope=st.sampled_from(LockScope),
        backoff_base=st.sampled_from([0.0, 1.0, 1e300]),
        address_budget=st.integers(1, 20),
    ),
    sessions=st.builds(SessionRules, max_per_user=st.integers(1, 3), on_duplicate=st.sampled_from(OnDuplicate)),
)
users = st.builds(
    User,
    id=st.just("u1"),
    name=st.just("alice"),
    enabled=st.booleans(),
    method=st.sampled_from(Method),
    second_factor=st.none() | st.sampled_from(SecondFactor),
    valid_from=st.none() | times,
    valid_until=st.none() | times,
    must_change=st.booleans(),
    password_changed=times,
    processes=st.sampled_from([frozenset(), frozenset({"ALGO1"}), frozenset({"ALGO1", "ALGO2"})]),
    certificates=st.sampled_from([frozenset(), frozenset({"ab"})]),
    routes=st.sampled_from([frozenset(), frozenset({"main"}), frozenset({"other"})]),
)
devices = st.builds(
    Device,
    id=st.sampled_from(["phone", "tablet"]),
    key=st.sampled_from([Secret(KEY), Secret(b"09876543210987654321"), Secret(b"short")]),
    algorithm=st.sampled_from(["SHA1", "SHA256", "MD5"]),
    confirmed=st.booleans(),
    burnt=st.frozensets(st.integers(STEP - 2, STEP + 1)),
)
snapshots = st.builds(
    Snapshot,
    user=st.none() | users,
    devices=st.lists(devices, max_size=3).map(tuple),
    failures=st.builds(
        Failures,
        count=st.integers(0, 5),
        last=times,
        locked_until=st.just(0.0) | times,
        revoked=st.booleans(),
        digests=st.sampled_from([(), (b"d",), (b"e", b"d")]),
    ),
    address=st.builds(AddressFailures, count=st.integers(0, 30), since=times),
    sessions=st.lists(
        st.builds(LiveSession, id=st.sampled_from(["a", "b"]), stream=st.sampled_from(["", "k"]), node=st.just("n")),
        max_size=3,
    ).map(tuple),
    leaving=st.lists(
        st.builds(LiveSession, id=st.sampled_from(["c", "d"]), stream=st.sampled_from(["", "k"]), node=st.just("n")),
        max_size=2,
    ).map(tuple),
    memory=st.just(Memory("k")),
)
codes = (
    st.none()
    | st.integers(STEP - 12, STEP + 12).map(lambda step: Secret(TOTP.generate_otp(step)))
    | st.binary(max_size=9).map(Secret)
)
logins = st.builds(
    Login,
    protocol=st.just("fix"),
    user=st.just("alice"),
    process=st.sampled_from(["", "ALGO1", "ALGO2"]),
    target=st.just("X"),
    version=st.just("FIX.4.4"),
    password=st.none() | st.just(Secret("right")) | st.just(Secret("")),
    code=codes,
    stream=st.sampled_from(["", "k"]),
    force=st.sampled_from([None, True, False]),
)
attempts = st.builds(
    Attempt,
    login=logins,
    origin=st.builds(
        Origin,
        connection=st.just("c"),
        listener=st.just("l"),
        address=st.just("192.0.2.7"),
        port=st.just(1),
        certificate=st.sampled_from(["", "ab", "cd"]),
    ),
    route=st.sampled_from(["main", "other"]),
    renews=st.sampled_from(["", "", "a", "c", "stranger"]),
    arrived=st.builds(Moment, mono=st.just(0.0), wall=times | st.just(NOW) | st.just(float("nan"))),
)
answers = st.sampled_from([None, True, False])


@settings(max_examples=600)
@given(policies, snapshots, attempts, answers, times)
@pytest.mark.req("M7-1", "SF-4", "M7-9")
def test_nobody_is_admitted_without_everything_the_policy_demands(policy, snapshot, attempt, password, now):
    decision = decide(policy, snapshot, attempt, Evidence(b"x", "s1", password), now)
    if not isinstance(decision, Admit | TakeOver):
        return
    user = snapshot.user
    assert user is not None
    assert user.enabled
    assert attempt.login.process in user.processes
    assert not snapshot.failures.revoked
    assert now >= snapshot.failures.locked_until
    if user.method in (Method.PASSWORD, Method.PASSWORD_TOTP):
        assert password is True
    if code_demanded(policy, user, snapshot.devices):
        assert attempt.login.code
        at = int(attempt.arrived.wall // 30)
        window = range(at - policy.totp.window, at + 1)
        assert any(attempt.login.code.reveal().decode() == code_of(device, step)
                   for device in snapshot.devices if device.confirmed
                   for step in window
                   if step not in device.burnt or (policy.totp.reuse is Reuse.WITHIN_STEP and step == at))  # fmt: skip


def code_of(device: Device, step: int) -> str | None:
    """The code by the library's own words, for the hashes it knows; None where the device can't make one."""
    if len(device.key.reveal()) < 14 or device.algorithm == "MD5":
        return None
    digest = getattr(hashlib, device.algorithm.lower())
    return pyotp.TOTP(base64.b32encode(device.key.reveal()).decode(), digest=digest).at(step * 30)


@settings(max_examples=400)
@given(policies, snapshots, attempts, answers, times)
def test_a_refusal_burns_nothing_opens_nothing_and_counts_one_at_most(policy, snapshot, attempt, password, now):
    decision = decide(policy, snapshot, attempt, Evidence(b"x", "s1", password), now)
    match decision:
        case Deny(reason, retry_after, changes):
            assert retry_after >= 0
            assert not any(isinstance(change, BurnStep | OpenSession | EndSession) for change in changes)
            for change in changes:
                if isinstance(change, SetAddress):
                    assert change.address.count in (1, snapshot.address.count + 1)
                if isinstance(change, SetFailures):
                    assert change.failures.count <= snapshot.failures.count + 1
            if reason in (Reason.ADDRESS_BLOCKED, Reason.LOCKED, Reason.REPEATED, Reason.BACKED_OFF):
                assert changes == ()
        case Admit(changes):
            granted = [change for change in changes if isinstance(change, OpenSession | RenewSession)]
            assert granted == [changes[-1]]
            assert isinstance(granted[0], RenewSession) == bool(attempt.renews)
        case TakeOver(changes, older):
            assert older
            assert {change.id for change in changes} <= older
        case NeedPassword():
            assert password is None


@given(policies, snapshots, attempts, answers, times)
@pytest.mark.req("BY-3")
def test_credentials_once_refused_for_a_wrong_factor_are_never_counted_twice(policy, snapshot, attempt, password, now):
    evidence = Evidence(b"x", "s1", password)
    first = decide(policy, snapshot, attempt, evidence, now)
    if not isinstance(first, Deny):
        return
    record = next((change.failures for change in first.changes if isinstance(change, SetFailures)), None)
    if record is None:
        return
    second = decide(policy, replace(snapshot, failures=record), attempt, evidence, now)
    assert isinstance(second, Deny)
    assert second.reason in (Reason.REPEATED, Reason.LOCKED, Reason.BACKED_OFF)
    assert second.changes == ()


@given(st.lists(st.booleans(), max_size=12))
@pytest.mark.req("M7-11", "TW-5")
def test_exactly_the_threshold_of_failures_in_a_row_locks(outcomes):
    policy = Policy(lockout=LockoutRules(threshold=3), totp=TotpRules(window=0))
    user = User("u1", "alice", processes=frozenset({"A"}), password_changed=NOW)
    snapshot = Snapshot(user, (Device("phone", Secret(KEY)),))
    row = 0
    for number, right in enumerate(outcomes):
        now = NOW + 30 * number
        login = Login("fix", "alice", "A", "X", "FIX.4.4", Secret("p"), Secret(TOTP.at(int(now))))
        attempt = Attempt(login, Origin("c", "l", "192.0.2.7", 1), "main", Moment(0.0, now))
        decision = decide(policy, snapshot, attempt, Evidence(b"%d" % number, "s", right), now)
        if row == 3:
            assert isinstance(decision, Deny)
            assert decision.reason is Reason.LOCKED
            continue
        assert isinstance(decision, Admit if right else Deny)
        row = 0 if right else row + 1
        for change in decision.changes:
            if isinstance(change, SetFailures):
                snapshot = replace(snapshot, failures=change.failures)
        assert snapshot.failures.count == row
