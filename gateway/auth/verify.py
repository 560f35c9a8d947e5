"""Judges one login: snapshot, decision, password off the loop, one guarded transaction (docs/adr/0003).

Fail closed, and here is the one place that says so: whatever is raised, late or in doubt is Refused(UNAVAILABLE).
Every refusal leaves at the same floor after its bytes arrived, so that time tells nothing either.
"""

import math
import random
import secrets
from dataclasses import dataclass, replace

from gateway.auth import records
from gateway.auth.engine import EngineAnswers, without_secrets
from gateway.auth.lookout import Lookout
from gateway.auth.parts import Parts
from gateway.auth.quiet import Quiet
from gateway.auth.sentcodes import code_digest
from gateway.auth.turns import Turns
from gateway.core.login import Admitted, Attempt, Refused, Verdict
from gateway.core.reason import Disclosure, Reason, public_text
from gateway.core.secret import Secret
from gateway.policy.decide import (
    LOCAL,
    Admit,
    Decision,
    Deny,
    Evidence,
    NeedOpening,
    NeedPassword,
    TakeOver,
    decide,
)
from gateway.policy.lockout import address_key
from gateway.policy.sightings import Sight
from gateway.policy.snapshot import OpenSession, RenewSession, Snapshot, User
from gateway.store.errors import Conflict

_UNCHANGED = frozenset(
    {
        Reason.LOCKED,
        Reason.BACKED_OFF,
        Reason.REPEATED,
        Reason.DISABLED,
        Reason.ADDRESS_BLOCKED,
        Reason.SUSPICIOUS,
    }
)
"""Refusals that a client which reconnects by itself, or who floods a form, gets over and over: one audit row a minute is enough."""
_HELPED = frozenset({Reason.NOT_ENROLLED, Reason.MUST_CHANGE_PASSWORD})
"""Refusals the user can end in the portal, so the text names it (CQ-2)."""

_SELDOM = 0.4
"""Seconds between looks, in the end: a crowd that waits must not keep the store busy."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`tries`: how often a lost race is run again; `takeover`: seconds an older session gets to say goodbye, looked at
    every `poll` seconds, then less and less often.
    """

    tries: int = 8
    takeover: float = 2.0
    poll: float = 0.05
    race: float = 0.02


