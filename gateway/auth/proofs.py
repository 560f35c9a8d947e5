"""Proves that somebody is who it says, before it may change anything: password, code or recovery code. Fail closed.

One record of failures for logins and forms (TW-8), one answer whatever was wrong, at one floor. It opens no session.
"""

import random
from dataclasses import dataclass, field

from gateway.auth.engine import without_secrets
from gateway.auth.lookout import Lookout
from gateway.auth.parts import Parts
from gateway.auth.quiet import Quiet
from gateway.auth.records import failures_in
from gateway.auth.sentcodes import code_digest
from gateway.auth.verify import changes_nothing, kind_of, until_floor
from gateway.core.login import Attempt, Login, Moment, Origin
from gateway.core.reason import Reason, public_text
from gateway.core.secret import Secret
from gateway.policy.decide import Admit, Deny, Evidence, NeedPassword
from gateway.policy.lockout import address_count, address_failed, address_left
from gateway.policy.proof import Asked, Factor, prove
from gateway.policy.snapshot import Change, SetAddress, Snapshot, SpendRecovery, UsePasskey
from gateway.store.audit import AuditEntry, Detail, Event
from gateway.store.errors import Conflict
from gateway.store.people import RecoveryStore

TRIES = 8
_NONE: frozenset[Factor] = frozenset()


class Denied(Exception):  # noqa: N818 - what happened
    """The proof was refused. Its text is what the person may read; `reason` is the true one, for the log."""

    def __init__(self, reason: Reason, retry_after: int = 0) -> None:
        self.reason = reason
        self.retry_after = retry_after
        neutral = Reason.BAD_PASSWORD if reason is not Reason.UNAVAILABLE else reason
        super().__init__(public_text(neutral, retry_after))


@dataclass(frozen=True, slots=True)
class Signed:
    """A passkey's answer as it came, and the use it makes of the passkey; None where it is not good."""

    answer: Secret
    use: UsePasskey | None


@dataclass(frozen=True, slots=True)
class Claim:
    """What somebody gives to prove who it is; `recovery` or a `passkey` stands in for the code. `address` is where it
    comes from.
    """

    user: str
    password: Secret | None = None
    code: Secret | None = None
    recovery: Secret | None = None
    address: str = ""
    passkey: Signed | None = None


