"""Alerts of detection: raised with the login that caused them, read and acknowledged by people. It judges nothing."""

import secrets
from dataclasses import dataclass
from typing import Any, Protocol

import sqlalchemy as sa

from gateway.policy.sightings import RaiseAlert, Rule
from gateway.store.audit import AuditEntry, Detail, Event, plain
from gateway.store.database import Database, Tx
from gateway.store.errors import Conflict, NotFound
from gateway.store.ports import Actor
from gateway.store.schema import alerts


@dataclass(frozen=True, slots=True)
class Alert:
    """What detection found, how often, and whether somebody has looked at it. Times are seconds since 1970.

    `subject` is what it is about: an address, a user's name, or "" for everything. `user`, `address` and `country` are those
    of the last attempt. `organisation`: the firm that may know of it, "" where it is the exchange's alone. `blocks`:
    logins are refused because of it, until it is acknowledged or its rule's window has passed.
    """

    id: str
    rule: Rule
    subject: str
    user: str
    address: str
    country: str
    organisation: str
    blocks: bool
    first: float
    last: float
    count: int
    acknowledged: float | None = None
    acknowledged_by: str = ""


class AlertStore(Protocol):
    """What people do with alerts."""

    async def list(
        self, *, open_only: bool = False, organisation: str | None = None, limit: int = 1000
    ) -> tuple[Alert, ...]:
        """Return alerts, the latest first; those one firm may know of where it is named."""

    async def show(self, alert: str) -> Alert:
        """Return one. Raises NotFound."""

    async def acknowledge(self, alert: str, by: Actor) -> Alert:
        """Say that somebody has looked at it: what was seen until now counts no more, so a block is over (audited).

        Raises NotFound; Conflict where somebody was faster.
        """


_SAME = (
    sa.update(alerts)
    .where(
        alerts.c.rule == sa.bindparam("of"),
        alerts.c.subject == sa.bindparam("about"),
        alerts.c.acknowledged.is_(None),
        alerts.c.last > sa.bindparam("since", type_=sa.Double),
    )
    .values(
        count=alerts.c.count + 1,
        last=sa.bindparam("wall", type_=sa.Double),
        user=sa.bindparam("name"),
        address=sa.bindparam("whence"),
        country=sa.bindparam("where"),
        blocks=sa.bindparam("shuts", type_=sa.Boolean),
    )
)
_NEW = sa.insert(alerts)


def raise_alert(tx: Tx, change: RaiseAlert, now: float) -> None:
    """Count up the alert about the same, or raise (and audit) a new one.

    Call it behind the transaction's first audit row: the chain's lock orders those who raise at the same time.
    """
    subject, user, address = plain(change.subject), plain(change.user), plain(change.address)
    same = {"of": change.rule.value, "about": subject, "since": now - change.window, "wall": now}
    seen = {"name": user, "whence": address, "where": change.country, "shuts": change.blocks}
    if tx.execute(_SAME, same | seen).rowcount:
        return
    alert = Alert(
        secrets.token_hex(8), change.rule, subject, user, address, change.country, change.organisation,
        change.blocks, now, now, 1,
    )  # fmt: skip
    tx.execute(_NEW, {name: getattr(alert, name) for name in Alert.__slots__} | {"rule": change.rule.value})
    tx.audit(AuditEntry(now, Event.ALERT_RAISED, None, _owner(alert), "", address, _about(alert)))


def _owner(alert: Alert) -> str:
    """Return whose audit row it is: who happened to complete a crowd is not told of it."""
    return alert.user if alert.rule.personal else ""


def _about(alert: Alert) -> dict[str, Detail]:
    return {
        "alert": alert.id,
        "rule": alert.rule.value,
        "subject": alert.subject,
        "country": alert.country,
        "blocks": alert.blocks,
    }


class SqlAlertStore:
    """`AlertStore` over a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(
        self, *, open_only: bool = False, organisation: str | None = None, limit: int = 1000
    ) -> tuple[Alert, ...]:
        """See AlertStore."""
        found = sa.select(alerts).order_by(alerts.c.last.desc(), alerts.c.id).limit(limit)
        if open_only:
            found = found.where(alerts.c.acknowledged.is_(None))
        if organisation is not None:
            found = found.where(alerts.c.organisation == organisation)
        return await self._database.read(lambda connection: tuple(map(_alert, connection.execute(found))))

    async def show(self, alert: str) -> Alert:
        """See AlertStore."""
        return await self._database.read(lambda connection: _one(connection, alert))

    async def acknowledge(self, alert: str, by: Actor) -> Alert:
        """See AlertStore."""
        return await self._database.write(lambda tx: _acknowledge(tx, alert, by))


def _one(connection: sa.Connection, alert: str) -> Alert:
    row = connection.execute(sa.select(alerts).where(alerts.c.id == alert)).one_or_none()
    if row is None:
        raise NotFound(f"there is no alert {alert!r}")
    return _alert(row)


def _acknowledge(tx: Tx, alert: str, by: Actor) -> Alert:
    found = _one(tx.connection, alert)
    # The chain's lock first, as where alerts are raised: the other way round two transactions could wait for each other.
    details = {"actor": by.name, **_about(found), "count": found.count}
    tx.audit(AuditEntry(by.wall, Event.ALERT_ACKNOWLEDGED, None, _owner(found), "", by.address, details))
    mine = sa.update(alerts).where(alerts.c.id == alert, alerts.c.acknowledged.is_(None))
    if tx.execute(mine.values(acknowledged=by.wall, acknowledged_by=plain(by.name))).rowcount != 1:
        raise Conflict(f"alert {alert!r} was acknowledged already")
    return _one(tx.connection, alert)


def _alert(row: sa.Row[Any]) -> Alert:
    return Alert(**{name: getattr(row, name) for name in Alert.__slots__} | {"rule": Rule(row.rule)})
