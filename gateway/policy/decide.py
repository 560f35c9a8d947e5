"""The judgement of one login: values in, one decision out (docs/adr/0003-judging-a-login.md says why in this order).

Pure and total: it never raises, reads no clock, opens and hashes no password. When one has to be opened or looked at it
says so; the caller does it off the event loop and asks again with what it found. A refusal burns nothing.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.core.login import Attempt
from gateway.core.reason import Reason
from gateway.policy import lockout, totp
from gateway.policy.channels import has_second_factor, sends
from gateway.policy.codes import Codes, Spend, Wrong
from gateway.policy.rules import Counted, OnDuplicate, Policy, Reuse, SecondFactor
from gateway.policy.snapshot import (
    Change,
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

LOCAL = frozenset({Method.PASSWORD, Method.PASSWORD_TOTP})
"""The methods whose password the gateway itself checks."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the caller worked out: the keyed digest of user, password and code (BY-3), a fresh session id, and, once
    it has looked, whether the password is right. `waited`: older sessions that had their time to leave. `code`: the keyed
    digest of the code alone, as that of a sent one is kept (HK-2).
    """

    digest: bytes
    session: str
    password: bool | None = None
    waited: frozenset[str] = frozenset()
    code: bytes = b""


@dataclass(frozen=True, slots=True)
class NeedPassword:
    """Nothing speaks against the login so far: check the password, slowly, and ask again."""


@dataclass(frozen=True, slots=True)
class NeedOpening:
    """Nothing speaks against the login but what may be in its `sealed`: open that and ask again, without it."""


@dataclass(frozen=True, slots=True)
class TakeOver:
    """Everything is right, but older sessions are in the way: order the live ones to end, wait until all of `older`
    have left, and ask again. Two sessions are never open on one stream, or the older one's last numbers would be lost
    (BY-5), and the venue has to hear of an old session's end before it hears of the new one.
    """

    changes: tuple[EndSession, ...]
    older: frozenset[str]


@dataclass(frozen=True, slots=True)
class Admit:
    """Yes, if `changes` can be applied, all of them in one transaction."""

    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Deny:
    """No. `retry_after` is in whole seconds, 0 where the peer is told none. `drift` (steps) is for the log: a code
    that was recognised as old or as from the future, which tells a wrong clock from a wrong key.
    """

    reason: Reason
    retry_after: int = 0
    changes: tuple[Change, ...] = ()
    drift: int | None = None


Decision = NeedPassword | NeedOpening | TakeOver | Admit | Deny


def decide(policy: Policy, snapshot: Snapshot, attempt: Attempt, evidence: Evidence, now: float) -> Decision:
    """Judge `attempt` on what `snapshot` knows. `now` is wall seconds, for locks and records; the code is judged at
    `attempt.arrived.wall` (BY-4).
    """
    if lockout.address_left(snapshot.address, policy.lockout, now):
        return Deny(Reason.ADDRESS_BLOCKED)
    if snapshot.user is None:
        return Deny(Reason.UNKNOWN_USER, changes=_spent(policy, snapshot, now))
    return Case(policy, snapshot, attempt, evidence, now, snapshot.user).decide()


def code_demanded(policy: Policy, user: User, devices: tuple[Device, ...]) -> bool:
    """Say whether this user must present a code (M7-3, CQ-4, SF-4, HK-8); whoever administers others always (TW-2)."""
    if user.grant is not None:
        return True
    if user.method is Method.EXTERNAL:
        return False
    if user.method is not Method.PASSWORD and has_second_factor(policy, user, devices):
        return True
    if SecondFactor.MANDATORY not in (policy.second_factor, user.second_factor):
        return False
    own_choice = user.method is Method.PASSWORD or user.second_factor is SecondFactor.OPTIONAL
    return not (policy.exemptions and own_choice)


def refusal(policy: Policy, snapshot: Snapshot, reason: Reason, now: float) -> Deny:
    """Return a refusal that changes nothing and names the wait that any other one would."""
    failures = lockout.current(snapshot.failures, policy.lockout, now)
    return Deny(reason, _wait(policy, snapshot, failures, now))


def password_expired(policy: Policy, user: User, now: float) -> bool:
    """Say whether a locally checked password is older than the policy allows (HK-4, M7-14, TW-6)."""
    limit = policy.password.max_age
    return user.method in LOCAL and limit > 0 and now - user.password_changed > limit


def _spent(policy: Policy, snapshot: Snapshot, now: float) -> tuple[Change, ...]:
    return (SetAddress(lockout.address_failed(snapshot.address, policy.lockout, now)),)


def _wait(policy: Policy, snapshot: Snapshot, failures: Failures, now: float) -> int:
    """Return when to try again: one number whatever was wrong, never before the next code (BY-3)."""
    lock = lockout.lock_left(failures, now)
    pause = lockout.backoff_left(failures, policy.lockout, now)
    wait = max(0.0 if math.isinf(lock) else lock, pause)
    devices = tuple(device for device in snapshot.devices if device.confirmed)
    return max(math.ceil(wait), totp.until_next_step(devices, now))


def _ids(sessions: tuple[LiveSession, ...]) -> frozenset[str]:
    return frozenset(session.id for session in sessions)


@dataclass(frozen=True, slots=True)
class Case:
    """One known user's login. Each question answers with a Deny, or None to go on; the order is `decide`'s."""

    policy: Policy
    snapshot: Snapshot
    attempt: Attempt
    evidence: Evidence
    now: float
    user: User

    def decide(self) -> Decision:
        """Ask the questions in their order."""
        refusal = self._stranger() or self._shut() or self._sealed() or self._again() or self._detached()
        if refusal:
            return refusal
        if not code_demanded(self.policy, self.user, self.snapshot.devices):
            return self._password() or self._account(None) or self._admit(None)
        if not has_second_factor(self.policy, self.user, self._devices):
            # The peer is told that it has to enrol (CQ-2), so it proves its password first where we can tell.
            return self._password() or Deny(Reason.NOT_ENROLLED)
        found = self._find()
        if isinstance(found, Wrong):
            return self._wrong_code(found)
        return self._password() or self._account(found) or self._admit(found)

    # ── who is it? ──

    def _stranger(self) -> Deny | None:
        login, origin, user = self.attempt.login, self.attempt.origin, self.user
        bound = (
            login.process in user.processes
            and (not user.certificates or origin.certificate in user.certificates)
            and user.may_use(self.attempt.route)
        )
        # Not the user's own failure: somebody else's CompID must not lock an account (BY-3).
        return None if bound else Deny(Reason.NOT_BOUND, changes=_spent(self.policy, self.snapshot, self.now))

    def _shut(self) -> Deny | None:
        user, failures, rules = self.user, self._failures, self.policy.lockout
        early = user.valid_from is not None and self.now < user.valid_from
        late = user.valid_until is not None and self.now >= user.valid_until
        if not user.enabled or early or late:
            return self._deny(Reason.DISABLED)
        # A further attempt never extends a lock: it changes nothing.
        if lockout.lock_left(failures, self.now):
            return self._deny(Reason.LOCKED)
        if lockout.backoff_left(failures, rules, self.now):
            return self._deny(Reason.BACKED_OFF)
        return None

    def _sealed(self) -> NeedOpening | None:
        """Ask for the credentials only now: who is shut out for other reasons costs no decryption."""
        return NeedOpening() if self.attempt.login.sealed else None

    def _again(self) -> Deny | None:
        repeated = lockout.repeated(self._failures, self.evidence.digest)
        return self._deny(Reason.REPEATED) if repeated else None

    def _detached(self) -> Deny | None:
        """Refuse to renew what is over, or another user's. Whoever asks holds that connection, so it learns nothing."""
        renews = self.attempt.renews
        return None if not renews or renews in _ids(self.snapshot.sessions) else Deny(Reason.NOT_LOGGED_IN)

    # ── the code ──

    @property
    def _devices(self) -> tuple[Device, ...]:
        return tuple(device for device in self.snapshot.devices if device.confirmed)

    def _find(self) -> Spend | Wrong:
        """Return what spends the code, or the true reason why it is not accepted."""
        sent = self.snapshot.sent if sends(self.policy, self.user) else ()
        codes = Codes(self._devices, sent, self.policy.totp.window, self._once)
        return codes.spend(self.attempt.login.code, self.evidence.code, self.attempt.arrived.wall)

    @property
    def _once(self) -> bool:
        return self.policy.totp.reuse is Reuse.NEVER

    def _wrong_code(self, found: Wrong) -> Decision:
        """A wrong code ends it; but where only passwords count (M7-11, 6.15), a wrong password must still be counted."""
        if Counted.CODE not in self.policy.lockout.counts and self.user.method in LOCAL:
            return self._password() or self._fail(found.reason, Counted.CODE, found.drift)
        return self._fail(found.reason, Counted.CODE, found.drift)

    # ── the password and the account behind it ──

    def _password(self) -> NeedPassword | Deny | None:
        if self.user.method not in LOCAL:
            return None
        if not self.attempt.login.password:
            return self._fail(Reason.BAD_PASSWORD, Counted.PASSWORD)
        if self.evidence.password is None:
            return NeedPassword()
        return None if self.evidence.password else self._fail(Reason.BAD_PASSWORD, Counted.PASSWORD)

    def _account(self, spent: Spend | None) -> Deny | None:
        if self.user.must_change or password_expired(self.policy, self.user, self.now):
            return Deny(Reason.MUST_CHANGE_PASSWORD)
        if self.attempt.renews:
            # No engine sees a renewal: what only an engine could prove is not proved.
            return None if self._proved(spent) else Deny(Reason.MISSING_CODE)
        rules, force = self.policy.sessions, self._force(spent)
        replaced = self._in_the_way(self.snapshot.sessions, force)
        if replaced and rules.on_duplicate is OnDuplicate.REFUSE and force is not True:
            return Deny(Reason.ALREADY_LOGGED_IN)
        if force is False and self.snapshot.sessions:
            return Deny(Reason.ALREADY_LOGGED_IN)
        if len(self.snapshot.sessions) - len(replaced) >= rules.max_per_user:
            return Deny(Reason.TOO_MANY_SESSIONS)
        return None

    def _proved(self, spent: Spend | None) -> bool:
        """Say whether the gateway itself has seen who it is: by code, password or certificate."""
        return spent is not None or self.user.method in LOCAL or bool(self.user.certificates)

    def _force(self, spent: Spend | None) -> bool | None:
        """Return what the login may ask about other sessions: who has proved nothing here neither ends nor sees them."""
        return self.attempt.login.force if self._proved(spent) else None

    def _in_the_way(self, sessions: tuple[LiveSession, ...], force: bool | None) -> tuple[LiveSession, ...]:  # noqa: FBT001 - Login.force
        """Return the sessions that must be over before this one: all where the login takes over, else its stream's."""
        if force:
            return sessions
        key = self.snapshot.memory.key
        return tuple(session for session in sessions if self.attempt.login.stream and session.stream == key)

    # ── the answer ──

    def _admit(self, spent: Spend | None) -> TakeOver | Admit:
        if self.attempt.renews:
            return Admit(tuple(self._admission(spent)))
        force = self._force(spent)
        live = self._in_the_way(self.snapshot.sessions, force)
        leaving = _ids(self._in_the_way(self.snapshot.leaving, force)) - self.evidence.waited
        if live or leaving:
            return TakeOver(tuple(EndSession(one.id, Reason.REPLACED) for one in live), leaving | _ids(live))
        return Admit(tuple(self._admission(spent)))

    def _admission(self, spent: Spend | None) -> Iterator[Change]:
        rules, renews = self.policy.sessions, self.attempt.renews
        # Where the engine checks the password, only its good answer ends a row of failures (Authority.started).
        if self.user.method in LOCAL and self.snapshot.failures != Failures():
            yield SetFailures(Failures())
        if spent:
            yield spent
        # A session does not outlive its user's last day (HK-7).
        left = math.inf if self.user.valid_until is None else self.user.valid_until - self.now
        lifetime = min(rules.lifetime, left)
        yield (
            RenewSession(renews, rules.idle, lifetime)
            if renews
            else OpenSession(self.evidence.session, rules.idle, lifetime)
        )

    def _fail(self, reason: Reason, kind: Counted, drift: int | None = None) -> Deny:
        """Refuse and charge: always the address, and the account where the policy counts this kind."""
        rules, digest = self.policy.lockout, self.evidence.digest
        if kind in rules.counts:
            failures = lockout.failed(self._failures, rules, digest, self.now)
        else:
            failures = lockout.noted(self._failures, digest, self.now)
        changes = (*_spent(self.policy, self.snapshot, self.now), SetFailures(failures))
        return Deny(reason, _wait(self.policy, self.snapshot, failures, self.now), changes, drift)

    def _deny(self, reason: Reason) -> Deny:
        return refusal(self.policy, self.snapshot, reason, self.now)

    @property
    def _failures(self) -> Failures:
        return lockout.current(self.snapshot.failures, self.policy.lockout, self.now)
