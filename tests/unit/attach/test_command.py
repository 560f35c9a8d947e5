"""What `gateway attach` refuses before it starts: one line, nothing of the key in it."""

import base64
import sys

import pytest

from gateway.cli.exits import Code
from gateway.cli.main import main

BASE32 = base64.b32encode(b"12345678901234567890").decode()


@pytest.fixture
def attach(monkeypatch, capsys):
    def run(*arguments: str):
        monkeypatch.setattr(sys, "argv", ["gateway", "attach", "--upstream", "127.0.0.1:9", *arguments])
        monkeypatch.setattr("gateway.cli.attach._no_dumps", lambda: None)  # it would bind this process for good
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        assert captured.out == ""
        return int(ended.value.code or 0), captured.err

    return run


@pytest.fixture
def key(tmp_path):
    file = tmp_path / "totp.key"
    file.write_text(BASE32)
    file.chmod(0o600)
    return str(file)


@pytest.mark.req("BY-10", "TW-4")
def test_a_line_without_tls_must_be_asked_for(attach, key):
    code, words = attach("--key-file", key)

    assert code == Code.USAGE
    assert "--plain" in words


@pytest.mark.req("BY-10")
@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "example.org:0"])
def test_an_address_that_others_reach_must_be_asked_for(attach, key, address):
    code, words = attach("--key-file", key, "--plain", "--listen", address)

    assert code == Code.USAGE
    assert "--expose" in words


@pytest.mark.req("BY-10", "TW-10")
def test_a_key_that_others_may_read_is_refused_in_one_line(attach, tmp_path):
    file = tmp_path / "open.key"
    file.write_text(BASE32)
    file.chmod(0o644)

    code, words = attach("--key-file", str(file), "--plain")

    assert code == Code.FAILED
    assert words == f"gateway: key file {file}: others may use it (mode 0644); chmod 600 {file}\n"


@pytest.mark.parametrize(
    "options",
    [
        ("--plain",),
        ("--plain", "--key-stdin", "--key-file", "KEY"),
        ("--plain", "--tls-ca", "ca.pem", "--key-file", "KEY"),
        ("--plain", "--listen", "nowhere", "--key-file", "KEY"),
    ],
)
def test_what_does_not_go_together_is_wrong_usage(attach, key, options):
    code, words = attach(*(key if option == "KEY" else option for option in options))

    assert code == Code.USAGE
    assert words.count("\n") == 1


def test_an_unknown_venue_and_one_that_can_not_take_the_code_are_refused(attach, key, tmp_path):
    eight = tmp_path / "eight.toml"
    eight.write_text("code_tag = 0\ncode_digits = 8\n")

    assert attach("--key-file", key, "--plain", "--venue", "nowhere")[0] == Code.FAILED
    code, words = attach("--key-file", key, "--plain", "--venue", str(eight), "--listen", "127.0.0.1:0")

    assert code == Code.FAILED
    assert "8 digits" in words


@pytest.mark.req("BY-10")
def test_a_venue_is_one_of_the_protocol_that_is_spoken(attach, key, tmp_path):
    eight = tmp_path / "eight.toml"
    eight.write_text('queues = ["{user}"]\ncode_in = "password"\ncode_digits = 8\n')
    amqp = ("--protocol", "amqp", "--listen", "127.0.0.1:0")

    assert "amqp" in attach("--key-file", key, "--plain", "--venue", "m7")[1]
    assert attach("--key-file", key, "--plain", "--venue", "cqg", *amqp)[0] == Code.FAILED
    assert "8 digits" in attach("--key-file", key, "--plain", "--venue", str(eight), *amqp)[1]


@pytest.mark.req("BY-10", "TW-10")
def test_no_option_takes_the_key_itself(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["gateway", "attach", "--help"])
    with pytest.raises(SystemExit):
        main()

    shown = capsys.readouterr().out
    assert {"--key-file", "--key-stdin"} <= set(shown.split())
    assert not {"--key", "--secret", "--totp"} & set(shown.split())
