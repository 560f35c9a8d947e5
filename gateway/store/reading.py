"""Reads the snapshot a login is judged by: three statements, and a fourth where detection looks back; one moment. Nothing here changes a row."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import sqlalchemy as sa

from gateway.core.login import Attempt, Memory
from gateway.core.reason import Reason
from gateway.policy.lockout import failure_source
from gateway.policy.organisations import PolicyOf
from gateway.policy.roles import Grant, Role
from gateway.policy.rules import Channel, SecondFactor
from gateway.policy.snapshot import AddressFailures, Device, Failures, LiveSession, Method, SentCode, Snapshot, User
from gateway.store.audit import plain
from gateway.store.keyring import learn_keys
from gateway.store.schema import (
    addresses,
    bindings,
    burnt_steps,
    devices,
    failures,
    memories,
    sent_codes,
    sessions,
    users,
)
from gateway.store.sightings import read_sightings
from gateway.store.vault import Sealed, Vault

STEPS_KEPT = 20
"""Burnt steps a snapshot shows, back from the arrival: far more than any window. Older ones still guard in the table."""
SENT_KEPT = 3600.0
"""Seconds a sent code that is over is still recognised, to say why it was wrong."""
LEAVING = 10.0
"""Seconds a session that was ordered to end, or whose will is owed, is still waited for: by then it is stuck."""
_LONGEST_KEY = 400


def memory_key(attempt: Attempt) -> str:
    """Return the key of the stream's memory, "" where the dialect wants nothing remembered.

    Text no engine can hold, or far too long, is hashed: two streams must never share a memory.
    """
    if not attempt.login.stream:
        return ""
    key = f"{attempt.route}/{attempt.login.stream}"
    if plain(key, _LONGEST_KEY) == key:
        return key
    return f"{attempt.route}/sha256:{sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}"


def holdable(name: str) -> str:
    """Return a claimed name, or "" (which nobody has) where no stored name can be equal to it."""
    return name if plain(name) == name else ""


@dataclass(frozen=True, slots=True)
class Terms:
    """An attempt, and what the store knows beside it: its address's key, node, lease in seconds, time."""

    attempt: Attempt
    policy_of: PolicyOf
    address: str
    node: str
    lease: float
    now: float

    @property
    def name(self) -> str:
        """The claimed name as it can be stored, whether anybody has it or not."""
        return plain(self.attempt.login.user)

    def source(self, user: User) -> str:
        """Return the source part of the key of a user's failures: "" where a lock shuts the account for everybody."""
        return failure_source(self.policy_of(user).lockout, self.address)


_FAILURES = ("source", "count", "last", "locked_until", "revoked", "digests")
_MINE = sa.and_(failures.c.user_id == users.c.id, failures.c.source.in_(["", sa.bindparam("address")]))
_ONE = sa.select(sa.literal(1).label("one")).subquery("one")
_ABOUT_ATTEMPT = sa.select(
    users,
    *(failures.c[name].label(f"failures_{name}") for name in _FAILURES),
    bindings.c.kind,
    bindings.c.value,
    addresses.c.count.label("address_count"),
    addresses.c.since.label("address_since"),
    memories.c.version.label("memory_version"),
    memories.c.value.label("memory_value"),
    memories.c.open.label("memory_open"),
).select_from(
    _ONE.outerjoin(users, users.c.name == sa.bindparam("name"))
    .outerjoin(failures, _MINE)
    .outerjoin(bindings, bindings.c.user_id == users.c.id)
    .outerjoin(addresses, addresses.c.address == sa.bindparam("address"))
    .outerjoin(memories, memories.c.key == sa.bindparam("memory"))
)
_DEVICES = (
    sa.select(devices, burnt_steps.c.step)
    .select_from(
        devices.outerjoin(
            burnt_steps,
            sa.and_(
                burnt_steps.c.device_id == devices.c.id,
                burnt_steps.c.step >= sa.bindparam("arrived", type_=sa.BigInteger) // devices.c.period - STEPS_KEPT,
            ),
        )
    )
    .where(devices.c.user_id == sa.bindparam("user"))
    .order_by(devices.c.created, devices.c.id)
)
_SENT = sa.select(sent_codes.c.digest, sent_codes.c.expires, sent_codes.c.used).where(
    sent_codes.c.user_id == sa.bindparam("user"), sent_codes.c.expires > sa.bindparam("since", type_=sa.Double)
)
_OPEN = sa.select(sessions.c.id, sessions.c.stream, sessions.c.node, sessions.c.ended, sessions.c.lease_until).where(
    sessions.c.user_id == sa.bindparam("user"), sessions.c.reported.is_(False)
)


