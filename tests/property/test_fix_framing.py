"""Framing and editing: byte by byte is all at once, three outcomes and no fourth, what was cut out can be put back."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.protocols.fix.fields import Change, cut, edit, scan
from gateway.protocols.fix.framing import Frame, Garbled, More, frame, sums_up
from tests.fixbytes import fix

TEXT = st.binary(min_size=1, max_size=20).map(lambda raw: raw.replace(b"\x01", b"x"))
PLAIN = st.tuples(st.sampled_from([49, 56, 58, 553, 11, 55]), TEXT)
DATA = st.binary(max_size=30).flatmap(lambda raw: st.just(((95, len(raw)), (96, raw))))


@st.composite
def messages(draw):
    fields = [(35, draw(st.sampled_from(["A", "D", "0", "AE"]))), (34, draw(st.integers(1, 10**6)))]
    for block in draw(st.lists(st.one_of(PLAIN.map(lambda field: (field,)), DATA), max_size=6)):
        fields += block
    length = None
    if draw(st.booleans()):
        body = sum(len(str(tag)) + len(value if isinstance(value, bytes) else str(value)) + 2 for tag, value in fields)
        length = f"{body:07d}"
    return fix(*fields, begin=draw(st.sampled_from(["FIX.4.2", "FIX.4.4", "FIXT.1.1"])), length=length)


@given(messages())
def test_a_message_byte_by_byte_needs_more_until_its_last_byte(data):
    for size in range(len(data)):
        assert isinstance(frame(data[:size]), More)
    found = frame(data)
    assert isinstance(found, Frame)
    assert found.end == len(data)


@given(messages(), st.binary(max_size=40))
def test_what_follows_a_message_does_not_change_where_it_ends(data, rest):
    assert frame(data + rest) == frame(data)


@given(st.one_of(st.binary(max_size=60), st.binary(max_size=40).map(lambda raw: b"8=FIX.4.4\x019=" + raw)))
def test_any_bytes_have_one_of_three_outcomes(data):
    assert isinstance(frame(data), Frame | More | Garbled)


@given(st.binary(min_size=1, max_size=60))
def test_garbled_stays_garbled_whatever_follows(data):
    for size in range(len(data)):
        if isinstance(frame(data[:size]), Garbled):
            assert isinstance(frame(data), Garbled)


@given(messages())
def test_scan_covers_every_byte_once(data):
    fields = scan(data)
    assert fields is not None
    assert b"".join(data[field.start : field.end] for field in fields) == data


@given(messages(), st.sampled_from([b"20030", b"554"]), TEXT, st.data())
def test_cutting_out_what_was_put_in_restores_every_byte(data, tag, secret, draw):
    fields = scan(data)
    places = [field.end for field in fields[2:-1] if field.tag != b"95"]
    at = draw.draw(st.sampled_from(places))
    with_secret = edit(data, [Change(at, at, tag + b"=" + secret + b"\x01")])
    assert sums_up(with_secret)
    assert isinstance(frame(with_secret), Frame)
    assert edit(with_secret, cut(scan(with_secret), frozenset((tag,)))) == data


@given(messages(), st.integers(1, 255), TEXT)
def test_an_edit_keeps_a_wrong_checksum_wrong_by_as_much(data, wrong, text):
    spoilt = data[:-4] + b"%03d\x01" % ((int(data[-4:-1]) + wrong) % 256)
    at = len(data) - 7
    edited = edit(spoilt, [Change(at, at, b"58=" + text + b"\x01")])
    assert (int(edited[-4:-1]) - sum(edited[:-7])) % 256 == wrong