class Verifier:
    """Invariants: `verify` never raises (but for its own cancellation); a verdict admits only after its changes were
    committed; a refusal leaves no sooner than the floor.
    """

    def __init__(
        self,
        parts: Parts,
        engine: EngineAnswers,
        *,
        help_url: str = "",
        limits: Limits | None = None,
        turns: Turns | None = None,
    ) -> None:
        self._parts = parts
        self._store = parts.store
        self._clock = parts.clock
        self._policy_of = parts.policy_of
        self._lookout = Lookout(parts)
        self._engine = engine
        self._help_url = help_url
        self._limits = limits or Limits()
        self._turns = turns or Turns()
        self._quiet = Quiet()

    async def verify(self, attempt: Attempt) -> Verdict:
        """Judge `attempt` once. A refusal is returned at its floor, an admission at once."""
        hearing = _Hearing()
        try:
            hearing.floor = self._policy_of(None).refusal_floor
            verdict = await self._hear(attempt, hearing)
        except Exception as error:  # noqa: BLE001 - fail closed: any error at all is "no"
            self._parts.observer.failed("verify", error)
            verdict = self._refused(Deny(Reason.UNAVAILABLE), None)
        if isinstance(verdict, Refused):
            await self._parts.sleep(until_floor(self._clock().mono - attempt.arrived.mono, hearing.floor))
        took = self._clock().mono - attempt.arrived.mono
        reason = verdict.reason if isinstance(verdict, Refused) else None
        self._parts.observer.decided(without_secrets(attempt), reason, took, hearing.drift)
        return verdict

    async def _hear(self, attempt: Attempt, hearing: "_Hearing") -> Verdict:
        for _ in range(self._limits.tries):
            async with self._turns.turn(attempt.login.user):
                verdict = await self._judge(attempt, hearing)
            if verdict is not None:
                return verdict
            await self._until_left(
                attempt, hearing
            )  # not in our turn: after a crash all streams of a user take over at once
        raise Conflict("too many others took over")

    async def _judge(self, attempt: Attempt, hearing: "_Hearing") -> Verdict | None:
        """Return the verdict; None where older sessions are in the way and have to leave first."""
        for race in range(self._limits.tries):
            snapshot = await self._store.snapshot(attempt, self._clock().wall)
            hearing.floor = self._policy_of(snapshot.user).refusal_floor
            decision = await self._decide(attempt, snapshot, hearing)
            try:
                match decision:
                    case Admit():
                        return await self._admit(attempt, snapshot, decision, hearing)
                    case Deny():
                        hearing.drift = decision.drift
                        return await self._deny(attempt, snapshot, decision)
                    case TakeOver():
                        await self._take_over(attempt, snapshot, decision, hearing)
                        return None
                    case NeedPassword() | NeedOpening():
                        raise AssertionError("the password was opened and looked at")
            except Conflict:  # somebody else was faster: look again, not all at the same moment
                await self._parts.sleep(random.uniform(0, self._limits.race * (race + 1)))  # noqa: S311 - jitter
        raise Conflict("too many others were faster")

    async def _decide(self, attempt: Attempt, snapshot: Snapshot, hearing: "_Hearing") -> Decision:
        decision = self._ask(hearing.opened or attempt, snapshot, hearing)
        if isinstance(decision, NeedOpening):
            hearing.opened = await self._opened(attempt)
            decision = self._ask(hearing.opened, snapshot, hearing)
        if isinstance(decision, NeedPassword) and snapshot.user:
            attempt = hearing.opened or attempt
            right = await self._parts.passwords.check(snapshot.user, attempt.login.password or Secret(b""))
            hearing.passwords[snapshot.user.password_hash] = right
            decision = self._ask(attempt, snapshot, hearing)
        return decision

    def _ask(self, attempt: Attempt, snapshot: Snapshot, hearing: "_Hearing") -> Decision:
        policy, hearing.digest = self._policy_of(snapshot.user), self._digest_of(attempt, snapshot)
        right, code = hearing.password_of(snapshot.user), code_digest(self._parts.digest, snapshot, attempt)
        evidence = Evidence(hearing.digest, hearing.session, right, hearing.waited, code)
        now = self._clock().wall
        return self._lookout.judged(snapshot, attempt, decide(policy, snapshot, attempt, evidence, now), now)

    async def _opened(self, attempt: Attempt) -> Attempt:
        sealed = attempt.login.sealed
        password, code = await self._parts.envelopes.open(sealed) if sealed else (None, None)
        login = replace(attempt.login, password=password, code=code or attempt.login.code, sealed=None)
        return replace(attempt, login=login)

    def _digest_of(self, attempt: Attempt, snapshot: Snapshot) -> bytes:
        """Return what tells these credentials from others (BY-3): a new password or device makes a new attempt of old
        credentials, so that a client whose account was put right is looked at again.
        """
        login, user = attempt.login, snapshot.user
        if user is None:
            return b""
        given = (secret.reveal() if secret else b"" for secret in (login.password, login.code))
        devices = ",".join(device.id for device in snapshot.devices if device.confirmed)
        return self._parts.digest(user.id.encode(), *given, user.method.value.encode(), user.password_hash.encode(),
                            devices.encode())  # fmt: skip

    # ── what follows from a decision ──

    async def _admit(self, attempt: Attempt, snapshot: Snapshot, decision: Admit, hearing: "_Hearing") -> Verdict:
        now, user = self._clock().wall, snapshot.user
        opened = decision.changes[-1]
        if user is None or not isinstance(opened, OpenSession | RenewSession):
            raise TypeError("an admission opens or renews a session of a user")
        entry = records.of_admission(attempt, snapshot, decision, now)
        await self._store.apply(attempt, snapshot, decision.changes, entry, now)
        self._lookout.tell(without_secrets(attempt), decision.changes)
        memory = snapshot.memory
        if isinstance(opened, RenewSession):
            return Admitted(opened.id, user.name, opened.idle, opened.lifetime, memory)
        if user.method not in LOCAL:
            self._engine.expect(opened.id, attempt, snapshot.failures, hearing.digest)
        if memory.key:  # opening it moved it on by one
            memory = replace(memory, version=memory.version + 1)
        return Admitted(opened.id, user.name, opened.idle, opened.lifetime, memory)

    async def _deny(self, attempt: Attempt, snapshot: Snapshot, decision: Deny) -> Verdict:
        now = self._clock()
        kept_back: int | None = 0
        if changes_nothing(decision):
            kept_back = self._quiet.lets(kind_of(decision, attempt), now.mono)
        if kept_back is not None:
            entry = records.of_refusal(attempt, snapshot, decision, now.wall, kept_back)
            await self._store.apply(attempt, snapshot, decision.changes, entry, now.wall)
            self._lookout.tell(without_secrets(attempt), decision.changes)
        return self._refused(decision, snapshot)

    async def _take_over(self, attempt: Attempt, snapshot: Snapshot, decision: TakeOver, hearing: "_Hearing") -> None:
        hearing.older = decision.older
        if decision.changes:
            entry = records.of_takeover(attempt, decision.changes, self._clock().wall)
            await self._store.apply(attempt, snapshot, decision.changes, entry, self._clock().wall)

    async def _until_left(self, attempt: Attempt, hearing: "_Hearing") -> None:
        """Wait until the older sessions have left: their numbers are written down and the venue knows. A node that is
        gone never says so: they get their time once.
        """
        began, pause = self._clock().mono, self._limits.poll
        while self._clock().mono < began + self._limits.takeover:
            await self._parts.sleep(pause)
            later = await self._store.snapshot(attempt, self._clock().wall)
            if not any(one.id in hearing.older for one in later.leaving):
                break
            pause = min(2 * pause, _SELDOM)
        hearing.waited |= hearing.older

    def _refused(self, decision: Deny, snapshot: Snapshot | None) -> Refused:
        reason = decision.reason
        help_url = self._help_url if reason in _HELPED else ""
        memory = snapshot.memory if snapshot and reason.disclosure is not Disclosure.SILENT else None
        return Refused(reason, public_text(reason, decision.retry_after, help_url), decision.retry_after, memory)


