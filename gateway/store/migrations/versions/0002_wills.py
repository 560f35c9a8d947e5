"""Wills: what the venue must be told of a session, until it was told; and finding dead sessions by their lease."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_OPEN = sa.text("reported IS false")
_OPEN_SQLITE = sa.text("reported IS 0")


def upgrade() -> None:
    op.add_column("sessions", sa.Column("will", sa.LargeBinary(), nullable=True))
    op.add_column("sessions", sa.Column("owed", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.drop_index("ix_sessions_live", "sessions")
    for name, column in (("ix_sessions_live", "user_id"), ("ix_sessions_lease", "lease_until")):
        op.create_index(name, "sessions", [column], unique=False, sqlite_where=_OPEN_SQLITE, postgresql_where=_OPEN)
