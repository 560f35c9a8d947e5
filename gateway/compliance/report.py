"""The report as values: a verdict for every row of a profile, and why. Formats are made from it, elsewhere."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from gateway.compliance.checks import CHECKS
from gateway.compliance.facts import Facts, evidence, values
from gateway.compliance.rows import Catalogue, Row
from gateway.policy.profile import Profile, violations


class Verdict(Enum):
    """What is said of a row. "Met" takes a setting or mechanism, a citing test, and no fact against it."""

    MET = "met"
    DEVIATING = "deviating"
    NOT_BUILT = "not built yet"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the report. `settings` are (name, present value); `why` is empty only where the row is met."""

    row: Row
    verdict: Verdict
    why: str
    settings: tuple[tuple[str, str], ...]
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """The whole report. `configured` is the profile the gateway runs under, `made` wall seconds since 1970."""

    profile: str
    title: str
    configured: str
    made: float
    version: str
    summary: tuple[str, ...]
    lines: tuple[Line, ...]

    @property
    def counts(self) -> Mapping[Verdict, int]:
        """How many rows have each verdict."""
        found = Counter(line.verdict for line in self.lines)
        return {verdict: found[verdict] for verdict in Verdict}

    @property
    def deviates(self) -> bool:
        """Whether any row does; what is not built yet is counted, but is no deviation of this installation."""
        return self.counts[Verdict.DEVIATING] > 0


_SUMMARY = ("users", "disabled", "locked", "revoked", "without_authenticator", "without_code", "old_passwords")
_MORE = ("live_sessions", "audit", "store_connection", "software")


def build(profile: Profile, catalogue: Catalogue, facts: Facts, version: str) -> Report:
    """Judge the configured policy and the live store by `profile`, which need not be the configured one."""
    against = _against(profile, facts)
    shown, seen = values(facts), evidence(facts)
    named = frozenset(bound.row for bound in profile.bounds)
    lines = tuple(
        _line(row, against.get(row.id, []), facts, shown, seen) for row in catalogue.concerning(profile.name, named)
    )
    summary = (*(seen[name] for name in _SUMMARY), _plain_listeners(facts), *(seen[name] for name in _MORE))
    return Report(profile.name, profile.title, facts.settings.profile, facts.now, version, summary, lines)


def _against(profile: Profile, facts: Facts) -> dict[str, list[str]]:
    """Return what breaks a bound, by row: the profile's own, and those that hold always; of the house and of each firm."""
    found: dict[str, list[str]] = {}
    for violation in violations(profile, facts.policies.house):
        found.setdefault(violation.bound.row, []).append(str(violation))
    for firm, policy in facts.policies.firms.items():
        for violation in violations(profile, policy):
            found.setdefault(violation.bound.row, []).append(f"organisation {firm}: {violation}")
    return found


def _line(row: Row, against: list[str], facts: Facts, shown: Mapping[str, str], seen: Mapping[str, str]) -> Line:
    wrong = [*against, *filter(None, (CHECKS[name](facts) for name in row.checks))]
    verdict, why = _judge(row, wrong)
    settings = tuple((name, shown[name]) for name in row.settings)
    return Line(row, verdict, why, settings, tuple(seen[name] for name in row.evidence))


def _judge(row: Row, wrong: list[str]) -> tuple[Verdict, str]:
    if row.not_applicable:
        return Verdict.NOT_APPLICABLE, row.not_applicable
    if wrong:
        unbuilt = [f"not built yet: {row.missing}"] if row.missing else []
        return Verdict.DEVIATING, "; ".join([*wrong, *unbuilt])
    if row.missing:
        return Verdict.NOT_BUILT, row.missing
    if not (row.settings or row.mechanism):
        return Verdict.NOT_BUILT, "nothing in this version is known to answer it"
    if not row.tests:
        return Verdict.NOT_BUILT, "no test proves it"
    return Verdict.MET, ""


def _plain_listeners(facts: Facts) -> str:
    plain = [one.name for one in facts.settings.listener if one.plain]
    return f"plain listeners: {', '.join(plain) or 'none'} (of {len(facts.settings.listener)})"
