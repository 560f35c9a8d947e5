"""What the live store says, by counting in the database: no user is loaded, so that 50,000 of them take a moment.

Must not judge: `checks.py` does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gateway.policy.organisations import Policies
from gateway.policy.rules import Channel, Policy, SecondFactor
from gateway.policy.snapshot import Method
from gateway.store.audit import Event
from gateway.store.schema import audit, audit_head, bindings, devices, failures, keys, sessions, users

_LOCAL = (Method.PASSWORD.value, Method.PASSWORD_TOTP.value)
_WITH_CODE = (Method.PASSWORD_TOTP.value, Method.UPSTREAM_TOTP.value)
_EVENTS = {
    "refusals": Event.LOGIN_REFUSED,
    "unlocks": Event.USER_UNLOCKED,
    "enrolments": Event.DEVICE_ADDED,
    "replays": Event.CODE_REPLAYED,
    "alerts": Event.ALERT_RAISED,
}


@dataclass(frozen=True, slots=True)
class Survey:
    """The store at one moment. Counts of people mean enabled users, except `users` and `disabled`.

    `without_code`: those of whom no code is demanded though the gateway judges them.
    """

    users: int
    disabled: int
    locked: int
    revoked: int
    outside_dates: int
    without_authenticator: int
    without_code: int
    judged_upstream: int
    judged_elsewhere: int
    old_passwords: int
    must_change: int
    bound_certificates: int
    authenticators: int
    most_authenticators: int
    live_sessions: int
    most_sessions: int
    sealed_keys: int
    audit_rows: int
    audit_head: str
    refusals: int
    unlocks: int
    enrolments: int
    replays: int
    alerts: int
    server: "Server"


def survey(connection: sa.Connection, policies: Policies, now: float) -> Survey:
    """Count everything at `now`, wall seconds since 1970."""
    return Survey(
        **_people(connection, policies, now),
        **_devices(connection),
        **_sessions(connection, now),
        **_record(connection),
        server=server(connection),
    )


def _people(connection: sa.Connection, policies: Policies, now: float) -> dict[str, Any]:
    active = users.c.enabled.is_(True)
    known = _has(devices, devices.c.confirmed.is_(True)) | _of_each(policies, _sends)
    counted = {
        "disabled": users.c.enabled.is_(False),
        "locked": active & _has(failures, failures.c.locked_until > now),
        "revoked": active & _has(failures, failures.c.revoked.is_(True)),
        "outside_dates": active & sa.or_(users.c.valid_from > now, users.c.valid_until <= now),
        "without_authenticator": active & users.c.method.in_(_WITH_CODE) & ~known,
        "without_code": active
        & ~_of_each(policies, lambda policy: _code_demanded(policy, known))
        & (users.c.method != Method.EXTERNAL.value),
        "judged_upstream": active & (users.c.method == Method.UPSTREAM_TOTP.value),
        "judged_elsewhere": active & (users.c.method == Method.EXTERNAL.value),
        "old_passwords": active & users.c.method.in_(_LOCAL) & _of_each(policies, lambda policy: _expired(policy, now)),
        "must_change": active & users.c.must_change.is_(True),
        "bound_certificates": active & _has(bindings, bindings.c.kind == "certificate"),
    }
    columns = [sa.func.count().filter(when).label(name) for name, when in counted.items()]
    row = connection.execute(sa.select(sa.func.count().label("users"), *columns).select_from(users)).one()
    return dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it


def _has(table: sa.Table, condition: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    return users.c.id.in_(sa.select(table.c.user_id).where(condition))


def _of_each(policies: Policies, ask: Callable[[Policy], sa.ColumnElement[bool]]) -> sa.ColumnElement[bool]:
    """Ask of every user what its own policy says (CQ-8)."""
    firms = [(users.c.organisation == name, ask(policy)) for name, policy in policies.firms.items()]
    return sa.case(*firms, else_=ask(policies.house)) if firms else ask(policies.house)


def _sends(policy: Policy) -> sa.ColumnElement[bool]:
    """Ask in SQL what `gateway.policy.channels.sends` asks of one user."""
    allowed = sa.or_(
        *(
            (users.c.channel == channel.value) & (address != "")
            for channel, address in ((Channel.EMAIL, users.c.email), (Channel.SMS, users.c.phone))
            if channel in policy.channels
        ),
        sa.false(),
    )
    return allowed & users.c.role_until.is_(None)


def _code_demanded(policy: Policy, known: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Ask in SQL what `gateway.policy.decide.code_demanded` asks of one user; a test holds the two together."""
    password_only = users.c.method == Method.PASSWORD.value
    own = sa.func.coalesce(users.c.second_factor, "")
    everybody = sa.literal(policy.second_factor is SecondFactor.MANDATORY)
    mandatory = everybody | (own == SecondFactor.MANDATORY.value)
    exempt = sa.literal(policy.exemptions) & (password_only | (own == SecondFactor.OPTIONAL.value))
    return (~password_only & known) | (mandatory & ~exempt)


