"""What people and their administrators do: links, recovery codes, requests, groups, files that wait to be imported."""

from sqlalchemy import Column, Double, ForeignKey, Index, LargeBinary, Table, Text

from gateway.store.schema.base import metadata, text, user

links = Table(
    "links",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    user(),
    text("purpose"),
    text("asked_by"),
    Column("created", Double, nullable=False),
    Column("expires", Double, nullable=False),
    Column("used", Double),
    text("device", default=""),
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
    text("act"),
    user(),
    text("asked_by"),
    Column("asked", Double, nullable=False),
    Column("expires", Double, nullable=False),
    text("why"),
    text("role"),
    Column("role_until", Double),
    text("email"),
    text("state"),
    text("decided_by"),
    Column("decided", Double),
    Index("ix_requests_state", "state"),
)
"""What one administrator asks for and another one decides (HK-6)."""

groups = Table("groups", metadata, Column("name", Text, primary_key=True), text("organisation"))

group_routes = Table(
    "group_routes",
    metadata,
    Column("group_name", Text, ForeignKey("groups.name"), primary_key=True),
    Column("route", Text, primary_key=True),
)
"""What the members of a group may use (HK-9)."""

drafts = Table(
    "drafts",
    metadata,
    Column("owner", Text, primary_key=True),
    text("id"),
    Column("expires", Double, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)
"""A file of new people that was checked and waits for its administrator (`owner`) to say yes (HK-8)."""
