"""`gateway notify` and what the doctor and check-config say of notifications."""

import socket
from pathlib import Path

import pytest

from gateway.cli.checkup.notices import unreachable
from tests.unit.cli.conftest import CONFIG


@pytest.fixture
def dead() -> str:
    """An address where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


def configure(text: str) -> None:
    Path("gateway.toml").write_text(CONFIG + text)
    Path("gateway.toml").chmod(0o600)


def mail(server: str) -> str:
    return f'[notify.mail]\nserver = "{server}"\ntls = "plain"\nsender = "gateway@example.com"\n'


def hook(name: str, port: str) -> str:
    return f'[[notify.webhook]]\nname = "{name}"\nurl = "http://{port}/"\nsecret_file = "secret"\n'


def findings(done, subject: str) -> list[tuple[str, str]]:
    return [(one["state"], one["found"]) for one in done.data["findings"] if one["subject"] == subject]


def test_nothing_waits_in_a_new_store(gateway):
    assert gateway("notify", "list", "--json").data == []


def test_what_was_queued_is_listed_without_its_content(gateway, trader, dead):
    configure(mail(dead) + '[portal]\nurl = "https://portal.example"\n')
    initial = ("--email", "new@example.com", "--must-change", "--password-stdin")
    gateway("user", "add", "new", *initial, stdin="Correct-Horse-9\n")
    token = gateway("link", "setup", "new", "--json").data["url"].rpartition("/")[2]

    done = gateway("notify", "list", "--json")

    (waits,) = done.data
    assert (waits["channel"], waits["state"], waits["tries"]) == ("mail", "waiting", 0)
    assert token not in done.out
    assert "waiting" in gateway("notify", "list").out


def test_a_test_without_a_channel_is_refused(gateway):
    assert gateway("notify", "test").code == 1
    configure(mail("127.0.0.1:25"))
    done = gateway("notify", "test")
    assert (done.code, "--to ADDRESS" in done.err) == (1, True)


def test_a_test_says_which_channel_cannot_be_reached_and_shows_no_secret(gateway, dead):
    Path("secret").write_text("canary-0123456789abcdef0123456789abcdef")
    Path("secret").chmod(0o600)
    configure(mail(dead) + hook("siem", dead) + f'[notify.broker]\nurl = "amqp://gateway:canary@{dead}/"\n')

    done = gateway("notify", "test", "--to", "me@example.com", "--json")

    assert done.code == 1
    assert [(one["channel"], one["sent"]) for one in done.data] == [
        ("mail", False), ("hook:siem", False), ("broker", False),
    ]  # fmt: skip
    assert all("cannot be reached" in one["error"] for one in done.data)
    assert "canary" not in done.out + done.err


def test_an_address_that_is_none_is_said(gateway, dead):
    configure(mail(dead))

    assert "no mail address" in gateway("notify", "test", "--to", "nobody").out


def test_check_config_says_by_which_ways_people_are_told(gateway, dead):
    assert "nobody is told" in gateway("check-config").out
    Path("secret").write_text("s" * 32)
    configure(mail(dead) + hook("siem", dead))

    assert f"notifications: mail by {dead} (plain), webhook siem" in gateway("check-config").out


def test_the_doctor_tries_the_mail_server_and_names_who_has_no_address(gateway, trader, dead):
    configure(mail(dead))

    done = gateway("doctor", "--json")

    assert done.code == 1
    assert findings(done, "mail")[0][0] == "failed"
    assert ("warning", "told of nothing, as they have no mail address: trader") in findings(done, "notifications")


def test_the_doctor_warns_where_nobody_is_told(gateway, trader):
    assert [state for state, _ in findings(gateway("doctor", "--json"), "notifications")] == ["warning"]


def test_a_webhooks_secret_that_others_may_read_fails(gateway, trader, dead):
    Path("secret").write_text("s" * 32)
    Path("secret").chmod(0o644)
    configure(hook("siem", dead))

    found = findings(gateway("doctor", "--json"), "permissions")

    assert ("failed", "secret of webhook siem secret is open to everybody (mode 0644)") in found


@pytest.mark.parametrize(
    "secret",
    ['[notify.mail]\nserver = "h:25"\nsender = "a@b.c"\nuser = "u"\npassword = "p"', '[notify.broker]\nurl = "amqps://u:p@h/"'],
    ids=["mail", "broker"],
)  # fmt: skip
def test_a_secret_in_a_configuration_that_others_may_read_fails(gateway, trader, secret):
    configure(secret)
    Path("gateway.toml").chmod(0o644)

    assert "failed" in [state for state, _ in findings(gateway("doctor", "--json"), "configuration")]


def test_many_without_an_address_are_counted():
    assert "a, b, c, d, e and 3 more" in unreachable(list("abcdefgh")).found
    assert unreachable([]).state.value == "ok"
