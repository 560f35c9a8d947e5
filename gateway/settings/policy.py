"""Overrides of the profile's policy: the same shape as `gateway.policy.rules`, nothing set unless asked for.

Which value holds is decided in `gateway.policy.profile`; here only the types and the sane ranges are checked.
"""

from typing import Annotated, Any

from pydantic import Field

from gateway.policy.rules import Channel, Counted, LockScope, OnDuplicate, Reuse, SecondFactor
from gateway.settings.types import Seconds, SecondsOrNone, Section, Unit


class TotpOverrides(Section):
    """One-time codes (RFC 6238)."""

    window: Annotated[int, Field(ge=0, le=2), Unit("steps")] | None = None
    """Steps back that are still accepted: each one widens what a guess may hit (M7-8: 0)."""
    reuse: Reuse | None = None
    """May one code open a second session: never (RFC 6238 §5.2) or within_step (M7-9)."""
    max_devices: Annotated[int, Field(ge=1, le=10)] | None = None
    """Authenticators per user (SF-6)."""


class LockoutOverrides(Section):
    """What failures cost."""

    threshold: Annotated[int, Field(ge=1, le=100)] | None = None
    """Failures in a row that lock the account (TW-5, M7-11)."""
    counts: frozenset[Counted] | None = Field(default=None, min_length=1)
    """Which wrong secrets count (M7-11)."""
    duration: SecondsOrNone | None = None
    """How long a lock holds; 0: until an administrator unlocks."""
    scope: LockScope | None = None
    """Whether a lock shuts the account for everybody or only for the address that failed."""
    backoff_base: SecondsOrNone | None = None
    """Wait after the first failure, doubled after each further one (SF-8); 0: no wait."""
    backoff_limit: SecondsOrNone | None = None
    """Longest such wait."""
    forget_after: Seconds | None = None
    """A failure older than this no longer counts."""


class HouseLockoutOverrides(LockoutOverrides):
    """What failures cost, those of an address too: it may try the users of any firm."""

    address_budget: Annotated[int, Field(ge=1)] | None = None
    """Failures from one address within address_window that block it (SF-8)."""
    address_window: Seconds | None = None
    """Over how long failures from one address are counted."""


class PasswordOverrides(Section):
    """Passwords that the gateway itself keeps (TW-6)."""

    min_length: Annotated[int, Field(ge=8, le=128), Unit("characters")] | None = None
    """Shortest password."""
    min_classes: Annotated[int, Field(ge=1, le=4)] | None = None
    """How many of upper case, lower case, digit and other must occur."""
    min_age: SecondsOrNone | None = None
    """How long a new password must be kept, so that the history cannot be run through."""
    max_age: SecondsOrNone | None = None
    """When a password must be changed (HK-4, M7-14); 0: it does not expire."""
    history: Annotated[int, Field(ge=0, le=50)] | None = None
    """Previous passwords that may not be chosen again (TW-7)."""


class SessionOverrides(Section):
    """How long a session lives. There is no "never" (SF-9)."""

    idle: Annotated[Seconds, Field(le=86400)] | None = None
    """Without a business message for this long the session is logged out (SF-10)."""
    lifetime: Annotated[Seconds, Field(le=604800)] | None = None
    """Longest session, busy or not; then a new login with a new code."""
    max_per_user: Annotated[int, Field(ge=1)] | None = None
    """Live sessions of one user (TW-1, SF-6)."""
    on_duplicate: OnDuplicate | None = None
    """What a good login of an identity that is logged in already does."""


class FirmPolicyOverrides(Section):
    """A firm's own terms (CQ-8): the house's unless set; a value weaker than the profile's floor is refused at start."""

    second_factor: SecondFactor | None = None
    """Whether a code is demanded of a user without an authenticator (M7-3)."""
    exemptions: bool | None = None
    """May a user's own method or own second_factor be weaker than the one above (CQ-4, HK-8, SF-4)."""
    channels: frozenset[Channel] | None = Field(default=None, min_length=1)
    """Where codes may come from: app (an authenticator), email, sms (HK-2, SF-2, SF-3)."""
    totp: TotpOverrides = TotpOverrides()
    """One-time codes."""
    lockout: LockoutOverrides = LockoutOverrides()
    """What failures cost."""
    password: PasswordOverrides = PasswordOverrides()
    """Passwords."""
    sessions: SessionOverrides = SessionOverrides()
    """How long a session lives."""

    def as_overrides(self) -> dict[str, Any]:
        """Return only what was set, nested as in the file: the shape `gateway.policy.profile.resolve` takes."""
        return self.model_dump(exclude_none=True, exclude_defaults=True)


class PolicyOverrides(FirmPolicyOverrides):
    """Every option here is the profile's unless set; a value weaker than the profile's floor is refused at start."""

    refusal_floor: Annotated[SecondsOrNone, Field(le=10)] | None = None
    """Every refusal is answered this long after its bytes arrived, so that time tells nothing."""
    lockout: HouseLockoutOverrides = HouseLockoutOverrides()
    """What failures cost."""
