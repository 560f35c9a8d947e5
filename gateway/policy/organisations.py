"""Which policy holds for whom: the house's, or that of a firm that has terms of its own (CQ-8). Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gateway.policy.rules import DetectionRules, Policy
from gateway.policy.snapshot import User

PolicyOf = Callable[[User | None], Policy]
"""Which policy a user is judged by; None is a name nobody has."""


@dataclass(frozen=True, slots=True)
class Policies:
    """A `PolicyOf`: `firms` by the name that stands with their users, `house` for everybody else.

    Invariant: what is judged before it is known whose user it is, or shows in an answer's time, is the house's in all.
    """

    house: Policy
    firms: Mapping[str, Policy] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a firm with terms that only the house can have (ValueError)."""
        for name, policy in self.firms.items():
            if _shared(policy) != _shared(self.house):
                raise ValueError(
                    f"organisation {name!r}: addresses, detection and the time of refusals are the house's"
                )

    def __call__(self, user: User | None) -> Policy:
        """Return the policy of a user."""
        return self.firms.get(user.organisation, self.house) if user else self.house

    def all(self) -> tuple[Policy, ...]:
        """Return every policy that somebody may be judged by."""
        return self.house, *self.firms.values()


def _shared(policy: Policy) -> tuple[float, int, float, DetectionRules]:
    """Return what an address spends and gives away, whoever it tries, and when a refusal leaves: it would tell whose a name is."""
    return policy.refusal_floor, policy.lockout.address_budget, policy.lockout.address_window, policy.detection
