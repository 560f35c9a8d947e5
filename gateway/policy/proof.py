"""Judges whether a person is who it says, for portal and administration: the login's rules without process or session.

Pure, like `decide`: values in, a decision out. The same record of failures counts here and there, so that a form is no
second chance to guess (TW-8, SF-8). A code is good once, whatever the profile lets a login do with it.
"""

from dataclasses import dataclass, replace
from enum import Enum

from gateway.core.login import Attempt
from gateway.core.reason import Reason
from gateway.policy import lockout
from gateway.policy.channels import has_second_factor
from gateway.policy.codes import Wrong
from gateway.policy.decide import LOCAL, Admit, Case, Deny, Evidence, NeedPassword
from gateway.policy.rules import Counted, Policy
from gateway.policy.snapshot import Change, Failures, SetAddress, SetFailures, Snapshot


class Factor(Enum):
    """Something only the right person has or knows."""

    PASSWORD = "password"  # noqa: S105 - a factor
    CODE = "code"


BOTH = frozenset(Factor)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be proved, and what was `held` to be proved before. `instead`: what was given in place of a code, as
    the change that spends it, or why it is not good.
    """

    factors: frozenset[Factor] = BOTH
    held: frozenset[Factor] = frozenset()
    instead: Change | Deny | None = None


@dataclass(frozen=True, slots=True)
class Proof(Case):
    """One person's proof."""

    asked: Asked = Asked()

    def prove(self) -> NeedPassword | Admit | Deny:
        """Return what `decide` would of these factors alone; an admission's changes spend the code."""
        refusal = self._shut() or self._again()
        if refusal:
            return refusal
        spent: Change | None = None
        if Factor.CODE in self.asked.factors:
            found = self._spend()
            if isinstance(found, Deny):
                return found
            spent = found
        if Factor.PASSWORD in self.asked.factors:
            wrong = self._password() if self.user.method in LOCAL else Deny(Reason.BAD_PASSWORD)
            if wrong:
                return wrong
        return Admit(tuple(self._cleared()) + ((spent,) if spent else ()))

    def _spend(self) -> Change | Deny:
        match self.asked.instead:
            case Deny() as wrong:
                return self._fail(wrong.reason, Counted.CODE)
            case None:
                return self._typed()
            case good:
                return good

    def _typed(self) -> Change | Deny:
        if not has_second_factor(self.policy, self.user, self._devices):
            return self._fail(Reason.NOT_ENROLLED, Counted.CODE)
        found = self._find()
        return self._fail(found.reason, Counted.CODE, found.drift) if isinstance(found, Wrong) else found

    def _cleared(self) -> list[Change]:
        """A row of failures is over only where everything was proved, or one factor would buy guesses at the other."""
        whole = self.asked.factors | self.asked.held == BOTH and self.snapshot.failures != Failures()
        return [SetFailures(Failures())] if whole else []

    @property
    def _once(self) -> bool:
        return True


def prove(  # noqa: PLR0913, PLR0917 - what is judged, in the order of `decide`
    policy: Policy, snapshot: Snapshot, attempt: Attempt, evidence: Evidence, now: float, asked: Asked
) -> NeedPassword | Admit | Deny:
    """Judge a proof on what `snapshot` knows; `attempt` needs no process, stream or route. `now` is wall seconds."""
    if lockout.address_left(snapshot.address, policy.lockout, now):
        return Deny(Reason.ADDRESS_BLOCKED)
    if snapshot.user is None:
        spent = SetAddress(lockout.address_failed(snapshot.address, policy.lockout, now))
        return Deny(Reason.UNKNOWN_USER, changes=(spent,))
    known = replace(snapshot, devices=tuple(device for device in snapshot.devices if device.confirmed))
    return Proof(policy, known, attempt, evidence, now, snapshot.user, asked).prove()
