"""Passwords everybody tries first, and those that are not."""

import time

import pytest

from gateway.auth.blocked import blocked_faults, words_in
from gateway.wiring import blocked_words

SHIPPED = blocked_words(None)


@pytest.mark.req("TW-6")
@pytest.mark.parametrize(
    "password",
    [
        "Password123!", "P@ssw0rd2026", "**Welcome1**", "WelcomeAdmin2026!", "Qwertyuiop-12", "Summer2026!!!", "ch4ngeM3-99",
        "123Letmein456", "Trading.Gateway.1",
    ],
)  # fmt: skip
def test_a_common_word_stays_one_whatever_is_around_it(password: str):
    assert blocked_faults(SHIPPED, password) == ["is a common password with ornaments"]


@pytest.mark.req("TW-6")
@pytest.mark.parametrize(
    "password", ["correct Horse 7", "Correct-Horse-9", "another Horse 9", "4711-kölsch-Kobes", "123!987?abzu"]
)
def test_another_one_is_not_blocked(password: str):
    assert blocked_faults(SHIPPED, password) == []


@pytest.mark.req("TW-6")
def test_a_pattern_is_no_password():
    assert blocked_faults(frozenset(), "aA1-aA1-aA1-") == ["has fewer than 5 different characters"]


@pytest.mark.req("TW-6")
def test_a_houses_own_words_are_blocked_beside_the_shipped_ones(tmp_path):
    own = tmp_path / "own.txt"
    own.write_text("# ours\n\nAcme Securities\n")
    words = blocked_words(own)
    assert blocked_faults(words, "AcmeSecurities#1") != []
    assert words > SHIPPED


def test_a_long_one_costs_little():
    began = time.process_time()
    blocked_faults(words_in(["test", "te", "st"]), "test" * 256)
    assert time.process_time() - began < 2
