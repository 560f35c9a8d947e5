"""What every table is made with. Times are seconds since 1970 as doubles."""

from sqlalchemy import Column, ForeignKey, MetaData, Text

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)


def text(name: str, *, default: str | None = None) -> Column[str]:
    """Return a column of text that is never null."""
    return Column(name, Text, nullable=False, server_default=default)


def user() -> Column[str]:
    """Return the column that says whose row it is."""
    return Column("user_id", Text, ForeignKey("users.id"), nullable=False)
