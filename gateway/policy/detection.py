"""Looks at an attempt and at how it was judged, and notices what no single account shows (SF-18..20, SF-8, BY-8).

Pure: a decision goes in, and comes out as it is, with what is to be noted, or as a refusal where a rule blocks
(docs/adr/0010). Nothing here judges a secret, and a refusal of this kind is no failed one: it counts for no lock.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeVar

from gateway.core.login import Attempt
from gateway.core.reason import Disclosure, Reason
from gateway.policy.decide import (
    LOCAL,
    Admit,
    Decision,
    Deny,
    NeedOpening,
    NeedPassword,
    TakeOver,
    code_demanded,
    refusal,
)
from gateway.policy.lockout import address_key
from gateway.policy.rules import Action, DetectionRules, Policy, ReplayRules
from gateway.policy.sightings import Outcome, RaiseAlert, Rule, Sight, Sightings
from gateway.policy.snapshot import BurnStep, Change, SetAddress, Snapshot, SpendRecovery, SpendSent, UsePasskey

D = TypeVar("D", bound=Decision)
_NONE = DetectionRules(replay=ReplayRules(Action.OFF))
_SPENT = BurnStep | SpendRecovery | SpendSent | UsePasskey
"""What an admission spends where a second factor was proved."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One attempt before the rules. `policy` is the user's own, `rules` are the house's: an address is nobody's alone.

    `country` is where the address is, "" where nobody knows; `now` wall seconds.
    """

    policy: Policy
    rules: DetectionRules
    snapshot: Snapshot
    attempt: Attempt
    country: str
    now: float

    def detect(self, decision: D) -> D | Deny:
        """Return the decision with what is to be noted, or the refusal that a blocking rule puts in its place."""
        if shut := tuple(map(self._alert, self._shut())):
            return self._shut_out(decision, shut)
        sight = self._sight(decision)
        alerts = tuple(map(self._alert, self._found(decision, sight)))
        if not isinstance(decision, Deny) and any(alert.blocks for alert in alerts):
            return self._refused((Sight(Outcome.SEEN, self.country), *alerts))
        return _with((*((sight,) if sight else ()), *alerts), decision)

    def noting(self, outcome: Outcome) -> tuple[Change, ...]:
        """Return what is to be noted of an attempt whose outcome came from elsewhere: the engine's own "no"."""
        if not self._looks_back:
            return ()
        sight = Sight(outcome, self.country)
        found = by_number(self.rules, self.attempt, sight, self.snapshot.sightings.plus(sight))
        return (sight, *map(self._alert, found))

    # ── what is known before the attempt ──

    @property
    def _looks_back(self) -> bool:
        """Whether there is anything to look back at; the gateway's own console has no address."""
        return self.rules.looks_back and bool(self.attempt.origin.address)

    def _shut(self) -> Iterator[Rule]:
        """Yield the blocking rules that held before this attempt came."""
        rules, seen = self.rules, self.snapshot.sightings
        exempt = is_exempt(rules, self.attempt.origin.address)
        if rules.crowd.action is Action.BLOCK and not exempt and seen.crowd >= rules.crowd.accounts:
            yield Rule.CROWD
        if (
            rules.spray.action is Action.BLOCK
            and not exempt
            and seen.took_part
            and seen.sprayed >= rules.spray.accounts
        ):
            yield Rule.SPRAY
        if rules.replay.action is Action.BLOCK and seen.replayed:
            yield Rule.REPLAY

    # ── what it adds ──

    def _sight(self, decision: Decision) -> Sight | None:
        """Return what the attempt shows; None where it shows nothing yet, or nothing that costs an address anything."""
        outcome = self._outcome(decision) if self._looks_back else None
        return Sight(outcome, self.country) if outcome else None

    def _outcome(self, decision: Decision) -> Outcome | None:
        match decision:
            case NeedPassword() | NeedOpening():
                return None
            case Deny(reason=Reason.REPLAYED_CODE):
                return Outcome.REPLAYED
            case Deny():
                # Names that nobody has are kept, too: as many as the address's own budget lets through.
                charged = any(isinstance(change, SetAddress) for change in decision.changes)
                return Outcome.BAD if charged else None
            case _:
                return Outcome.GOOD if self._proved(decision) else Outcome.SEEN

    def _proved(self, decision: Decision) -> bool:
        """Say whether the gateway itself saw that it is this user: else anybody who knows a name could make it travel."""
        user = self.snapshot.user
        if user is None:
            return False
        if code_demanded(self.policy, user, self.snapshot.devices):
            spent = isinstance(decision, Admit) and any(isinstance(one, _SPENT) for one in decision.changes)
            return spent or isinstance(decision, TakeOver)
        return user.method in LOCAL or self.attempt.origin.certificate in user.certificates

    def _found(self, decision: Decision, sight: Sight | None) -> Iterator[Rule]:
        if isinstance(decision, Deny) and decision.reason is Reason.REPLAYED_CODE and self._action(Rule.REPLAY):
            yield Rule.REPLAY
        if sight is None:
            return
        yield from by_number(self.rules, self.attempt, sight, self.snapshot.sightings.plus(sight))
        travels = sight.outcome is Outcome.GOOD and bool(self._elsewhere)
        if travels and self._action(Rule.TRAVEL):
            yield Rule.TRAVEL

    @property
    def _elsewhere(self) -> frozenset[str]:
        """The other countries this name logged in from; none where this one is not known."""
        return self.snapshot.sightings.countries - {self.country} if self.country else frozenset()

    def _action(self, rule: Rule) -> bool:
        return action_of(self.rules, rule) is not Action.OFF

    # ── the answer ──

    def _shut_out(self, decision: D, alerts: tuple[RaiseAlert, ...]) -> D | Deny:
        """Whatever was right or wrong: who is shut out learns nothing, costs no hash, locks nobody and prolongs nothing."""
        silent = isinstance(decision, Deny) and decision.reason.disclosure is Disclosure.SILENT
        return _with(alerts, decision) if silent else self._refused(alerts)

    def _refused(self, changes: tuple[Change, ...]) -> Deny:
        return replace(refusal(self.policy, self.snapshot, Reason.SUSPICIOUS, self.now), changes=changes)

    def _alert(self, rule: Rule) -> RaiseAlert:
        name, address = self.attempt.login.user, self.attempt.origin.address
        subject = {Rule.CROWD: address_key(address), Rule.SPRAY: ""}.get(rule, name)
        user = self.snapshot.user
        firm = user.organisation if user and rule.personal else ""
        countries = {self.country, *self._elsewhere} if rule is Rule.TRAVEL else {self.country}
        return RaiseAlert(
            rule, subject, name, address, getattr(self.rules, rule.value).window, "+".join(sorted(countries)), firm,
            blocks=action_of(self.rules, rule) is Action.BLOCK,
        )  # fmt: skip