class _Hearing:
    """What is found out while one login is judged, over all its tries."""

    __slots__ = ("digest", "drift", "floor", "older", "opened", "passwords", "session", "waited")

    def __init__(self) -> None:
        self.session = secrets.token_hex(16)
        self.opened: Attempt | None = None
        self.passwords: dict[str, bool] = {}
        self.digest = b""
        self.floor = 0.0
        self.drift: int | None = None
        self.older: frozenset[str] = frozenset()
        self.waited: frozenset[str] = frozenset()

    def password_of(self, user: User | None) -> bool | None:
        """Return whether the password is right for the hash the user has *now*; None where nobody looked yet."""
        return self.passwords.get(user.password_hash) if user else None


def changes_nothing(decision: Deny) -> bool:
    """Say whether a refusal is one of many alike, of which not each has to be written down."""
    return decision.reason in _UNCHANGED and not any(isinstance(change, Sight) for change in decision.changes)


def kind_of(decision: Deny, attempt: Attempt) -> tuple[Reason, str, str]:
    """Return which refusals are alike. Whose name comes from an address that is shut says nothing: it may be any."""
    name = "" if decision.reason is Reason.ADDRESS_BLOCKED else attempt.login.user
    return decision.reason, name, address_key(attempt.origin.address)


def until_floor(elapsed: float, floor: float) -> float:
    """Return the seconds to wait so that a refusal leaves `floor` seconds after arrival, or at the next multiple."""
    if floor <= 0 or not math.isfinite(elapsed):
        return 0.0
    return max(1, math.ceil(elapsed / floor)) * floor - elapsed
