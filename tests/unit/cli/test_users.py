import sqlite3
from pathlib import Path

import pytest


@pytest.mark.req("TW-3", "CQ-4", "HK-7")
def test_a_user_is_added_with_what_was_said(gateway):
    added = gateway(
        *("user", "add", "maker", "--comp-id", "A", "--comp-id", "B", "--route", "engine", "--method", "password"),
        *("--valid-until", "2030-01-01", "--organisation", "Firm", "--must-change", "--password-stdin", "--json"),
        stdin="Correct-Horse-9\n",
    )

    assert added.code == 0
    assert {**added.data, "created": 0, "password_changed": 0} == {
        "name": "maker",
        "organisation": "Firm",
        "enabled": True,
        "method": "password",
        "second_factor": None,
        "locked": False,
        "locked_until": None,
        "revoked": False,
        "failures": 0,
        "enrolled": False,
        "must_change": True,
        "password_changed": 0,
        "valid_from": None,
        "valid_until": 1893456000.0,
        "comp_ids": ["A", "B"],
        "certificates": [],
        "routes": ["engine"],
        "groups": [],
        "email": "",
        "phone": "",
        "channel": "app",
        "role": "user",
        "role_until": None,
        "devices": [],
        "created": 0,
    }


def test_the_first_command_makes_the_master_key_and_says_so(gateway):
    done = gateway("user", "list")

    assert "made the master key gateway.db.key" in done.err
    assert Path("gateway.db.key").stat().st_mode & 0o777 == 0o600
    assert gateway("user", "list").err == ""


def test_users_are_listed(gateway, trader):
    assert "trader" in gateway("user", "list").out
    assert [trader] == [user["name"] for user in gateway("user", "list", "--json").data]


def test_a_name_is_given_once(gateway, trader):
    done = gateway("user", "add", trader, "--password-stdin", stdin="Correct-Horse-9\n")

    assert (done.code, done.err) == (1, "gateway: a user called 'trader' exists already\n")


@pytest.mark.req("TW-6")
def test_a_weak_password_is_refused_with_every_reason(gateway):
    done = gateway("user", "add", "t", "--password-stdin", stdin="short\n")

    assert done.code == 1
    assert "the password has fewer than 12 characters; it has fewer than 3 of" in done.err
    assert gateway("user", "show", "t").code == 3


@pytest.mark.req("TW-7")
def test_a_password_is_not_chosen_again(gateway, trader):
    done = gateway("user", "passwd", trader, "--password-stdin", stdin="Correct-Horse-9\n")

    assert (done.code, done.err) == (1, "gateway: the password is one of the last ones\n")


def test_a_password_comes_from_a_file(gateway, trader):
    Path("new").write_text("Another-Horse-8\n")

    assert gateway("user", "passwd", trader, "--password-file", "new").code == 0


@pytest.mark.req("TW-10")
def test_a_password_is_no_argument_and_without_a_terminal_it_must_be_given(gateway):
    done = gateway("user", "add", "t")

    assert done.code == 2
    assert "--password-file or --password-stdin" in done.err
    assert gateway("user", "add", "t", "--password", "x").code == 2


@pytest.mark.req("TW-10", "TW-11")
def test_no_password_stands_in_the_store(gateway, trader):
    assert b"Correct-Horse" not in b"".join(file.read_bytes() for file in Path().glob("gateway.db*"))
    (found,) = sqlite3.connect("gateway.db").execute("select password_hash from users").fetchone()
    assert found.startswith("$argon2id$")


def test_a_user_is_disabled_and_enabled(gateway, trader):
    gateway("user", "disable", trader)
    assert gateway("user", "show", trader, "--json").data["enabled"] is False

    gateway("user", "enable", trader)
    assert gateway("user", "show", trader, "--json").data["enabled"] is True


@pytest.mark.req("TW-5")
def test_unlocking_asks_how_the_person_was_identified_and_records_it(gateway, trader):
    assert gateway("user", "unlock", trader).code == 2
    assert gateway("user", "unlock", trader, "--proof", "called back").code == 0

    rows = sqlite3.connect("gateway.db").execute("select details from audit where event = 'user.unlocked'").fetchall()
    assert "called back" in rows[0][0]


@pytest.mark.parametrize("command", ["show", "disable", "enable"])
def test_a_user_that_does_not_exist_has_an_exit_code(gateway, command):
    done = gateway("user", command, "nobody")

    assert (done.code, done.err.splitlines()[-1]) == (3, "gateway: there is no user called 'nobody'")


LDAP = """
[passwords]
backend = "ldap"
[passwords.ldap]
servers = ["ldaps://127.0.0.1:636"]
ca = "gateway.toml"
user_dn = "uid={user},dc=example"
"""


@pytest.mark.req("M7-18")
def test_where_a_directory_has_the_passwords_a_user_is_added_without_one(gateway):
    Path("gateway.toml").write_text(Path("gateway.toml").read_text() + LDAP)

    assert gateway("user", "add", "trader", "--json").data["method"] == "password+totp"
    for command in (("add", "other", "--must-change"), ("add", "other", "--password-stdin"), ("passwd", "trader")):
        refused = gateway("user", *command, stdin="Correct-Horse-9\n")
        assert (refused.code, refused.out) == (1, "")
        assert "the directory's" in refused.err


@pytest.mark.req("HK-7")
def test_a_user_is_changed_and_only_where_it_was_said(gateway, trader):
    done = gateway(
        "user", "change", trader, "--email", "t@x.example", "--valid-until", "2030-01-01", "--organisation", "Firm"
    )
    assert (done.code, done.out) == (0, f"changed user {trader}: organisation, email, valid_until\n")
    shown = gateway("user", "show", trader, "--json").data
    assert (shown["email"], shown["organisation"], shown["valid_until"]) == ("t@x.example", "Firm", 1893456000.0)
    assert shown["comp_ids"] == ["ALGO"]


@pytest.mark.req("HK-2", "SF-1")
def test_a_user_is_given_a_phone_and_a_channel(gateway, trader):
    done = gateway("user", "change", trader, "--phone", "+85212345678", "--channel", "sms")
    assert (done.code, done.out) == (0, f"changed user {trader}: phone, channel\n")
    shown = gateway("user", "show", trader, "--json").data
    assert (shown["phone"], shown["channel"]) == ("+85212345678", "sms")
    assert gateway("user", "change", trader, "--channel", "pigeon").code == 2


@pytest.mark.req("SF-7")
def test_nobody_is_reminded_of_a_new_password_and_everybody_of_an_old_one(gateway, trader):
    assert gateway("user", "remind").data == []
    with sqlite3.connect("gateway.db") as database:
        database.execute("update users set password_changed = 1.0")
    assert [one["user"] for one in gateway("user", "remind").data] == [trader]