def _expired(policy: Policy, now: float) -> sa.ColumnElement[bool]:
    age = policy.password.max_age
    return users.c.password_changed < now - age if age else sa.false()


def _devices(connection: sa.Connection) -> dict[str, Any]:
    each = sa.select(sa.func.count().label("n")).where(devices.c.confirmed.is_(True)).group_by(devices.c.user_id)
    total, most = _sum_and_most(connection, each)
    sealed = connection.execute(sa.select(sa.func.count()).select_from(keys)).scalar_one()
    return {"authenticators": total, "most_authenticators": most, "sealed_keys": sealed}


def _sessions(connection: sa.Connection, now: float) -> dict[str, Any]:
    live = sa.and_(sessions.c.ended.is_(None), sessions.c.lease_until > now)
    each = sa.select(sa.func.count().label("n")).where(live).group_by(sessions.c.user_id)
    total, most = _sum_and_most(connection, each)
    return {"live_sessions": total, "most_sessions": most}


def _sum_and_most(connection: sa.Connection, each: sa.Select[Any]) -> tuple[int, int]:
    inner = each.subquery()
    row = connection.execute(sa.select(sa.func.sum(inner.c.n), sa.func.max(inner.c.n))).one()
    return int(row[0] or 0), int(row[1] or 0)


def _record(connection: sa.Connection) -> dict[str, Any]:
    wanted = [event.value for event in _EVENTS.values()]
    found = sa.select(audit.c.event, sa.func.count()).where(audit.c.event.in_(wanted)).group_by(audit.c.event)
    counts: dict[str, int] = {row[0]: row[1] for row in connection.execute(found)}
    head = connection.execute(sa.select(audit_head.c.count, audit_head.c.hash)).one_or_none()
    events = {name: counts.get(event.value, 0) for name, event in _EVENTS.items()}
    return {**events, "audit_rows": head[0] if head else 0, "audit_head": bytes(head[1]).hex() if head else ""}


@dataclass(frozen=True, slots=True)
class Server:
    """The database server: its version ("" for SQLite, which is none), `encrypted` None where no network lies
    between, `clock` its wall seconds since 1970, None where it has none of its own.
    """

    version: str = ""
    encrypted: bool | None = None
    clock: float | None = None


def server(connection: sa.Connection) -> Server:
    """Ask the database server about itself and about this connection."""
    if connection.dialect.name != "postgresql":
        return Server()
    version = connection.exec_driver_sql("SHOW server_version").scalar_one()
    clock = connection.exec_driver_sql("SELECT extract(epoch FROM clock_timestamp())::float8").scalar_one()
    mine = "SELECT s.ssl, inet_server_addr() IS NULL FROM pg_stat_ssl s WHERE s.pid = pg_backend_pid()"
    encrypted, local = connection.exec_driver_sql(mine).one()
    return Server(str(version).split()[0], None if local else bool(encrypted), clock)
