import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli.exits import EPILOG

COMMANDS = (
    *(
        "serve",
        "check-config",
        "version",
        "sbom",
        "sessions",
        "kick",
        "audit verify",
        "compliance",
        "doctor",
        "backup",
        "restore",
        "keys list",
        "keys rotate",
        "totp enroll",
        "totp confirm",
        "totp reset",
    ),
    *(f"user {name}" for name in ("add", "list", "show", "disable", "enable", "unlock", "passwd")),
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_and_its_exit_codes(gateway, command):
    done = gateway(*shlex.split(command), "--help")

    assert done.code == 0
    assert " ".join(done.out.split()).endswith(" ".join(EPILOG.split()))


def test_help_imports_neither_store_nor_settings():
    code = (
        "import sys; from gateway.cli.main import app\n"
        "print([name for name in ('sqlalchemy', 'pydantic', 'uvloop', 'rich.table') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert done.stdout.strip() == "[]"


def test_a_good_configuration_is_told_in_full(gateway):
    done = gateway("check-config")

    assert done.code == 0
    assert "passwords and codes travel in clear" in done.out
    assert gateway("check-config", "--json").data["policy"]["totp.window"] == 1


def test_a_bad_configuration_exits_with_2_and_every_fault(gateway):
    Path("gateway.toml").write_text('profle = "x"\nworkers = 0')

    done = gateway("check-config")
    assert done.code == 2
    assert "profle: unknown option" in done.err
    assert "workers: " in done.err
    found = gateway("check-config", "--json")
    assert (found.code, {"profle", "workers"}) == (2, {problem["path"] for problem in found.data["problems"]})


def test_a_configuration_that_is_not_there_is_one_line(gateway):
    done = gateway("user", "list", "--config", "nowhere.toml")

    assert (done.code, done.err) == (2, "gateway: nowhere.toml: there is no such configuration file\n")


def test_a_store_that_cannot_be_used_exits_with_4(gateway, trader):
    Path("gateway.db.key").write_text("x")

    done = gateway("user", "list")

    assert done.code == 4
    assert done.err.startswith("gateway: the master key in gateway.db.key")
    assert done.err.count("\n") == 1


def test_no_session_is_an_empty_list_and_cannot_be_kicked(gateway):
    assert gateway("sessions", "--json").data == []
    assert gateway("kick", "nope").code == 3


@pytest.mark.req("BY-6")
def test_a_whole_audit_chain_is_said_to_be_whole_and_its_head_can_be_given_back(gateway, trader):
    found = gateway("audit", "verify", "--json").data
    gateway("user", "disable", trader)

    assert found["intact"]
    assert gateway("audit", "verify", "--head", found["head"]).code == 0


@pytest.mark.req("BY-6")
def test_a_changed_audit_row_is_found(gateway, trader):
    import sqlite3

    with sqlite3.connect("gateway.db") as database:
        database.execute("update audit set user = 'other' where event = 'user.added'")

    done = gateway("audit", "verify")
    assert done.code == 1
    assert "the audit chain is broken at row" in done.err
    assert gateway("audit", "verify", "--json").data["intact"] is False


def test_versions_are_printed(gateway):
    assert "openssl" in gateway("version").out
    assert gateway("version", "--json").data["gateway"]
