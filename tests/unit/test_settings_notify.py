"""[notify]: what is refused at start, and what the channels are then told."""

from pathlib import Path

import pytest

from gateway.notifications import spec_of
from gateway.notify.spec import MAIL
from gateway.settings import ConfigError, load_settings

MAIL_TABLE = '[notify.mail]\nserver = "mail.example:587"\nsender = "Gateway <gateway@example.com>"\n'
HOOK = (
    '[[notify.webhook]]\nname = "siem"\nurl = "https://siem.example/x"\nsecret = "0123456789abcdef0123456789abcdef"\n'
)
BROKER = '[notify.broker]\nurl = "amqps://gateway:pass@rabbit.example/events"\n'


@pytest.fixture(autouse=True)
def _somewhere_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(text: str) -> Path:
    file = Path("given.toml")
    file.write_text(text)
    return file


def fault(text: str) -> str:
    with pytest.raises(ConfigError) as refused:
        load_settings(write(text))
    return str(refused.value)


def test_by_default_nobody_is_told():
    assert spec_of(load_settings()).channels == ()


def test_every_channel_as_configured():
    spec = spec_of(load_settings(write('[portal]\nurl = "https://p.example"\n' + MAIL_TABLE + HOOK + BROKER)))

    assert spec.channels == (MAIL, "hook:siem", "broker")
    assert (spec.mail.host, spec.mail.port, spec.mail.tls, spec.portal) == (
        "mail.example", 587, "starttls", "https://p.example",
    )  # fmt: skip
    assert spec.broker.exchange == "gateway.events"


def test_secrets_come_from_files_and_stand_in_no_repr(tmp_path: Path):
    for name, text in (("mail", "mail-canary\n"), ("hook", "h" * 32 + "-canary"), ("broker", "amqps://u:canary@h/")):
        (tmp_path / name).write_text(text)
    text = (
        MAIL_TABLE + 'user = "gateway"\npassword_file = "mail"\n'
        + HOOK.rpartition("secret")[0] + 'secret_file = "hook"\n'
        + '[notify.broker]\nurl_file = "broker"\n'
    )  # fmt: skip

    settings = load_settings(write(text))
    spec = spec_of(settings)

    assert spec.mail.password.reveal() == b"mail-canary"
    assert spec.hooks[0].secret.reveal() == b"h" * 32 + b"-canary"
    assert "canary" not in repr(spec) + repr(settings) + settings.model_dump_json()


@pytest.mark.req("SF-16")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HOOK.replace("https", "http"), "this machine alone"),
        (HOOK.replace("https://siem.example", "http://127.0.0.1.evil.example"), "this machine alone"),
        (HOOK.replace("https://siem.example", "http://127.0.0.1@evil.example"), "this machine alone"),
        (HOOK.replace("https://siem.example", "ftp://siem.example"), "must begin with"),
        (BROKER.replace("amqps", "amqp"), "this machine alone"),
        (MAIL_TABLE + 'user = "u"\npassword = "p"\ntls = "plain"', "in clear"),
    ],
)
def test_what_would_travel_in_clear_is_refused(text, words):
    assert words in fault(text)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/x", "http://localhost/x", "http://[::1]:8080/x"])
def test_a_receiver_on_this_machine_needs_no_tls(url):
    assert load_settings(write(HOOK.replace("https://siem.example/x", url))).notify.webhook[0].url == url


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HOOK + HOOK, "same name"),
        (HOOK + "sms = true\n" + HOOK.replace("siem", "two") + "sms = true\n", "only one webhook"),
        (HOOK.replace("0123456789abcdef0123456789abcdef", "short"), "32 characters"),
        (HOOK.rpartition("secret")[0], "needs either secret or secret_file"),
        (HOOK + 'events = ["login.admitted", "DROP TABLE"]', "events"),
        (MAIL_TABLE.replace("Gateway <gateway@example.com>", "nobody"), "mail address"),
        (MAIL_TABLE.replace("Gateway <gateway@example.com>", "a@b.c, d@e.f"), "name@host"),
        (MAIL_TABLE.replace("Gateway <gateway@example.com>", "Gateway <gate way@example.com>"), "name@host"),
        (MAIL_TABLE.replace("Gateway <gateway@example.com>", "Gateway\\r\\nBcc: <gateway@example.com>"), "sender"),
        ('[notify]\noperations = ["Ops <ops@example.com>"]\n' + MAIL_TABLE, "operations"),
        (MAIL_TABLE + 'password = "p"', "needs a user"),
        (MAIL_TABLE + 'user = "u"', "needs either password or password_file"),
        (MAIL_TABLE + 'timeout = "5 min"', "timeout"),
        ('[notify]\noperations = ["ops@example.com"]', "[notify.mail] is missing"),
        ('[notify]\noperations = ["ops@example.com, eve@example.com"]\n' + MAIL_TABLE, "operations"),
        ("[notify.broker]\n", "needs either url or url_file"),
        (BROKER + 'exchange = "a b"', "exchange"),
    ],
)
def test_what_cannot_work_is_refused_at_start(text, words):
    assert words in fault(text)


def test_a_fault_repeats_no_secret():
    assert "canary" not in fault(HOOK.replace("0123456789abcdef0123456789abcdef", "canary"))
    assert "canary" not in fault(BROKER.replace("amqps://gateway:pass", "amqp://gateway:canary"))
