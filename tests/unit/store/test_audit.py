"""The audit record's arithmetic: canonical, bound to its store, and with no room for a secret."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.reason import Reason
from gateway.core.secret import Secret
from gateway.store.audit import (
    DETAIL_KEYS,
    MAX_TEXT,
    AuditEntry,
    Event,
    canonical_json,
    genesis,
    head_mac,
    link,
    plain,
    seal,
)

texts = st.text(st.characters(codec=None), max_size=300)
details = st.dictionaries(st.sampled_from(sorted(DETAIL_KEYS)), texts | st.integers() | st.booleans(), max_size=5)


@given(texts)
def test_plain_text_is_what_every_engine_can_hold(text: str):
    found = plain(text)

    assert "\0" not in found
    assert found.encode("utf-8").decode() == found
    assert len(found) <= MAX_TEXT
    assert plain(found) == found


@given(texts, texts, details)
@pytest.mark.req("BY-6")
def test_a_row_is_sealed_the_same_whatever_the_order_of_its_details(user: str, session: str, values: dict):
    entry = AuditEntry(1.25, Event.LOGIN_REFUSED, Reason.BAD_CODE, user, session, "::1", values)
    turned = AuditEntry(
        1.25, Event.LOGIN_REFUSED, Reason.BAD_CODE, user, session, "::1", dict(reversed(values.items()))
    )
    row = seal(5, b"p" * 32, entry)

    assert row == seal(5, b"p" * 32, turned)
    assert row.hash == link(
        row.prev_hash, (row.seq, row.wall, row.event, row.reason, row.user, row.session, row.address, row.details)
    )
    assert json.loads(row.details) == dict(entry.details)
    assert (row.wall, row.event, row.reason) == (1_250_000, "login.refused", "bad_code")


@given(st.lists(texts, min_size=5, max_size=5), st.lists(texts, min_size=5, max_size=5))
@pytest.mark.req("BY-6")
def test_two_rows_that_differ_anywhere_have_different_hashes(one: list[str], other: list[str]):
    first = link(b"p" * 32, (1, 1, "e", *one))
    second = link(b"p" * 32, (1, 1, "e", *other))

    assert (first == second) == (one == other)


def test_text_moved_from_one_field_to_the_next_is_another_row():
    assert link(b"", (1, 1, "a", "b", "c", "", "", "{}")) != link(b"", (1, 1, "a", "bc", "", "", "", "{}"))
    assert link(b"", (1, 1, 'a","b', "", "", "", "", "{}")) != link(b"", (1, 1, "a", "b", "", "", "", "{}"))


def test_the_chains_of_two_stores_have_nothing_in_common():
    assert genesis("a") != genesis("b")
    assert head_mac(b"k", "a", 1, b"h") != head_mac(b"k", "b", 1, b"h")
    assert head_mac(b"k", "a", 1, b"h") != head_mac(b"k", "a", 2, b"h")
    assert head_mac(b"k", "a", 1, b"h") != head_mac(b"q", "a", 1, b"h")


@pytest.mark.req("TW-10")
@pytest.mark.parametrize("value", [Secret(b"x"), b"x", None, ["x"], {"password": "x"}])
def test_only_text_and_numbers_enter(value: object):
    with pytest.raises(ValueError, match="audit detail"):
        AuditEntry(0, Event.LOGIN_REFUSED, details={"count": value})


@pytest.mark.req("TW-10")
@pytest.mark.parametrize("field", ["user", "session", "address"])
def test_a_secret_is_no_text(field: str):
    with pytest.raises(TypeError, match="Secret"):
        AuditEntry(0, Event.LOGIN_REFUSED, **{field: Secret(b"x")})


@pytest.mark.req("TW-10")
@pytest.mark.parametrize("key", ["password", "code", "key", "secret", "hash", "text"])
def test_no_key_is_there_for_a_secret(key: str):
    assert key not in DETAIL_KEYS
    with pytest.raises(ValueError, match="fixed keys"):
        AuditEntry(0, Event.LOGIN_REFUSED, details={key: "x"})


def test_no_number_json_cannot_hold():
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"count": float("nan")})