class Proofs:
    """Invariants: `prove` returns only after the code was spent in the store; a refusal leaves no sooner than the floor."""

    def __init__(self, parts: Parts, recovery: RecoveryStore) -> None:
        self._parts = parts
        self._codes = recovery
        self._lookout = Lookout(parts)
        self._quiet = Quiet()

    async def prove(
        self,
        claim: Claim,
        factors: frozenset[Factor],
        purpose: str,
        *,
        held: frozenset[Factor] = _NONE,
        arrived: Moment | None = None,
    ) -> None:
        """Prove these factors of `claim.user`. `purpose` goes into the audit record. Raises Denied.

        `held`: what the same person proved before, a moment ago. `arrived`: when the claim did; now, unless told.
        """
        arrived = arrived or self._parts.clock()
        try:
            decision = await self._hear(_Hearing(claim, factors, purpose, arrived, held))
        except Exception as error:  # noqa: BLE001 - fail closed: any error at all is "no"
            self._parts.observer.failed("prove", error)
            decision = Deny(Reason.UNAVAILABLE)
        if isinstance(decision, Deny):
            floor = self._parts.policy_of(None).refusal_floor
            await self._parts.sleep(until_floor(self._parts.clock().mono - arrived.mono, floor))
            raise Denied(decision.reason, decision.retry_after)

    async def failed_from(self, address: str) -> int:
        """Return how many failures an address has within its window, over everything that counts them."""
        arrived = self._parts.clock()
        found = await self._parts.store.snapshot(_from(address, arrived), arrived.wall)
        return address_count(found.address, self._parts.policy_of(None).lockout, arrived.wall)

    async def allow(self, entry: AuditEntry) -> bool:
        """Write down what anybody may ask for, and charge its address as for a failure: neither is without end (TW-8).

        False, and nothing was written, where the address has nothing left. Raises StoreError.
        """
        arrived, rules = self._parts.clock(), self._parts.policy_of(None).lockout
        attempt = _from(entry.address, arrived)
        for race in range(TRIES):
            snapshot = await self._parts.store.snapshot(attempt, arrived.wall)
            if address_left(snapshot.address, rules, arrived.wall):
                return False
            charge = SetAddress(address_failed(snapshot.address, rules, arrived.wall))
            try:
                await self._parts.store.apply(attempt, snapshot, (charge,), entry, arrived.wall)
            except Conflict:  # the address's first one, twice at once
                await self._parts.sleep(random.uniform(0, 0.02 * (race + 1)))  # noqa: S311 - jitter
                continue
            return True
        raise Conflict("too many others were faster")

    async def _hear(self, hearing: "_Hearing") -> Admit | Deny:
        attempt, now = hearing.attempt, hearing.arrived.wall
        for race in range(TRIES):
            snapshot = await self._parts.store.snapshot(attempt, now)
            decision = await self._decide(hearing, snapshot)
            kept_back: int | None = 0
            if isinstance(decision, Deny) and changes_nothing(decision):
                kept_back = self._quiet.lets(kind_of(decision, attempt), hearing.arrived.mono)
            if kept_back is None:
                return decision
            entry = _entry(hearing, decision, kept_back)
            try:
                await self._parts.store.apply(attempt, snapshot, decision.changes, entry, now)
                self._lookout.tell(without_secrets(attempt), decision.changes)
            except Conflict:  # somebody else was faster: look again, not all at the same moment
                await self._parts.sleep(random.uniform(0, 0.02 * (race + 1)))  # noqa: S311 - jitter
                continue
            return decision
        raise Conflict("too many others were faster")

    async def _decide(self, hearing: "_Hearing", snapshot: Snapshot) -> Admit | Deny:
        policy, instead = self._parts.policy_of(snapshot.user), await self._instead(hearing.claim, snapshot)
        for _ in range(2):
            password = hearing.passwords.get(snapshot.user.password_hash) if snapshot.user else None
            code = code_digest(self._parts.digest, snapshot, hearing.attempt)
            evidence = Evidence(self._digest(hearing.claim, snapshot), "", password, code=code)
            asked = Asked(hearing.factors, hearing.held, instead)
            proof = prove(policy, snapshot, hearing.attempt, evidence, hearing.arrived.wall, asked)
            decision = self._lookout.judged(snapshot, hearing.attempt, proof, hearing.arrived.wall)
            if not isinstance(decision, NeedPassword) or snapshot.user is None:
                break
            hashed = snapshot.user.password_hash
            given = hearing.claim.password or Secret(b"")
            hearing.passwords[hashed] = await self._parts.passwords.check(snapshot.user, given)
        if isinstance(decision, NeedPassword):
            raise AssertionError("the password was looked at")  # noqa: TRY004 - not a caller's type
        return decision

    async def _instead(self, claim: Claim, snapshot: Snapshot) -> Change | Deny | None:
        if claim.passkey is not None:
            return claim.passkey.use or Deny(Reason.BAD_CODE)
        if claim.recovery is None or snapshot.user is None:
            return None
        digest = recovery_digest(self._parts, snapshot.user.id, claim.recovery)
        good = await self._codes.is_open(snapshot.user.id, digest)
        return SpendRecovery(digest) if good else Deny(Reason.BAD_CODE)

    def _digest(self, claim: Claim, snapshot: Snapshot) -> bytes:
        """Return what tells this proof from others (BY-3)."""
        if snapshot.user is None:
            return b""
        signed = claim.passkey.answer if claim.passkey else None
        given = (one.reveal() if one else b"" for one in (claim.password, claim.code, claim.recovery, signed))
        return self._parts.digest(b"proof", snapshot.user.id.encode(), *given, snapshot.user.password_hash.encode())


@dataclass(frozen=True, slots=True)
class _Hearing:
    """One proof over all its tries; `passwords` remembers what was looked at, by hash."""

    claim: Claim
    factors: frozenset[Factor]
    purpose: str
    arrived: Moment
    held: frozenset[Factor]
    passwords: dict[str, bool] = field(default_factory=dict, repr=False)

    @property
    def attempt(self) -> Attempt:
        """Return the claim as the store and the policy take it."""
        login = Login("portal", self.claim.user, "", "", "", self.claim.password, self.claim.code)
        return Attempt(login, Origin("", "", self.claim.address, 0), "", self.arrived)


def recovery_digest(parts: Parts, user: str, code: Secret) -> bytes:
    """Return what the store holds of a recovery code; however it was typed: case, spaces and hyphens don't count."""
    typed = code.reveal().upper().replace(b"-", b"").replace(b" ", b"")
    return parts.digest(b"recovery", user.encode(), typed)


def _from(address: str, arrived: Moment) -> Attempt:
    """Return an attempt of nobody, from an address."""
    return Attempt(Login("portal", "", "", "", "", None, None), Origin("", "", address, 0), "", arrived)


def _entry(hearing: _Hearing, decision: Admit | Deny, kept_back: int) -> AuditEntry:
    """Return the entry of a proof; `kept_back` others like it have none of their own."""
    claim, now = hearing.claim, hearing.arrived.wall
    fields = ",".join(sorted(factor.value for factor in hearing.factors))
    details: dict[str, Detail] = {"purpose": hearing.purpose, "fields": fields}
    if isinstance(decision, Deny):
        details |= failures_in(decision.changes) | ({"count": kept_back} if kept_back else {})
        return AuditEntry(now, Event.PROOF_REFUSED, decision.reason, claim.user, "", claim.address, details)
    recovered = any(isinstance(change, SpendRecovery) for change in decision.changes)
    event = Event.RECOVERY_USED if recovered else Event.PROOF_GIVEN
    return AuditEntry(now, event, None, claim.user, "", claim.address, details)
