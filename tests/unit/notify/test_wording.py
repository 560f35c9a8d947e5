"""The words: every kind has some, a value never makes a line, and nothing is said that is not known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.notify.kinds import CODE, LETTER, Kind
from gateway.notify.wording import TEXTS, words
from gateway.policy.links import Purpose

NOW = 1_800_000_000.0
PORTAL = "https://portal.example/"
TEXT_NAMES = sorted(file.stem for file in TEXTS.glob("*.txt") if not file.stem.startswith("_"))
FACTS = {
    "user": "tom", "address": "192.0.2.7", "protocol": "fix", "process": "ALGO", "actor": "root1", "role": "auditor",
    "until": NOW + 60, "changed": NOW - 60, "locked_until": NOW + 60, "fields": "email", "act": "change_email",
    "why": "moved", "request": "r1", "source": "root2", "rule": "crowd", "subject": "192.0.2.7", "country": "TW",
    "url": "https://portal.example/link/token", "code": "123456",
}  # fmt: skip


def test_every_kind_and_every_letter_has_a_text_and_every_text_is_used():
    used = {kind.value for kind in Kind} | {f"{LETTER}.{purpose.value}" for purpose in Purpose}

    assert used | {CODE, f"{CODE}.sms", "test"} == set(TEXT_NAMES)


@pytest.mark.parametrize("name", TEXT_NAMES)
@pytest.mark.parametrize("facts", [FACTS, {"user": "tom"}], ids=["all", "few"])
def test_a_text_reads_well_with_and_without_details(name, facts):
    if "until" not in facts and name in {"code", "code.sms"} | {one for one in TEXT_NAMES if one.startswith(LETTER)}:
        facts = {**facts, "until": NOW, "url": "u", "code": "c"}
    facts = {"locked_until": NOW, "until": NOW, "changed": NOW, **facts}

    found = words(name, facts, NOW, PORTAL)

    assert found.subject
    assert "\n" not in found.subject
    whole = found.subject + found.body
    assert "{{" not in whole
    assert "{%" not in whole
    assert "\n\n\n" not in found.body
    assert "None" not in whole


@pytest.mark.parametrize("kind", [Kind.LOGIN, Kind.PASSWORD, Kind.ENROLLED, Kind.CHANGED, Kind.PASSKEY_ADDED])
def test_a_notice_says_where_to_go_if_it_was_not_you(kind):
    assert PORTAL in words(kind.value, FACTS, NOW, PORTAL).body
    assert "administrator" in words(kind.value, FACTS, NOW).body


@pytest.mark.req("SF-1")
@pytest.mark.parametrize("name", ["code", "code.sms"])
def test_a_code_comes_with_the_advice_never_to_pass_it_on(name):
    found = words(name, FACTS, NOW)

    assert "123456" in found.subject + found.body
    assert "ever pass it on" in found.subject + found.body


@pytest.mark.req("SF-7", "HK-4")
def test_a_reminder_says_when_the_password_expires_or_that_it_is_old():
    assert "expires on 2027-01-15 08:01:00 UTC" in words("password.reminder", FACTS, NOW).subject
    old = words("password.reminder", FACTS | {"until": 0.0}, NOW)
    assert "is old" in old.subject
    assert "expires" not in old.subject + old.body


@given(st.text(), st.sampled_from(TEXT_NAMES))
def test_no_value_makes_a_line_of_its_own(value, name):
    plain = words(name, FACTS | {"user": "x", "why": "x", "actor": "x"}, NOW)
    odd = words(name, FACTS | {"user": value, "why": value, "actor": value}, NOW)

    assert len(odd.subject.splitlines()) <= 1
    assert len(odd.body.splitlines()) <= len(plain.body.splitlines())


def test_a_template_in_a_value_is_only_text():
    assert "{{ 7 * 7 }}" in words("login.admitted", {"user": "{{ 7 * 7 }}"}, NOW).subject


@pytest.mark.parametrize("sign", ["\u202e", "\u2066", "\u200b", "\ud800", "\x1b", "\u2028"])
def test_a_value_turns_no_order_around_and_hides_nothing(sign):
    found = words("request.made", FACTS | {"why": f"ask{sign}moc.elpmaxe.live"}, NOW)

    assert "Reason given: ask moc.elpmaxe.live" in found.body
