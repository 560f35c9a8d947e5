"""The schema the program is written for is the one its migrations end with, and no column is for a secret in clear."""

from importlib.resources import files

import pytest
from alembic.script import ScriptDirectory

from gateway.store.schema import REVISION, metadata


def test_the_migrations_end_with_the_schemas_revision():
    assert ScriptDirectory(str(files("gateway.store") / "migrations")).get_heads() == [REVISION]


@pytest.mark.req("TW-10", "TW-11")
def test_no_column_holds_a_secret_in_clear():
    columns = {column.name for table in metadata.tables.values() for column in table.columns}

    assert not columns & {"password", "secret", "code", "totp", "private_key", "token"}
