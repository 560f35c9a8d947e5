import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.login import Memory
from gateway.protocols.fix.continuity import MAX_HOLES, Claim, Known, Record, decode, encode, recall, refusal
from gateway.protocols.fix.holes import Holes

GOES_ON = Claim(50, reset=False, expected=None)
BEGINS_AGAIN = Claim(1, reset=False, expected=None)
ORDERLY = Record(last_out=20, next_in=40, orderly=True)
BROKEN = Record(last_out=20, next_in=40, orderly=False)


@given(st.builds(Record, st.integers(0, 99), st.integers(1, 99), st.booleans(), st.sets(st.integers(1, 99)).map(Holes)))
def test_a_record_is_read_as_it_was_written(record):
    read = decode(encode(record))
    assert (read.last_out, read.next_in, read.orderly) == (record.last_out, record.next_in, record.orderly)
    assert read.holes.numbers == record.holes.numbers


@given(
    st.one_of(st.binary(), st.sampled_from([b"null", b"[1]", b'{"v":2}', b'{"v":1,"out":1,"in":0,"ok":1,"holes":[]}']))
)
def test_any_other_value_is_unknown_and_never_an_error(value):
    assert decode(value) is None


@pytest.mark.parametrize("holes", ["[2,1]", "[1,1]", "[0]", "[-1]", '["1"]', "[true]", "7", str(list(range(1, 1002)))])
def test_holes_that_can_not_be_make_the_value_unknown(holes):
    assert decode(f'{{"v":1,"out":9,"in":9,"ok":1,"holes":{holes},"again":0}}'.encode()) is None


def test_a_stream_nobody_has_used_is_known_to_be_fresh():
    known = recall(Memory("k"))
    assert known is not None
    assert known.sure
    assert known.record.fresh


def test_an_open_stream_is_a_lower_bound_and_a_foreign_value_is_unknown():
    assert not recall(Memory("k", 3, encode(ORDERLY), open=True)).sure
    assert recall(Memory("k", 3, b"who knows")) is None


@pytest.mark.req("BY-1")
def test_on_a_fresh_stream_each_refusal_takes_the_next_number():
    number, after = refusal(Known(Record(), True), BEGINS_AGAIN)
    assert (number, after.holes.numbers, after.last_out) == (1, (1,), 1)
    number, after = refusal(Known(after, True), Claim(2, reset=False, expected=None))
    assert (number, after.holes.numbers, after.last_out, after.restart) == (2, (1, 2), 2, 2)


@pytest.mark.req("BY-1")
def test_behind_an_orderly_logout_the_next_number_is_known():
    number, after = refusal(Known(ORDERLY, True), GOES_ON)
    assert (number, after.holes.numbers, after.last_out, after.orderly) == (21, (21,), 21, True)


@pytest.mark.req("BY-1")
@pytest.mark.parametrize("known", [Known(BROKEN, True), Known(ORDERLY, False), Known(BROKEN, False)])
def test_behind_a_broken_line_or_on_an_open_stream_nothing_is_said(known):
    assert refusal(known, GOES_ON) is None


def test_next_expected_msg_seq_num_proves_what_the_client_has_behind_a_broken_line():
    number, after = refusal(Known(BROKEN, True), Claim(50, reset=False, expected=21))
    assert (number, after.holes.numbers) == (21, (21,))
    assert refusal(Known(BROKEN, True), Claim(50, reset=False, expected=19)) is None


def test_an_open_stream_answers_a_reset_only_as_its_live_session_will_overwrite_the_count():
    assert refusal(Known(ORDERLY, False), Claim(1, reset=True, expected=None))[0] == 1
    assert refusal(Known(ORDERLY, False), BEGINS_AGAIN) is None
    assert refusal(Known(ORDERLY, False), Claim(2, reset=False, expected=None)) is None


@pytest.mark.parametrize("claim", [Claim(1, reset=True, expected=None), BEGINS_AGAIN])
@pytest.mark.parametrize("known", [Known(ORDERLY, True), Known(BROKEN, True)])
def test_a_client_that_begins_again_expects_one(known, claim):
    number, after = refusal(known, claim)
    assert (number, after.restart) == (1, 1)


def test_a_client_below_its_last_number_has_begun_again_some_logons_ago():
    _, after = refusal(Known(BROKEN, True), BEGINS_AGAIN)
    number, after = refusal(Known(after, True), Claim(2, reset=False, expected=None))
    assert (number, after.restart) == (2, 2)


@pytest.mark.req("BY-1")
def test_a_forged_logon_takes_no_hole_away():
    _, after = refusal(Known(ORDERLY, True), Claim(2, reset=False, expected=None))
    for forged in (BEGINS_AGAIN, Claim(1, reset=True, expected=None), Claim(10**9, reset=False, expected=10**9)):
        before = after
        _, after = refusal(Known(before, True), forged)
        assert after.restart > before.restart
        assert set(after.holes.numbers) >= set(before.holes.numbers)
        assert after.last_out <= before.last_out + 1
        assert after.next_in == before.next_in


def test_beyond_the_limit_it_is_silent():
    known = Known(Record(2000, 3000, orderly=True, holes=Holes(range(1, MAX_HOLES + 1))), True)
    assert refusal(known, GOES_ON) is None
    assert refusal(known, GOES_ON, forced=True) is None


def test_forced_speaks_where_the_number_is_not_known():
    assert refusal(Known(BROKEN, True), GOES_ON, forced=True)[0] == 21
