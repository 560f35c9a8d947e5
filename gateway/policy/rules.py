"""Every setting the policy knows, as plain values. Durations are seconds; there is no "never" (SF-9)."""

from dataclasses import dataclass, field
from enum import Enum


class Reuse(Enum):
    """May one code open a second session?"""

    NEVER = "never"
    """RFC 6238 §5.2: a code is good once, on all nodes."""
    WITHIN_STEP = "within_step"
    """M7-9: the same code is good again until its interval ends."""


class SecondFactor(Enum):
    """M7-3: is a code demanded of a user without an authenticator?"""

    OPTIONAL = "optional"
    MANDATORY = "mandatory"


class Channel(Enum):
    """HK-2: where a user's codes come from."""

    APP = "app"
    """Its own authenticator makes them."""
    EMAIL = "email"
    """They are sent to its registered address: no second factor to the SFC (SF-2, SF-3)."""
    SMS = "sms"


class Counted(Enum):
    """M7-11: which wrong secrets count as failed attempts."""

    PASSWORD = "password"  # noqa: S105 - a kind of failure
    CODE = "code"


class LockScope(Enum):
    """Whether a lock shuts the account for everybody, or only for the address that failed."""

    ACCOUNT = "account"
    ACCOUNT_AND_SOURCE = "account+source"


class Action(Enum):
    """What a rule of detection does where it finds something (SF-18, SF-19, SF-20)."""

    OFF = "off"
    ALARM = "alarm"
    BLOCK = "block"
    """Alarm, and refuse."""


class OnDuplicate(Enum):
    """What a good login of an identity that is logged in already does."""

    REPLACE = "replace"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class TotpRules:
    """RFC 6238. `window`: steps back from the current one that are still accepted (M7-8: 0)."""

    window: int = 1
    reuse: Reuse = Reuse.NEVER
    max_devices: int = 3


@dataclass(frozen=True, slots=True)
class LockoutRules:
    """`threshold` failures in a row lock for `duration` (0: until an administrator unlocks, M7-11 "revoked").

    After failure n the next attempt is judged `backoff_base * 2**(n-1)` seconds later at the earliest, at most
    `backoff_limit`. `address_budget` failures within `address_window` block an address for the rest of the window.
    A failure older than `forget_after` no longer counts.
    """

    threshold: int = 5
    counts: frozenset[Counted] = frozenset(Counted)
    duration: float = 900.0
    scope: LockScope = LockScope.ACCOUNT
    backoff_base: float = 0.0
    backoff_limit: float = 60.0
    address_budget: int = 50
    address_window: float = 300.0
    forget_after: float = 86400.0


@dataclass(frozen=True, slots=True)
class PasswordRules:
    """TW-6, TW-7, HK-4, M7-14. Ages in seconds, `max_age` 0: a password does not expire; none of the last `history`
    passwords may be chosen again.
    """

    min_length: int = 12
    min_classes: int = 3
    min_age: float = 0.0
    max_age: float = 90 * 86400.0
    history: int = 3


@dataclass(frozen=True, slots=True)
class SessionRules:
    """`idle` counts business messages only (SF-10); `lifetime` is absolute; both end in a forced logout."""

    idle: float = 1800.0
    lifetime: float = 86400.0
    max_per_user: int = 8
    on_duplicate: OnDuplicate = OnDuplicate.REPLACE


@dataclass(frozen=True, slots=True)
class CrowdRules:
    """Many `accounts` from one address within `window` (SF-18)."""

    action: Action = Action.OFF
    accounts: int = 6
    window: float = 600.0


@dataclass(frozen=True, slots=True)
class TravelRules:
    """One account logged in from two countries within `window` (SF-19)."""

    action: Action = Action.OFF
    window: float = 14400.0


@dataclass(frozen=True, slots=True)
class SprayRules:
    """Wrong secrets for many `accounts` within `window`, from wherever they come (SF-20, SF-8)."""

    action: Action = Action.OFF
    accounts: int = 10
    window: float = 300.0


@dataclass(frozen=True, slots=True)
class ReplayRules:
    """A burnt code used again (BY-8); within `window` it is one alert."""

    action: Action = Action.ALARM
    window: float = 900.0


@dataclass(frozen=True, slots=True)
class DetectionRules:
    """What a login is held against besides its own account. `exempt`: networks (CIDR) where many people share an address:
    none is a crowd there, and no spray shuts one.
    """

    crowd: CrowdRules = field(default_factory=CrowdRules)
    travel: TravelRules = field(default_factory=TravelRules)
    spray: SprayRules = field(default_factory=SprayRules)
    replay: ReplayRules = field(default_factory=ReplayRules)
    exempt: frozenset[str] = frozenset()

    @property
    def looks_back(self) -> bool:
        """Whether any rule needs to know what was seen before; otherwise nothing is kept."""
        others = (self.crowd.action, self.travel.action, self.spray.action)
        return any(action is not Action.OFF for action in others) or self.replay.action is Action.BLOCK


@dataclass(frozen=True, slots=True)
class Policy:
    """One whole policy. `refusal_floor`: every refusal is answered this many seconds after its bytes arrived.

    `exemptions`: a user's own method "password" or own "optional" holds even where the second factor is mandatory
    (CQ-4, HK-8). Without them nobody the gateway judges gets round the code (SF-4, M7-3).
    `channels`: where codes may come from (HK-2).
    """

    second_factor: SecondFactor = SecondFactor.MANDATORY
    exemptions: bool = True
    channels: frozenset[Channel] = frozenset(Channel)
    totp: TotpRules = field(default_factory=TotpRules)
    lockout: LockoutRules = field(default_factory=LockoutRules)
    password: PasswordRules = field(default_factory=PasswordRules)
    sessions: SessionRules = field(default_factory=SessionRules)
    detection: DetectionRules = field(default_factory=DetectionRules)
    refusal_floor: float = 0.4
