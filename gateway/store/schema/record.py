"""The audit chain (its whole microseconds read the same on every engine), and who reads it."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, Text

from gateway.store.schema.base import metadata, text

audit = Table(
    "audit",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("wall", BigInteger, nullable=False),
    text("event"),
    text("reason"),
    text("user"),
    text("session"),
    text("address"),
    text("details"),
    Column("prev_hash", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Index("ix_audit_user", "user", "seq"),
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

readers = Table(
    "readers",
    metadata,
    Column("name", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
)
"""How far who reads the audit chain has come."""
