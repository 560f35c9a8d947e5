"""Holds every judgement against what was seen elsewhere, whoever makes it: logins, proofs, the engine's own answer.

What the rules find is decided in `gateway.policy.detection`; where an address is, and who is told, is arranged here.
"""

from collections.abc import Iterable

from gateway.auth.parts import Parts
from gateway.core.login import Attempt
from gateway.policy.decide import Deny
from gateway.policy.detection import D, Scene
from gateway.policy.rules import Action
from gateway.policy.sightings import Outcome, RaiseAlert
from gateway.policy.snapshot import Change, Snapshot


class Lookout:
    """Stateless: everything that is known comes with the snapshot."""

    def __init__(self, parts: Parts) -> None:
        self._policy_of = parts.policy_of
        self._where = parts.where
        self._observer = parts.observer

    def judged(self, snapshot: Snapshot, attempt: Attempt, decision: D, now: float) -> D | Deny:
        """Return the decision with what is to be noted of it, or a refusal in its place; `now` is wall seconds."""
        return self._scene(snapshot, attempt, now).detect(decision)

    def noting(self, snapshot: Snapshot, attempt: Attempt, outcome: Outcome, now: float) -> tuple[Change, ...]:
        """Return what is to be noted of an attempt that somebody else decided."""
        return self._scene(snapshot, attempt, now).noting(outcome)

    def tell(self, attempt: Attempt, changes: Iterable[Change]) -> None:
        """Tell the observer of the alerts among changes that were made; `attempt` has no secrets in it."""
        for change in changes:
            if isinstance(change, RaiseAlert):
                self._observer.alerted(attempt, change)

    def _scene(self, snapshot: Snapshot, attempt: Attempt, now: float) -> Scene:
        rules = self._policy_of(None).detection
        travels = rules.travel.action is not Action.OFF
        country = self._where(attempt.origin.address) if travels else ""
        return Scene(self._policy_of(snapshot.user), rules, snapshot, attempt, country, now)
