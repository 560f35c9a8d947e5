"""Keeps who was seen from where, and reads of it what the rules that are on ask: one statement. It judges nothing.

Rows are by address and name, known or not: as many names as an address's budget lets through, until they are pruned.
"""

from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from gateway.policy.rules import Action, DetectionRules
from gateway.policy.sightings import Outcome, Rule, Sight, Sightings
from gateway.store.database import Tx
from gateway.store.schema import alerts, sightings

LATEST = 1000
"""Wrong secrets looked at, the latest first: a flood of them must not make a good login slow."""
COUNTRIES = 8
"""Countries of one name: more say no more."""

_HERE = sightings.c.address == sa.bindparam("whence")
_NAME = sightings.c.user == sa.bindparam("name")
_COLUMNS = {
    Outcome.SEEN: ("seen",),
    Outcome.GOOD: ("seen", "good"),
    Outcome.BAD: ("seen", "bad"),
    Outcome.REPLAYED: ("seen", "bad", "replayed"),
}
_AGAIN = {
    outcome: sa.update(sightings)
    .where(_HERE, _NAME)
    .values(country=sa.bindparam("where"), **dict.fromkeys(columns, sa.bindparam("wall", type_=sa.Double)))
    for outcome, columns in _COLUMNS.items()
}
_FIRST = sa.insert(sightings)


def read_sightings(connection: sa.Connection, rules: DetectionRules, address: str, name: str, now: float) -> Sightings:
    """Return what was seen of an address and a name; where no rule looks back, or there is no address, nothing is read."""
    question = _question(rules) if address else None
    if question is None:
        return Sightings()
    windows = {f"since_{rule.value}": now - getattr(rules, rule.value).window for rule in Rule}
    row = connection.execute(question, {"whence": address, "name": name, **windows}).one()
    answers: dict[str, Any] = dict(row._mapping)  # noqa: SLF001 - its public name
    countries = answers.pop("countries", None)
    return Sightings(**answers, countries=frozenset(countries.split(",")) if countries else frozenset())


def note_sight(tx: Tx, sight: Sight, address: str, name: str, now: float) -> None:
    """Note that a name was seen from an address."""
    values = {"whence": address, "name": name, "where": sight.country, "wall": now}
    if tx.execute(_AGAIN[sight.outcome], values).rowcount == 1:
        return
    times = dict.fromkeys(("seen", "good", "bad", "replayed"), 0.0) | dict.fromkeys(_COLUMNS[sight.outcome], now)
    tx.execute(_FIRST, {"address": address, "user": name, "country": sight.country, **times})


@lru_cache(maxsize=32)
def _question(rules: DetectionRules) -> sa.Select[Any] | None:
    """Return the one statement for these rules, with one column for each field of Sightings that they need; or None."""
    columns: list[sa.ColumnElement[Any]] = []
    if rules.crowd.action is not Action.OFF:
        columns += _crowd(rules.crowd.accounts)
    if rules.spray.action is not Action.OFF:
        columns += _spray(rules.spray.accounts)
    if rules.travel.action is not Action.OFF:
        columns.append(_countries())
    if rules.replay.action is Action.BLOCK:
        replayed = _since(Rule.REPLAY, sightings.c.replayed, sa.bindparam("name"))
        columns.append(sa.exists().where(_HERE, _NAME, *replayed).label("replayed"))
    return sa.select(*columns) if columns else None


def _crowd(accounts: int) -> list[sa.ColumnElement[Any]]:
    seen = _since(Rule.CROWD, sightings.c.seen, sa.bindparam("whence"))
    names = sa.select(sightings.c.user).where(_HERE, *seen).limit(accounts)
    return [_count(names, "crowd"), sa.exists().where(_HERE, _NAME, *seen).label("known")]


def _spray(accounts: int) -> list[sa.ColumnElement[Any]]:
    bad = _since(Rule.SPRAY, sightings.c.bad, sa.literal(""))
    latest = sa.select(sightings.c.user).where(*bad).order_by(sightings.c.bad.desc()).limit(LATEST).subquery("latest")
    return [
        _count(sa.select(latest.c.user).distinct().limit(accounts), "sprayed"),
        sa.exists().where(_NAME, *bad).label("tried"),
        sa.exists().where(_HERE, *bad).label("took_part"),
    ]


def _countries() -> sa.ColumnElement[Any]:
    good = _since(Rule.TRAVEL, sightings.c.good, sa.bindparam("name"))
    each = sa.select(sightings.c.country).where(_NAME, sightings.c.country != "", *good).distinct().limit(COUNTRIES)
    joined = sa.select(sa.func.aggregate_strings(each.subquery("each").c.country, ","))
    return joined.scalar_subquery().label("countries")


def _count(rows: sa.Select[Any], label: str) -> sa.ColumnElement[Any]:
    counted = sa.select(sa.func.count()).select_from(rows.subquery(f"{label}_rows"))
    return counted.scalar_subquery().label(label)


def _since(rule: Rule, time: sa.Column[Any], subject: sa.ColumnElement[Any]) -> tuple[sa.ColumnElement[bool], ...]:
    """Return the conditions that `time` is within the rule's window, and after its last alert was acknowledged."""
    settled = sa.select(sa.func.max(alerts.c.acknowledged)).where(
        alerts.c.rule == rule.value, alerts.c.subject == subject
    )
    last = sa.func.coalesce(settled.scalar_subquery(), sa.literal(0.0, sa.Double))
    return time > sa.bindparam(f"since_{rule.value}", type_=sa.Double), time > last
