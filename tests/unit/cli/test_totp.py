import time
from pathlib import Path

import pyotp
import pytest


@pytest.mark.req("M7-4", "M7-5", "CQ-1")
def test_the_key_is_shown_once_as_text_and_as_uri(gateway, trader):
    made = gateway("totp", "enroll", trader, "--json").data

    parsed = pyotp.parse_uri(made["uri"])
    assert (made["secret"], "trader") == (parsed.secret, parsed.name)
    assert made["secret"] not in gateway("user", "show", trader, "--json").out


@pytest.mark.req("M7-1")
def test_hash_digits_and_step_are_selectable(gateway, trader):
    uri = gateway("totp", "enroll", trader, "--algorithm", "SHA512", "--digits", "8", "--period", "60", "--json").data[
        "uri"
    ]

    parsed = pyotp.parse_uri(uri)
    assert (parsed.digest().name, parsed.digits, parsed.interval) == ("sha512", 8, 60)


def test_an_authenticator_counts_from_its_first_good_code_on(gateway, trader):
    made = gateway("totp", "enroll", trader, "--json").data
    assert gateway("user", "show", trader, "--json").data["enrolled"] is False

    code = pyotp.TOTP(made["secret"]).at(time.time())
    done = gateway("totp", "confirm", trader, made["device"], "--code-stdin", stdin=f"{code}\n")

    assert done.code == 0
    assert gateway("user", "show", trader, "--json").data["enrolled"] is True


def test_a_wrong_first_code_confirms_nothing(gateway, trader):
    made = gateway("totp", "enroll", trader, "--json").data

    done = gateway("totp", "confirm", trader, made["device"], "--code-stdin", stdin="x\n")

    assert (done.code, gateway("user", "show", trader, "--json").data["enrolled"]) == (1, False)


@pytest.mark.req("SF-6")
def test_a_user_has_so_many_authenticators_and_no_more(gateway, trader):
    codes = [gateway("totp", "enroll", trader, "--confirmed").code for _ in range(4)]

    assert codes == [0, 0, 0, 1]


@pytest.mark.req("M7-6", "CQ-6")
def test_a_reset_destroys_all_keys(gateway, trader):
    gateway("totp", "enroll", trader, "--confirmed")
    assert gateway("totp", "reset", trader).code == 2

    assert "1 authenticator of user trader" in gateway("totp", "reset", trader, "--proof", "passport").out
    assert gateway("user", "show", trader, "--json").data["devices"] == []


@pytest.mark.req("TW-10", "TW-11")
def test_no_key_stands_in_the_store(gateway, trader):
    secret = gateway("totp", "enroll", trader, "--confirmed", "--json").data["secret"]

    kept = b"".join(file.read_bytes() for file in Path().glob("gateway.db*"))
    assert secret.encode() not in kept
    assert pyotp.TOTP(secret).byte_secret() not in kept