def read_snapshot(connection: sa.Connection, vault: Vault, terms: Terms) -> Snapshot:
    """Read the snapshot of the attempt that `terms` are about. Raises KeyRefused."""
    attempt = terms.attempt
    key = memory_key(attempt)
    name = holdable(attempt.login.user)
    about = connection.execute(_ABOUT_ATTEMPT, {"name": name, "address": terms.address, "memory": key}).all()
    first = about[0]
    known = first.id is not None
    user = user_from(first, [(row.kind, row.value) for row in about]) if known else None
    live, leaving = _open(connection, first.id, terms.now) if known else ((), ())
    return Snapshot(
        user=user,
        devices=read_devices(connection, vault, first.id, attempt.arrived.wall) if known else (),
        sent=_sent(connection, user, attempt.arrived.wall) if user else (),
        failures=_failures(about, terms.source(user)) if user else Failures(),
        address=AddressFailures(first.address_count or 0, first.address_since or 0.0),
        sessions=live,
        leaving=leaving,
        memory=Memory(key, first.memory_version or 0, bytes(first.memory_value or b""), bool(first.memory_open)),
        revision=first.revision if known else 0,
        sightings=read_sightings(connection, terms.policy_of(None).detection, terms.address, terms.name, terms.now),
    )


def user_from(row: sa.Row[Any], bound: Sequence[tuple[str | None, str]]) -> User:
    """Return the user of a row of `users` with its bindings (kind, value)."""
    return User(
        id=row.id,
        name=row.name,
        organisation=row.organisation,
        enabled=row.enabled,
        method=Method(row.method),
        second_factor=SecondFactor(row.second_factor) if row.second_factor else None,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        must_change=row.must_change,
        password_hash=row.password_hash,
        password_changed=row.password_changed,
        processes=frozenset(value for kind, value in bound if kind == "process"),
        certificates=frozenset(value for kind, value in bound if kind == "certificate"),
        routes=frozenset(value for kind, value in bound if kind == "route"),
        email=row.email,
        phone=row.phone,
        channel=Channel(row.channel),
        groups=frozenset(value for kind, value in bound if kind == "group"),
        group_routes=frozenset(value for kind, value in bound if kind == "via"),
        grant=None if row.role_until is None else Grant(Role(row.role), row.role_until),
    )


def read_devices(connection: sa.Connection, vault: Vault, user: str, arrived: float) -> tuple[Device, ...]:
    """Return the devices of a user id with their keys, confirmed or not, oldest first."""
    rows: dict[str, sa.Row[Any]] = {}
    burnt: dict[str, set[int]] = {}
    for row in connection.execute(_DEVICES, {"user": user, "arrived": int(arrived)}):
        rows[row.id] = row
        burnt.setdefault(row.id, set()).update(() if row.step is None else (row.step,))
    learn_keys(connection, vault, {row.key_id for row in rows.values()})
    return tuple(_device(vault, row, frozenset(burnt[id_])) for id_, row in rows.items())


def _device(vault: Vault, row: sa.Row[Any], burnt: frozenset[int]) -> Device:
    return Device(
        id=row.id,
        key=vault.unseal(Sealed(row.key_id, bytes(row.sealed)), row.id, row.user_id),
        algorithm=row.algorithm,
        digits=row.digits,
        period=row.period,
        confirmed=row.confirmed,
        burnt=burnt,
    )


def _sent(connection: sa.Connection, user: User, arrived: float) -> tuple[SentCode, ...]:
    """Return the codes that were sent to a user lately; who has an authenticator instead costs no look."""
    if user.channel is Channel.APP:
        return ()
    rows = connection.execute(_SENT, {"user": user.id, "since": arrived - SENT_KEPT})
    return tuple(SentCode(bytes(row.digest), row.expires, used=row.used is not None) for row in rows)


def _failures(rows: Sequence[sa.Row[Any]], source: str) -> Failures:
    """Return the record under the key that the user's own policy gives it; both keys were read before that was known."""
    row = next((row for row in rows if row.failures_source == source), None)
    if row is None:
        return Failures()
    return Failures(
        count=row.failures_count,
        last=row.failures_last,
        locked_until=row.failures_locked_until,
        revoked=row.failures_revoked,
        digests=digests_from(row.failures_digests),
    )


def reason_from(key: str) -> Reason:
    """Return the reason that was stored by its key."""
    return Reason(key)  # type: ignore[call-arg]  # an Enum read back by its value


def digests_from(text: str) -> tuple[bytes, ...]:
    """Return digests as the record holds them; the inverse of `digests_text`."""
    return tuple(bytes.fromhex(part) for part in text.split(",")) if text else ()


def digests_text(digests: Sequence[bytes]) -> str:
    """Return digests as the table holds them."""
    return ",".join(digest.hex() for digest in digests)


def _open(connection: sa.Connection, user: str, now: float) -> tuple[tuple[LiveSession, ...], tuple[LiveSession, ...]]:
    """Return the user's sessions that are live, and those that are leaving."""
    live, leaving = [], []
    for row in connection.execute(_OPEN, {"user": user}):
        one = LiveSession(row.id, row.stream, row.node)
        if row.ended is None:
            live += [one] if row.lease_until > now else []
        elif row.ended > now - LEAVING:
            leaving.append(one)
    return tuple(live), tuple(leaving)
