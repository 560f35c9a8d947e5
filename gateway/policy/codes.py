"""What a presented code is: an authenticator's for a step (RFC 6238), or one that was sent (HK-2). Pure.

The one place that matches a code. It returns the change that makes the code unusable, or the true reason why it is not
accepted; it counts no failure and decides nothing else.
"""

import hmac
from dataclasses import dataclass

from gateway.core.reason import Reason
from gateway.core.secret import Secret
from gateway.policy import totp
from gateway.policy.snapshot import BurnStep, Device, SentCode, SpendSent

Spend = BurnStep | SpendSent
"""What makes an accepted code unusable."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """Why a code is not accepted. `drift` (steps): it was recognised as old, or as from the future."""

    reason: Reason
    drift: int | None = None


@dataclass(frozen=True, slots=True)
class Codes:
    """Where one user's codes come from: its confirmed authenticators, and what was sent to it.

    `window`: steps back that are still accepted. `once`: a step is good once, else again until its interval ends (M7-9);
    what was sent is always good once.
    """

    devices: tuple[Device, ...]
    sent: tuple[SentCode, ...]
    window: int
    once: bool

    def spend(self, code: Secret | None, digest: bytes, at: float) -> Spend | Wrong:
        """Return what spends `code`; `digest` is its keyed digest, `at` (wall seconds) when it arrived (BY-4)."""
        if not code:
            return Wrong(Reason.MISSING_CODE)
        return self._sent(digest, at) or self._shown(code, at)

    def _sent(self, digest: bytes, at: float) -> SpendSent | Wrong | None:
        found = next((one for one in self.sent if hmac.compare_digest(one.digest, digest)), None)
        if found is None:
            return None
        if found.used:
            return Wrong(Reason.REPLAYED_CODE)
        return SpendSent(digest) if at < found.expires else Wrong(Reason.STALE_CODE)

    def _shown(self, code: Secret, at: float) -> BurnStep | Wrong:
        window = self.window
        accepted = [f for one in self.devices if (f := totp.recognise(one, code, at, back=window, ahead=0))]
        # Why it was wrong is looked for only then: twenty more codes cost as much as the rest of a judgement.
        known = accepted or [found for one in self.devices if (found := totp.recognise(one, code, at))]
        fresh = next((found for found in accepted if self._fresh(found)), None)
        if fresh:
            return BurnStep(fresh.device.id, fresh.step, self.once)
        if accepted:
            return Wrong(Reason.REPLAYED_CODE, accepted[0].drift)
        nearest = min((found.drift for found in known), key=abs, default=None)
        stale = nearest is not None and nearest < 0
        return Wrong(Reason.STALE_CODE if stale else Reason.BAD_CODE, nearest)

    def _fresh(self, found: totp.Match) -> bool:
        if found.step not in found.device.burnt:
            return True
        return not self.once and found.drift == 0
