"""What a login is judged by and leaves behind: keys, users, authenticators, failures, sessions."""

from sqlalchemy import BigInteger, Boolean, Column, Double, ForeignKey, Index, Integer, LargeBinary, Table, Text, false

from gateway.store.schema.base import metadata, text, user

meta = Table("meta", metadata, Column("key", Text, primary_key=True), text("value"))
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
    text("organisation"),
    Column("enabled", Boolean, nullable=False),
    text("method"),
    Column("second_factor", Text),
    Column("valid_from", Double),
    Column("valid_until", Double),
    Column("must_change", Boolean, nullable=False),
    text("password_hash"),
    Column("password_changed", Double, nullable=False),
    Column("created", Double, nullable=False),
    Column("revision", BigInteger, nullable=False),
    text("email", default=""),
    text("role", default="user"),
    Column("role_until", Double),
    text("phone", default=""),
    text("channel", default="app"),
    Column("quiet_since", Double),
)
"""`revision` moves with every change of the user or of anything its logins are judged by. `role` is over at `role_until`.
`channel`: how its codes come (app, email, sms: HK-2). `quiet_since`: when it took the risk of no notice of logins (SF-11).
"""

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
    user(),
    text("name"),
    Column("key_id", Text, ForeignKey("keys.id"), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    text("algorithm"),
    Column("digits", Integer, nullable=False),
    Column("period", Integer, nullable=False),
    Column("confirmed", Boolean, nullable=False),
    Column("created", Double, nullable=False),
    Column("last_used", Double),
    text("replaces", default=""),
    Index("ix_devices_user_id", "user_id"),
)
"""`replaces`: the device that goes when this one is confirmed; until then both are there, and the old one counts."""

password_history = Table(
    "password_history",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    user(),
    text("password_hash"),
    Column("replaced", Double, nullable=False),
    Index("ix_password_history_user_id", "user_id"),
)

burnt_steps = Table(
    "burnt_steps",
    metadata,
    Column("device_id", Text, ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    Column("step", BigInteger, primary_key=True),
    Column("slot", Text, primary_key=True),
    text("session"),
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
    text("digests"),
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
    user(),
    text("user_name"),
    text("protocol"),
    text("process"),
    text("target"),
    text("version"),
    text("address"),
    Column("port", Integer, nullable=False),
    text("certificate"),
    text("listener"),
    text("route"),
    text("stream"),
    text("upstream"),
    text("node"),
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
    text("session"),
    Index("ix_memories_session", "session"),
)

orders = Table(
    "orders",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    text("node"),
    text("session"),
    text("reason"),
    Column("wall", Double, nullable=False),
    Index("ix_orders_node", "node"),
)
