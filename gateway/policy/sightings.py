"""What detection knows and what it adds: who was seen from where, and the alerts that follow. Values only."""

from dataclasses import dataclass, replace
from enum import Enum


class Rule(Enum):
    """What is looked for; the value is the setting, the metric's label and the audit detail."""

    CROWD = "crowd"
    """Many accounts from one address (SF-18). Its alert is about the address."""
    TRAVEL = "travel"
    """One account from two countries in a short time (SF-19). About the account."""
    SPRAY = "spray"
    """Wrong secrets for many accounts, from wherever they come (SF-20, SF-8). About everything: its subject is ""."""
    REPLAY = "replay"
    """A burnt code used again (BY-8). About the account."""

    @property
    def personal(self) -> bool:
        """Whether its alerts are about an account, whose owner and firm may know."""
        return self in {Rule.TRAVEL, Rule.REPLAY}


class Outcome(Enum):
    """How an attempt ended, as far as detection cares."""

    SEEN = "seen"
    """Nothing was proved and nothing was wrong: only the engine, or only the next step, can tell."""
    GOOD = "good"
    BAD = "bad"
    REPLAYED = "replayed"
    """Bad, by a code that was burnt already."""

    @property
    def wrong(self) -> bool:
        """Whether a secret was wrong."""
        return self in {Outcome.BAD, Outcome.REPLAYED}


@dataclass(frozen=True, slots=True)
class Sight:
    """Note that this name was seen from this address, now; `country` is the address's, "" where it has none."""

    outcome: Outcome
    country: str = ""


@dataclass(frozen=True, slots=True)
class Sightings:
    """What was seen within the window of each rule that is on, and since an alert of it was last acknowledged.

    `crowd`: names from this address, `known`: this name is one of them. `sprayed`: names that wrong secrets came for, from
    anywhere, `tried`: this name is one of them, `took_part`: this address sent one. `replayed`: a burnt code came for this
    name from this address. `countries`: from where this name logged in. Counts stop at the number their rule asks for.
    """

    crowd: int = 0
    known: bool = False
    sprayed: int = 0
    tried: bool = False
    took_part: bool = False
    replayed: bool = False
    countries: frozenset[str] = frozenset()

    def plus(self, sight: Sight) -> "Sightings":
        """Return what will be known once `sight` is noted."""
        wrong = sight.outcome.wrong
        return replace(
            self,
            crowd=self.crowd + (not self.known),
            sprayed=self.sprayed + (wrong and not self.tried),
        )


@dataclass(frozen=True, slots=True)
class RaiseAlert:
    """Raise an alert, or count up the one about the same `subject` that is not acknowledged and younger than `window` (s).

    `user` and `address` are those of the attempt at hand. `organisation` is the firm that may know of it, "" where it is
    the exchange's alone. `blocks`: logins are refused because of it.
    """

    rule: Rule
    subject: str
    user: str
    address: str
    window: float
    country: str = ""
    organisation: str = ""
    blocks: bool = False
