"""The store's shape, in one file; migrations/ holds how it came to be. No behaviour here.

Times are seconds since 1970 as doubles, but for the audit row: its whole microseconds read the same on every engine.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    false,
)

REVISION = "0003"
"""The migration this program is written for (a test holds it to migrations/)."""

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)


def _text(name: str, *, default: str | None = None) -> Column[str]:
    return Column(name, Text, nullable=False, server_default=default)


def _user() -> Column[str]:
    return Column("user_id", Text, ForeignKey("users.id"), nullable=False)


meta = Table("meta", metadata, Column("key", Text, primary_key=True), _text("value"))
"""store_id, key_check; after a change of the master key the keys it must not change (`vault.KEPT`), sealed, as hex."""

keys = Table(
    "keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("created", Double, nullable=False),
    Column("retired", Double),
)
"""Data keys, sealed under the master key (TW-11); the newest that is not retired seals, the others only open. A retired
one seals nothing any more and `sealed` is empty: it was destroyed (BY-7).
"""

users = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    _text("organisation"),
    Column("enabled", Boolean, nullable=False),
    _text("method"),
    Column("second_factor", Text),
    Column("valid_from", Double),
    Column("valid_until", Double),
    Column("must_change", Boolean, nullable=False),
    _text("password_hash"),
    Column("password_changed", Double, nullable=False),
    Column("created", Double, nullable=False),
    Column("revision", BigInteger, nullable=False),
    _text("email", default=""),
    _text("role", default="user"),
    Column("role_until", Double),
)
"""`revision` moves with every change of the user or of anything its logins are judged by. `role` is over at `role_until`."""

bindings = Table(
    "bindings",
    metadata,
    Column("user_id", Text, ForeignKey("users.id"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("value", Text, primary_key=True),
)
"""`kind` is process, certificate, route or group; via: a route by way of a group, rewritten when either changes."""

devices = Table(
    "devices",
    metadata,
    Column("id", Text, primary_key=True),
    _user(),
    _text("name"),
    Column("key_id", Text, ForeignKey("keys.id"), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    _text("algorithm"),
    Column("digits", Integer, nullable=False),
    Column("period", Integer, nullable=False),
    Column("confirmed", Boolean, nullable=False),
    Column("created", Double, nullable=False),
    Column("last_used", Double),
    _text("replaces", default=""),
    Index("ix_devices_user_id", "user_id"),
)
"""`replaces`: the device that goes when this one is confirmed; until then both are there, and the old one counts."""

password_history = Table(
    "password_history",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    _user(),
    _text("password_hash"),
    Column("replaced", Double, nullable=False),
    Index("ix_password_history_user_id", "user_id"),
)

burnt_steps = Table(
    "burnt_steps",
    metadata,
    Column("device_id", Text, ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    Column("step", BigInteger, primary_key=True),
    Column("slot", Text, primary_key=True),
    _text("session"),
    Column("wall", Double, nullable=False),
    Index("ix_burnt_steps_session", "session"),
)
"""`slot` is "" for a step that may be burnt once, else the session that used it and the
user's revision then (M7-9): the primary key is the guard.
"""

failures = Table(
    "failures",
    metadata,
    Column("user_id", Text, ForeignKey("users.id"), primary_key=True),
    Column("source", Text, primary_key=True),
    Column("count", Integer, nullable=False),
    Column("last", Double, nullable=False),
    Column("locked_until", Double, nullable=False),
    Column("revoked", Boolean, nullable=False),
    _text("digests"),
)
"""`source` is "" where a lock shuts the account for everybody, else the address. `digests`: hex, comma-separated."""

addresses = Table(
    "addresses",
    metadata,
    Column("address", Text, primary_key=True),
    Column("count", Integer, nullable=False),
    Column("since", Double, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Text, primary_key=True),
    _user(),
    _text("user_name"),
    _text("protocol"),
    _text("process"),
    _text("target"),
    _text("version"),
    _text("address"),
    Column("port", Integer, nullable=False),
    _text("certificate"),
    _text("listener"),
    _text("route"),
    _text("stream"),
    _text("upstream"),
    _text("node"),
    Column("opened", Double, nullable=False),
    Column("started", Double),
    Column("last_business", Double, nullable=False),
    Column("lease_until", Double, nullable=False),
    Column("ended", Double),
    Column("end_reason", Text),
    Column("reported", Boolean, nullable=False),
    Column("will", LargeBinary),
    Column("owed", Boolean, nullable=False, server_default=false()),
)
"""Live while `ended` is null and `lease_until` is ahead. `reported`: its end is recorded and everybody who has to know of
it does. `owed`: over, but `will` is still to be delivered to the venue; the lease is then that of the process that tries.
`stream` is the key of its memory. Whatever is not reported and has no lease left belongs to nobody (`wills.py`).
"""

_OPEN = sessions.c.reported.is_(False)
Index("ix_sessions_live", sessions.c.user_id, sqlite_where=_OPEN, postgresql_where=_OPEN)
Index("ix_sessions_lease", sessions.c.lease_until, sqlite_where=_OPEN, postgresql_where=_OPEN)

memories = Table(
    "memories",
    metadata,
    Column("key", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("value", LargeBinary, nullable=False),
    Column("open", Boolean, nullable=False),
    _text("session"),
    Index("ix_memories_session", "session"),
)

orders = Table(
    "orders",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    _text("node"),
    _text("session"),
    _text("reason"),
    Column("wall", Double, nullable=False),
    Index("ix_orders_node", "node"),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("wall", BigInteger, nullable=False),
    _text("event"),
    _text("reason"),
    _text("user"),
    _text("session"),
    _text("address"),
    _text("details"),
    Column("prev_hash", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)

audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("count", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("mac", LargeBinary, nullable=False),
)
"""One row, id 1: the lock under which rows are appended, on every engine."""

links = Table(
    "links",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    _user(),
    _text("purpose"),
    _text("asked_by"),
    Column("created", Double, nullable=False),
    Column("expires", Double, nullable=False),
    Column("used", Double),
    _text("device", default=""),
    Index("ix_links_user_id", "user_id"),
)
"""One-time links: `digest` is the SHA-256 of the token, which stands nowhere. `device`: the one that is being enrolled by it."""

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("user_id", Text, ForeignKey("users.id"), primary_key=True),
    Column("digest", LargeBinary, primary_key=True),
    Column("created", Double, nullable=False),
    Column("used", Double),
)
"""Each stands in for a code once; `digest` is keyed (`Vault.credential_digest`)."""

requests = Table(
    "requests",
    metadata,
    Column("id", Text, primary_key=True),
    _text("act"),
    _user(),
    _text("asked_by"),
    Column("asked", Double, nullable=False),
    Column("expires", Double, nullable=False),
    _text("why"),
    _text("role"),
    Column("role_until", Double),
    _text("email"),
    _text("state"),
    _text("decided_by"),
    Column("decided", Double),
    Index("ix_requests_state", "state"),
)
"""What one administrator asks for and another one decides (HK-6)."""

groups = Table("groups", metadata, Column("name", Text, primary_key=True), _text("organisation"))

group_routes = Table(
    "group_routes",
    metadata,
    Column("group_name", Text, ForeignKey("groups.name"), primary_key=True),
    Column("route", Text, primary_key=True),
)
"""What the members of a group may use (HK-9)."""
