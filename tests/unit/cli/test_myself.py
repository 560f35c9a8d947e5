"""One's own account from the command line."""

import time
from pathlib import Path

import pyotp
import pytest

PASSWORD = "Correct-Horse-9"


@pytest.fixture
def device(gateway, trader) -> str:
    made = gateway("totp", "enroll", trader, "--confirmed", "--json")
    return made.data["device"]


@pytest.mark.req("M7-4", "HK-5")
def test_a_key_is_replaced_and_the_old_one_counts_until_then(gateway, trader, device):
    made = gateway("my", "regenerate", trader, device, "--stdin", "--json", stdin=f"{PASSWORD}\n")
    assert made.code == 0, made.err
    assert len(gateway("user", "show", trader, "--json").data["devices"]) == 2
    code = pyotp.TOTP(made.data["secret"]).at(int(time.time()))
    assert gateway("my", "confirm", trader, made.data["device"], "--stdin", stdin=f"{code}\n").code == 0
    assert [one["id"] for one in gateway("user", "show", trader, "--json").data["devices"]] == [made.data["device"]]


@pytest.mark.req("HK-5")
def test_recovery_codes_are_printed_once(gateway, trader, device):
    done = gateway("my", "recovery-codes", trader, "--stdin", stdin=f"{PASSWORD}\n")
    assert (done.code, len(done.out.split())) == (0, 10)


@pytest.mark.req("HK-5", "TW-6", "TW-7")
def test_the_password_is_changed_with_the_current_one(gateway, trader):
    wrong = gateway("my", "password", trader, "--stdin", stdin="Wrong-Horse-9\nAnother-Horse-8\n")
    assert (wrong.code, "check user" in wrong.err) == (1, True)
    common = gateway("my", "password", trader, "--stdin", stdin=f"{PASSWORD}\nWelcome-2026!\n")
    assert (common.code, "common password" in common.err) == (1, True)
    assert gateway("my", "password", trader, "--stdin", stdin=f"{PASSWORD}\nAnother-Horse-8\n").code == 0


@pytest.mark.req("SF-4")
def test_the_last_authenticator_stays(gateway, trader, device):
    done = gateway("my", "remove", trader, device, "--stdin", stdin=f"{PASSWORD}\n")
    assert (done.code, "SF-4" in done.err) == (1, True)
    assert gateway("my", "rename", trader, device, "old phone").code == 0
    assert gateway("user", "show", trader, "--json").data["devices"][0]["name"] == "old phone"


@pytest.mark.req("HK-2", "HK-5")
def test_codes_by_mail_are_chosen_where_an_address_is_registered_and_sent_where_mail_is_set_up(gateway, trader, device):
    nowhere = gateway("my", "channel", trader, "email", "--stdin", stdin=f"{PASSWORD}\n")
    assert (nowhere.code, "registered" in nowhere.err) == (1, True)
    assert gateway("user", "change", trader, "--email", "t@x.example").code == 0
    done = gateway("my", "channel", trader, "email", "--stdin", stdin=f"{PASSWORD}\n")
    assert (done.code, done.out) == (0, "your codes come by email\n")
    unsent = gateway("my", "code", trader, "--stdin", stdin=f"{PASSWORD}\n")
    assert (unsent.code, "[notify]" in unsent.err) == (1, True)
    wrong = gateway("my", "code", trader, "--stdin", stdin="Wrong-Horse-9\n")
    assert (wrong.code, "check user" in wrong.err) == (1, True)


@pytest.mark.req("SF-11")
def test_one_opts_out_of_login_notices_with_the_password_where_irregular_logins_are_detected(gateway, trader):
    done = gateway("my", "opt-out", trader, "--stdin", stdin=f"{PASSWORD}\n")
    assert (done.code, "SF-11" in done.err) == (1, True)
    watched = "".join(f'[detection.{rule}]\naction = "alarm"\n' for rule in ("crowd", "travel", "spray"))
    Path("gateway.toml").write_text(Path("gateway.toml").read_text() + watched)
    wrong = gateway("my", "opt-out", trader, "--stdin", stdin="Wrong-Horse-9\n")
    assert (wrong.code, "check user" in wrong.err) == (1, True)
    assert gateway("my", "opt-out", trader, "--stdin", stdin=f"{PASSWORD}\n").code == 0
    assert gateway("my", "opt-in", trader).code == 0
