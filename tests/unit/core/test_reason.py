import pytest

from gateway.core.reason import Disclosure, Reason, public_text

NEUTRAL = [reason for reason in Reason if reason.disclosure is Disclosure.NEUTRAL]


def test_every_key_is_a_metric_label_and_unique():
    keys = [reason.key for reason in Reason]
    assert len(set(keys)) == len(keys)
    assert all(key.isidentifier() and key.islower() for key in keys)


def test_a_reason_is_read_back_from_its_key():
    assert all(Reason(reason.key) is reason for reason in Reason)


@pytest.mark.parametrize("reason", [r for r in Reason if r.disclosure is Disclosure.SILENT], ids=lambda r: r.key)
def test_a_silent_reason_has_no_words(reason):
    assert public_text(reason, 30, "https://portal") == ""


@pytest.mark.req("M7-11", "BY-3")
def test_all_neutral_reasons_read_the_same():
    assert len({public_text(reason, 17, "https://portal") for reason in NEUTRAL}) == 1


@pytest.mark.req("BY-3")
def test_a_refusal_says_how_long_to_wait():
    assert "in 17 s" in public_text(Reason.BAD_CODE, 17)
    assert "retry" not in public_text(Reason.BAD_CODE, 0)


@pytest.mark.req("CQ-2")
def test_a_user_without_an_authenticator_is_told_where_to_get_one():
    assert public_text(Reason.NOT_ENROLLED, 0, "https://portal").endswith("See https://portal")


@pytest.mark.parametrize("reason", Reason, ids=lambda r: r.key)
def test_every_text_fits_into_a_fix_field(reason):
    text = public_text(reason, 999, "https://portal.example/otp")
    assert text.isascii()
    assert "\x01" not in text
    assert text.isprintable()


def test_what_is_told_has_words_of_its_own():
    told = [public_text(r) for r in Reason if r.disclosure is Disclosure.TOLD and r is not Reason.LOGOUT]
    assert len(set(told)) == len(told)
