"""`gateway user import`: faults by line, nothing by halves."""

from pathlib import Path

import pytest

from tests.unit.auth.intake.test_pskc import FIGURE_6, FIGURE_7

GOOD = "user,organisation\ntom,ACME\nzoe,ZEN\n"


@pytest.mark.req("HK-8")
def test_a_file_is_imported_once(gateway):
    Path("people.csv").write_text(GOOD)
    dry = gateway("user", "import", "people.csv", "--dry-run")
    assert (dry.code, dry.out) == (0, "2 users and 0 authenticators would be imported\n")
    assert gateway("user", "list", "--json").data == []

    assert gateway("user", "import", "people.csv").out == "2 users and 0 authenticators imported\n"

    assert [one["name"] for one in gateway("user", "list", "--json").data] == ["tom", "zoe"]
    again = gateway("user", "import", "people.csv")
    assert (again.code, again.err.splitlines()[0]) == (1, "people.csv:2: a user called 'tom' exists already")


@pytest.mark.req("HK-8")
def test_all_faults_are_listed_with_their_lines_and_nothing_is_imported(gateway):
    Path("people.csv").write_text(GOOD + "x,y,z\nbad,A\nbad,B\n")
    done = gateway("user", "import", "people.csv")
    assert (done.code, [line.split(":")[1] for line in done.err.splitlines() if line.startswith("people")]) == (
        1,
        ["4", "6"],
    )
    assert "nothing was imported" in done.err
    assert gateway("user", "list", "--json").data == []

    assert gateway("user", "import", "people.csv", "--partial").code == 0
    assert [one["name"] for one in gateway("user", "list", "--json").data] == ["tom", "zoe"]


@pytest.mark.req("HK-8")
def test_tokens_come_from_encrypted_pskc(gateway):
    Path("six.xml").write_bytes(FIGURE_6)
    Path("key").write_text("12345678901234567890123456789012\n")
    assert gateway("user", "import", "six.xml").code == 1
    assert gateway("user", "import", "six.xml", "--key-file", "key").out == "1 users and 1 authenticators imported\n"
    Path("seven.pskc").write_bytes(FIGURE_7)
    Path("password").write_text("qwerty\n")
    done = gateway("user", "import", "seven.pskc", "--password-file", "password")
    assert done.out == "0 users and 1 authenticators imported\n"
    assert len(gateway("user", "show", "tom", "--json").data["devices"]) == 2
