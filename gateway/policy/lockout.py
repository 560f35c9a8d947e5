"""Failures, locks and back-off: arithmetic over records, with the time as an argument.

Pure: a function takes a record and returns the next one. Nothing here decides about a login or knows why it failed.
"""

import math
from dataclasses import replace
from ipaddress import IPv6Address, ip_address

from gateway.policy.rules import LockoutRules, LockScope
from gateway.policy.snapshot import AddressFailures, Failures

DIGESTS_KEPT = 16
"""Credentials remembered per record (BY-3): more than any threshold in use, and a bound on the row's size."""


def current(failures: Failures, rules: LockoutRules, now: float) -> Failures:
    """Return the record as it counts at `now`: a lock that is over starts a new row of failures, an old row is forgotten.

    The digests outlive a lock, so that a client that re-sends the credentials it was locked for is not locked again.
    """
    if failures.revoked or now < failures.locked_until:
        return failures
    if now - failures.last > rules.forget_after:
        return Failures()
    if failures.locked_until:
        return replace(failures, count=0, locked_until=0.0)
    return failures


def lock_left(failures: Failures, now: float) -> float:
    """Return the seconds a lock still holds: infinite when revoked (M7-11), 0 when there is none."""
    return math.inf if failures.revoked else max(0.0, failures.locked_until - now)


def backoff_left(failures: Failures, rules: LockoutRules, now: float) -> float:
    """Return the seconds until the next attempt is judged (SF-8): doubles with each failure in a row, up to the limit."""
    if not failures.count or rules.backoff_base <= 0:
        return 0.0
    doublings = min(failures.count - 1, 62)  # beyond that the limit rules anyway, and a float has an end
    pause = min(rules.backoff_base * 2.0**doublings, rules.backoff_limit)
    # A clock that was set back must not stretch the pause.
    return min(pause, max(0.0, failures.last + pause - now))


def repeated(failures: Failures, digest: bytes) -> bool:
    """Say whether these very credentials were counted already (BY-3)."""
    return bool(digest) and digest in failures.digests


def failed(failures: Failures, rules: LockoutRules, digest: bytes, now: float) -> Failures:
    """Count one failure (once per digest) and lock at the threshold (TW-5, M7-11). `failures` is `current`."""
    if repeated(failures, digest):
        return failures
    count = failures.count + 1
    locks = count >= rules.threshold
    return replace(
        noted(failures, digest, now),
        count=count,
        last=now,
        locked_until=now + rules.duration if locks and rules.duration > 0 else failures.locked_until,
        revoked=failures.revoked or (locks and rules.duration <= 0),
    )


def noted(failures: Failures, digest: bytes, now: float) -> Failures:
    """Remember credentials that were wrong, without counting a failure: the policy doesn't count this kind (M7-11)."""
    if not digest or digest in failures.digests:
        return failures
    digests = (*failures.digests, digest)[-DIGESTS_KEPT:]
    return replace(failures, digests=digests, last=failures.last if failures.count else now)


def address_left(address: AddressFailures, rules: LockoutRules, now: float) -> float:
    """Return the seconds an address is still blocked for, 0 when it has budget left."""
    if address.count < rules.address_budget:
        return 0.0
    return min(rules.address_window, max(0.0, address.since + rules.address_window - now))


def address_count(address: AddressFailures, rules: LockoutRules, now: float) -> int:
    """Return how many failures an address has within its window."""
    return address.count if 0 <= now - address.since < rules.address_window else 0


def address_failed(address: AddressFailures, rules: LockoutRules, now: float) -> AddressFailures:
    """Spend one failure of an address's budget; a window that is over (or lies in the future) starts anew."""
    if address.count and 0 <= now - address.since < rules.address_window:
        return replace(address, count=address.count + 1)
    return AddressFailures(count=1, since=now)


def address_key(address: str) -> str:
    """Return what a budget is kept under: an IPv4 address, or the /64 of an IPv6 one (a host owns all of it)."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"


def failure_source(rules: LockoutRules, address: str) -> str:
    """Return the source part of a failure record's key: "" where a lock shuts the account for everybody.

    `address` may be its key already.
    """
    return address_key(address) if rules.scope is LockScope.ACCOUNT_AND_SOURCE else ""
