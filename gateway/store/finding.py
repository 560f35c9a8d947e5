"""Which users a listing is about: a value, and its condition in SQL. A page of ten thousand users is one statement."""

from dataclasses import dataclass
from enum import Enum

import sqlalchemy as sa

from gateway.policy.snapshot import Method
from gateway.store.schema import bindings, devices, failures, users

_LOCAL = [Method.PASSWORD.value, Method.PASSWORD_TOTP.value]
_CODED = [Method.PASSWORD_TOTP.value, Method.UPSTREAM_TOTP.value]


class Condition(Enum):
    """What a listing may be narrowed to."""

    UNFINISHED = "unfinished"
    """Has no password of its own, or no authenticator, where its method wants one; a policy may be content with less."""
    LOCKED = "locked"
    DISABLED = "disabled"
    """Or outside its dates."""
    OLD_PASSWORD = "old_password"  # noqa: S105 - a condition


@dataclass(frozen=True, slots=True)
class Which:
    """Users with `text` in name, organisation or address, whatever its case; of one organisation, where one is named; in a
    group; in a condition at wall second `now`. A password is old that was set before `old`. `names`: those alone.
    """

    text: str = ""
    organisation: str | None = None
    group: str = ""
    condition: Condition | None = None
    now: float = 0.0
    old: float = 0.0
    names: frozenset[str] | None = None


EVERYBODY = Which()


def clause(which: Which) -> sa.ColumnElement[bool]:
    """Return the condition on a row of `users`."""
    parts: list[sa.ColumnElement[bool]] = [sa.true()]
    if which.text:
        parts.append(
            sa.or_(*(_has(column, which.text) for column in (users.c.name, users.c.organisation, users.c.email)))
        )
    if which.organisation is not None:
        parts.append(users.c.organisation == which.organisation)
    if which.group:
        mine = sa.and_(bindings.c.user_id == users.c.id, bindings.c.kind == "group", bindings.c.value == which.group)
        parts.append(sa.exists().where(mine))
    if which.names is not None:
        parts.append(users.c.name.in_(sorted(which.names)))
    if which.condition is not None:
        parts.append(_condition(which.condition, which))
    return sa.and_(*parts)


def _has(column: sa.Column[str], text: str) -> sa.ColumnElement[bool]:
    """SQLite knows the small letters of ASCII alone: what was typed as it stands there is found, too."""
    return sa.or_(column.contains(text, autoescape=True), sa.func.lower(column).contains(text.lower(), autoescape=True))


def _condition(condition: Condition, which: Which) -> sa.ColumnElement[bool]:
    match condition:
        case Condition.UNFINISHED:
            confirmed = sa.exists().where(devices.c.user_id == users.c.id, devices.c.confirmed)
            coded = sa.or_(users.c.method.in_(_CODED), users.c.role_until.is_not(None))
            bare = sa.or_(users.c.password_hash == "", users.c.must_change)
            return sa.or_(sa.and_(coded, ~confirmed), sa.and_(users.c.method.in_(_LOCAL), bare))
        case Condition.LOCKED:
            shut = sa.or_(failures.c.revoked, failures.c.locked_until > which.now)
            return sa.exists().where(failures.c.user_id == users.c.id, shut)
        case Condition.DISABLED:
            early, late = users.c.valid_from > which.now, users.c.valid_until <= which.now
            return sa.or_(~users.c.enabled, sa.func.coalesce(early, sa.false()), sa.func.coalesce(late, sa.false()))
        case Condition.OLD_PASSWORD:
            kept = sa.and_(users.c.method.in_(_LOCAL), users.c.password_hash != "")
            return sa.and_(kept, users.c.password_changed < which.old)
