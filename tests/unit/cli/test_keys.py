import sqlite3
import time
from pathlib import Path

import pyotp
import pytest

from gateway.store.vault import load_master_key


def enrolled(gateway, trader: str) -> dict:
    return gateway("totp", "enroll", trader, "--json").data


def confirmed(gateway, trader: str, made: dict) -> int:
    """Confirming an authenticator opens its key: what it takes to know that the key is still the one it was."""
    code = pyotp.TOTP(made["secret"]).at(time.time())
    return gateway("totp", "confirm", trader, made["device"], "--code-stdin", stdin=f"{code}\n").code


@pytest.mark.req("BY-7", "TW-11")
def test_a_rotation_says_which_key_seals_now_and_destroys_the_old_one(gateway, trader):
    made = enrolled(gateway, trader)
    (before,) = gateway("keys", "list", "--json").data

    done = gateway("keys", "rotate", "--json").data

    old, new = gateway("keys", "list", "--json").data
    assert (old["id"], old["state"], old["devices"]) == (before["id"], "destroyed", 0)
    assert (new["id"], new["state"], new["devices"]) == (done["key"], "seals", 1)
    with sqlite3.connect("gateway.db") as database:
        assert database.execute("select sealed from keys where id = ?", (before["id"],)).fetchall() == [(b"",)]
    assert confirmed(gateway, trader, made) == 0


@pytest.mark.req("BY-7")
def test_rotation_and_list_are_told_in_words(gateway, trader):
    enrolled(gateway, trader)

    assert "1 TOTP keys were moved" in gateway("keys", "rotate").out
    assert {"seals", "destroyed"} <= set(gateway("keys", "list").out.split())


@pytest.mark.req("BY-7")
def test_a_rotation_is_in_the_audit_record_with_its_operator(gateway, trader):
    gateway("keys", "rotate")

    with sqlite3.connect("gateway.db") as database:
        rows = database.execute("select event, details from audit order by seq desc limit 2").fetchall()
    assert [event for event, _ in rows] == ["key.destroyed", "key.made"]
    assert all('"actor":"cli:' in details for _, details in rows)
    assert gateway("audit", "verify").code == 0


@pytest.mark.req("TW-11")
def test_a_new_master_key_is_made_and_the_old_one_opens_nothing_any_more(gateway, trader):
    made = enrolled(gateway, trader)

    done = gateway("keys", "rotate", "--master", "new.key")

    assert done.code == 0
    assert "gateway.db.key" in done.out
    assert Path("new.key").stat().st_mode & 0o777 == 0o600
    assert gateway("user", "list").code == 4
    Path("new.key").rename("gateway.db.key")
    assert confirmed(gateway, trader, made) == 0
    assert gateway("audit", "verify").code == 0


@pytest.mark.req("TW-11")
def test_the_same_master_key_is_refused_and_nothing_changes(gateway, trader):
    done = gateway("keys", "rotate", "--master", "gateway.db.key")

    assert (done.code, done.err.count("\n")) == (4, 1)
    assert "has already" in done.err
    assert gateway("user", "list").code == 0


@pytest.mark.req("TW-10", "TW-11")
def test_no_key_is_printed(gateway, trader):
    made = enrolled(gateway, trader)
    printed = "".join(
        gateway(*command).out
        for command in (
            ("keys", "rotate"),
            ("keys", "list", "--json"),
            ("keys", "rotate", "--master", "new.key"),
        )
    )

    assert made["secret"] not in printed
    assert Path("new.key").read_text().strip() not in printed
    assert load_master_key(Path("new.key"))
