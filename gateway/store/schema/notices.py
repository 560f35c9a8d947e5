"""What is told to people: the outbox; and what detection looks at and raises."""

from sqlalchemy import Boolean, Column, Double, Index, Integer, LargeBinary, Table, Text

from gateway.store.schema.base import metadata, text

outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("tag", Text, nullable=False, unique=True),
    text("channel"),
    Column("sealed", LargeBinary, nullable=False),
    Column("created", Double, nullable=False),
    Column("due", Double, nullable=False),
    Column("expires", Double, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("lease_until", Double, nullable=False),
    text("state"),
    text("error"),
    Index("ix_outbox_due", "state", "due"),
)
"""Notifications on their way: `sealed` holds whom and what, a letter's token too. `tag` makes each one once. `state`:
waiting, sent or given_up.
"""

sightings = Table(
    "sightings",
    metadata,
    Column("address", Text, primary_key=True),
    Column("user", Text, primary_key=True),
    text("country"),
    Column("seen", Double, nullable=False),
    Column("good", Double, nullable=False),
    Column("bad", Double, nullable=False),
    Column("replayed", Double, nullable=False),
    Index("ix_sightings_user", "user"),
    Index("ix_sightings_bad", "bad"),
)
"""Who came from where: when a name was last seen from an address, when its last good and bad logins were and its last burnt
code came, 0 for never (SF-18..20, BY-8).
"""

alerts = Table(
    "alerts",
    metadata,
    Column("id", Text, primary_key=True),
    text("rule"),
    text("subject"),
    text("user"),
    text("address"),
    text("country"),
    text("organisation"),
    Column("blocks", Boolean, nullable=False),
    Column("first", Double, nullable=False),
    Column("last", Double, nullable=False),
    Column("count", Integer, nullable=False),
    Column("acknowledged", Double),
    text("acknowledged_by"),
    Index("ix_alerts_rule", "rule", "subject", "last"),
)
"""What detection raised; the same again within its window counts up."""
