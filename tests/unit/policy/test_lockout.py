"""Failures, locks, back-off and address budgets as arithmetic over time."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy import lockout
from gateway.policy.rules import LockoutRules, LockScope
from gateway.policy.snapshot import AddressFailures, Failures

RULES = LockoutRules(threshold=3, duration=900)


def after(count: int, rules: LockoutRules = RULES, start: float = 1000.0) -> Failures:
    """The record after `count` different failures, a second apart."""
    failures = Failures()
    for number in range(count):
        failures = lockout.failed(failures, rules, bytes([number]), start + number)
    return failures


@pytest.mark.req("TW-5", "SF-8")
def test_the_third_failure_in_a_row_locks_for_fifteen_minutes():
    assert lockout.lock_left(after(2), 1001) == 0
    assert lockout.lock_left(after(3), 1002) == 900
    assert lockout.lock_left(after(3), 1902) == 0


@pytest.mark.req("M7-11")
def test_a_duration_of_zero_revokes_until_somebody_unlocks():
    revoked = after(3, LockoutRules(threshold=3, duration=0))
    assert lockout.lock_left(revoked, 1e12) == math.inf
    assert lockout.current(revoked, RULES, 1e12) == revoked


@pytest.mark.req("BY-3")
def test_the_same_credentials_count_once():
    once = lockout.failed(Failures(), RULES, b"same", 1.0)
    assert lockout.failed(once, RULES, b"same", 2.0) == once
    assert lockout.repeated(once, b"same")


@pytest.mark.req("BY-3")
def test_a_lock_that_is_over_starts_a_new_row_but_remembers_the_credentials():
    unlocked = lockout.current(after(3), RULES, 1902)
    assert (unlocked.count, unlocked.locked_until) == (0, 0.0)
    assert lockout.repeated(unlocked, b"\x00")


def test_a_record_is_forgotten_after_its_time():
    assert lockout.current(after(2), RULES, 1001 + RULES.forget_after) == after(2)
    assert lockout.current(after(2), RULES, 1002 + RULES.forget_after) == Failures()


@pytest.mark.req("SF-8")
def test_the_pause_doubles_with_each_failure_up_to_the_limit():
    rules = LockoutRules(threshold=100, backoff_base=1, backoff_limit=10)
    pauses = [lockout.backoff_left(after(n, rules), rules, 1000 + n - 1) for n in range(7)]
    assert pauses == [0, 1, 2, 4, 8, 10, 10]


def test_a_clock_set_back_does_not_stretch_the_pause():
    rules = LockoutRules(backoff_base=1, backoff_limit=10)
    assert lockout.backoff_left(after(1, rules), rules, 0.0) == 1


@pytest.mark.req("SF-8")
def test_an_address_that_spent_its_budget_is_blocked_for_the_rest_of_the_window():
    rules = LockoutRules(address_budget=2, address_window=300)
    address = AddressFailures()
    for now in (10.0, 20.0):
        assert lockout.address_left(address, rules, now) == 0
        address = lockout.address_failed(address, rules, now)
    assert lockout.address_left(address, rules, 30.0) == 280
    assert lockout.address_left(address, rules, 310.0) == 0
    assert lockout.address_failed(address, rules, 310.0) == AddressFailures(1, 310.0)


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unix", "unix"),
    ],
)
def test_an_ipv6_host_owns_its_whole_64(address, key):
    assert lockout.address_key(address) == key


def test_the_scope_says_whose_failures_are_counted():
    by_source = LockoutRules(scope=LockScope.ACCOUNT_AND_SOURCE)
    assert lockout.failure_source(RULES, "192.0.2.7") == ""
    assert lockout.failure_source(by_source, "192.0.2.7") == "192.0.2.7"


@given(st.lists(st.tuples(st.binary(max_size=2), st.floats(0, 800)), max_size=40), st.integers(1, 10))
def test_counts_never_go_down_until_a_lock_and_a_row_has_a_bound(attempts, threshold):
    rules = LockoutRules(threshold=threshold)
    failures, now = Failures(), 0.0
    for digest, pause in attempts:
        now += pause
        before = lockout.current(failures, rules, now)
        if lockout.lock_left(before, now):
            continue
        failures = lockout.failed(before, rules, digest, now)
        assert before.count <= failures.count <= before.count + 1
        assert (failures.count >= threshold) == (lockout.lock_left(failures, now) > 0)
        assert len(failures.digests) <= lockout.DIGESTS_KEPT
