"""Logins whose password only the engine can check (CQ-4): its answer counts as ours would.

Between our "yes" and the engine's the attempt is remembered, without its secrets. A bad answer is a failed password, a
good one ends a row of failures. An engine that was not reached judged nothing: docs/adr/0004.
"""

from collections import OrderedDict
from dataclasses import dataclass, field, replace

from gateway.auth import records
from gateway.auth.lookout import Lookout
from gateway.auth.parts import Parts
from gateway.core.login import Attempt
from gateway.core.reason import Reason
from gateway.policy import lockout
from gateway.policy.rules import Counted
from gateway.policy.sightings import Outcome
from gateway.policy.snapshot import Change, Failures, SetAddress, SetFailures, Snapshot
from gateway.store.errors import Conflict

TRIES = 8


@dataclass(frozen=True, slots=True)
class _Expected:
    attempt: Attempt
    clean: bool
    digest: bytes = field(repr=False)


class EngineAnswers:
    """Invariants: an expectation is used once; at most `limit` are kept, the oldest go first."""

    def __init__(self, parts: Parts, limit: int = 10_000) -> None:
        self._store = parts.store
        self._policy_of = parts.policy_of
        self._clock = parts.clock
        self._lookout = Lookout(parts)
        self._limit = limit
        self._expected: OrderedDict[str, _Expected] = OrderedDict()

    def expect(self, session: str, attempt: Attempt, failures: Failures, digest: bytes) -> None:
        """Remember an admitted login until the engine has answered it; `failures` are those it came after."""
        self._expected[session] = _Expected(without_secrets(attempt), failures == Failures(), digest)
        if len(self._expected) > self._limit:
            self._expected.popitem(last=False)

    async def accepted(self, session: str) -> None:
        """The engine said yes: the row of failures that the login ended is over. Raises StoreError."""
        expected = self._expected.pop(session, None)
        if expected and not expected.clean:
            await self._settle(session, expected, accepted=True)

    async def over(self, session: str, reason: Reason) -> None:
        """The session ended, or never began: where the engine said no, that is a failed password. Raises StoreError."""
        expected = self._expected.pop(session, None)
        if expected and reason is Reason.UPSTREAM_REFUSED:
            await self._settle(session, expected, accepted=False)

    async def _settle(self, session: str, expected: _Expected, *, accepted: bool) -> None:
        for _ in range(TRIES):
            now = self._clock().wall
            snapshot = await self._store.snapshot(expected.attempt, now)
            if snapshot.user is None or (accepted and snapshot.failures == Failures()):
                return
            try:
                if accepted:
                    entry = records.of_engine_answer(expected.attempt, session, now)
                    await self._store.apply(expected.attempt, snapshot, (SetFailures(Failures()),), entry, now)
                else:
                    seen = self._lookout.noting(snapshot, expected.attempt, Outcome.BAD, now)
                    changes = (*seen, *self._charge(snapshot, expected.digest, now))
                    entry = records.of_engine_refusal(expected.attempt, changes, session, now)
                    await self._store.apply(expected.attempt, snapshot, changes, entry, now)
                    self._lookout.tell(expected.attempt, changes)
            except Conflict:
                continue
            return
        raise Conflict("too many others were faster")

    def _charge(self, snapshot: Snapshot, digest: bytes, now: float) -> tuple[Change, ...]:
        rules = self._policy_of(snapshot.user).lockout
        failures = lockout.current(snapshot.failures, rules, now)
        counts = Counted.PASSWORD in rules.counts
        failures = (lockout.failed if counts else _noted)(failures, rules, digest, now)
        return SetAddress(lockout.address_failed(snapshot.address, rules, now)), SetFailures(failures)


def without_secrets(attempt: Attempt) -> Attempt:
    """Return the attempt without its password and code."""
    return replace(attempt, login=replace(attempt.login, password=None, code=None, sealed=None))


def _noted(failures: Failures, _rules: object, digest: bytes, now: float) -> Failures:
    return lockout.noted(failures, digest, now)