def _with(noted: tuple[Change, ...], decision: D) -> D:
    """Return the decision with this noted before its own changes; one that is not the last word notes nothing."""
    if not isinstance(decision, Admit | Deny):
        return decision
    return replace(decision, changes=(*noted, *decision.changes))


def action_of(rules: DetectionRules, rule: Rule) -> Action:
    """Return what a rule does."""
    action: Action = getattr(rules, rule.value).action
    return action


def by_number(rules: DetectionRules, attempt: Attempt, sight: Sight, seen: Sightings) -> Iterator[Rule]:
    """Yield the rules that count and have enough; `seen` includes `sight`."""
    crowd, spray = rules.crowd, rules.spray
    if crowd.action is not Action.OFF and seen.crowd >= crowd.accounts and not is_exempt(rules, attempt.origin.address):
        yield Rule.CROWD
    if spray.action is not Action.OFF and sight.outcome.wrong and seen.sprayed >= spray.accounts:
        yield Rule.SPRAY


def counting(rules: DetectionRules, changes: Sequence[Change]) -> DetectionRules:
    """Return of the rules those that count what these changes note: the others can't be overtaken."""
    wrong = any(isinstance(change, Sight) and change.outcome.wrong for change in changes)
    noted = any(isinstance(change, Sight) for change in changes)
    return replace(
        _NONE,
        crowd=rules.crowd if noted else _NONE.crowd,
        spray=rules.spray if wrong else _NONE.spray,
        exempt=rules.exempt,
    )


def overtaken(rules: DetectionRules, attempt: Attempt, changes: Sequence[Change], seen: Sightings) -> bool:
    """Say whether others were seen since the decision so that it would be another one now; `seen` includes its sight."""
    raised = {change.rule for change in changes if isinstance(change, RaiseAlert)}
    sights = [change for change in changes if isinstance(change, Sight)]
    return any(rule not in raised for sight in sights for rule in by_number(rules, attempt, sight, seen))


def is_exempt(rules: DetectionRules, address: str) -> bool:
    """Say whether many people share this address."""
    if not rules.exempt:
        return False
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return any((mapped or parsed) in network for network in _networks(rules.exempt))


@lru_cache(maxsize=8)
def _networks(exempt: frozenset[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(each) for each in sorted(exempt))
