"""The short cut against the exact truth: whatever the splits and imitations, no byte is lost, changed or overtaken, and no
byte of a second Logon reaches the engine unjudged.
"""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.dialect import Found, Pass, Side, Violation
from gateway.core.login import Admitted, Memory, Moment
from gateway.core.reason import Reason
from gateway.protocols.fix.dialect import FixDialect
from tests.fixbytes import SENDING, from_engine, logon, message

NOW = Moment(0.0, SENDING)
FORGED = logon(7, user="mallory", sender="MALLORY")
TRAILER = b"\x0110=123\x01"
IMITATIONS = [
    TRAILER,
    FORGED,
    b"x" + TRAILER + FORGED,
    b"8=FIX.4.4\x019=400\x0135=D\x01",
    b"8=FIX.4.4\x019=5\x0135=0\x01" + TRAILER,
    message("D", 9, (11, "inner")),
    b"8=FIX.4.4\x019=17\x01",
]


def admitted(**how):
    dialect = FixDialect()
    (found,) = dialect.feed(Side.CLIENT, logon(1, **how), NOW)
    assert isinstance(found, Found)
    dialect.admitted(Admitted("s", "alice", 1800, 86400, Memory("k")))
    dialect.feed(Side.UPSTREAM, from_engine("A", 1, (98, 0), (108, 30)), NOW)
    dialect.released(NOW)
    return dialect


def arrive(dialect, side, chunk, short_cut=True):
    """Give a chunk to the session as net does; return what goes on, or the Violation."""
    out = dialect.watch(side)(chunk) if short_cut else None
    if out is not None:
        return out
    passed = b""
    for output in dialect.feed(side, chunk, NOW):
        if isinstance(output, Violation):
            return output
        assert output == Pass(side.other, output.data)
        passed += output.data
    return passed


@st.composite
def honest(draw):
    """A message as a real peer sends it, data fields with imitations of the worst kind included."""
    number = draw(st.integers(1, 10**5))
    kind = draw(st.sampled_from(["D", "8", "0", "1", "AE", "3", "F"]))
    width = draw(st.sampled_from([0, 0, 0, 4, 7, 12]))  # of BodyLength: 9=0000067 is real
    fields = [(58, draw(st.text("abc=|", min_size=1, max_size=9)))]
    if draw(st.booleans()):
        raw = b"".join(draw(st.lists(st.one_of(st.sampled_from(IMITATIONS), st.binary(max_size=9)), max_size=4)))
        fields += [(95, len(raw)), (96, raw)]
    return padded(message(kind, number, *fields), width)


def padded(data, width):
    """The message with a BodyLength of at least `width` digits, and the CheckSum that goes with it."""
    begin, length, body = data[:-7].split(b"\x01", 2)
    sealed = b"%b\x019=%0*d\x01%b" % (begin, width, int(length[2:]), body)
    return sealed + b"10=%03d\x01" % (sum(sealed) % 256)


@st.composite
def streams(draw, of):
    whole = b"".join(draw(st.lists(of, min_size=1, max_size=8)))
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=12)))
    near = [at + len(TRAILER) for at in _all(whole, TRAILER)]
    cuts = sorted({*cuts, *draw(st.lists(st.sampled_from(near), max_size=6))} if near else set(cuts))
    ends = [0, *cuts, len(whole)]
    return whole, [whole[a:b] for a, b in itertools.pairwise(ends) if b > a]


def _all(whole, what):
    at = whole.find(what)
    while at >= 0:
        yield at
        at = whole.find(what, at + 1)


@given(streams(honest()), st.sampled_from(list(Side)))
def test_an_honest_stream_passes_unchanged_however_it_is_split(stream, side):
    whole, chunks = stream
    dialect = admitted()
    assert b"".join(arrive(dialect, side, chunk) for chunk in chunks) == whole


@given(streams(honest()), st.sampled_from(list(Side)))
def test_the_exact_look_passes_the_same_bytes(stream, side):
    whole, chunks = stream
    dialect = admitted()
    assert b"".join(arrive(dialect, side, chunk, short_cut=False) for chunk in chunks) == whole


garbage = st.one_of(
    st.binary(min_size=1, max_size=30),
    st.sampled_from([*IMITATIONS, b"8=FIX", b"35=A\x01", b"35=A", b"8=FIX.4.4\x019=100000\x0135=D\x01", b"\x01"]),
)


@pytest.mark.req("BY-2")
@given(streams(st.one_of(honest(), garbage, st.just(FORGED))))
def test_no_second_logon_of_another_reaches_the_engine_wherever_the_engine_thinks_messages_begin(stream):
    whole, chunks = stream
    dialect = admitted()
    passed = b""
    for chunk in chunks:
        out = arrive(dialect, Side.CLIENT, chunk)
        if isinstance(out, Violation):
            break
        passed += out
    assert whole.startswith(passed)
    for at in _all(passed, b"35=A\x01"):
        assert inside_a_data_field(passed, at)


def inside_a_data_field(stream, at):
    """Walk the stream as every engine does that began in step: by BodyLength, from the first byte."""
    start = 0
    while start < len(stream):
        assert stream.startswith(b"8=FIX.4.4\x019=", start), "a Logon's MsgType behind lost framing"
        length_end = stream.index(b"\x01", start + 12)
        body = length_end + 1
        end = body + int(stream[start + 12 : length_end]) + 7
        if start <= at < end:
            raw = stream.index(b"\x0196=", body)
            return raw < at < end and int(stream[end - 4 : end - 1]) == sum(stream[start : end - 7]) % 256
        start = end
    return False


@given(st.lists(st.one_of(garbage, honest()), max_size=12), st.sampled_from(list(Side)), st.booleans())
def test_any_bytes_of_a_passing_session_never_raise(chunks, side, short_cut):
    dialect = admitted()
    for chunk in chunks:
        if isinstance(arrive(dialect, side, chunk, short_cut), Violation):
            break
    dialect.dismissed(Reason.IDLE, "idle", NOW)
    dialect.epilogue()


@pytest.mark.req("BY-2")
@given(st.lists(st.one_of(garbage, honest(), st.just(logon(1))), max_size=8))
def test_never_a_byte_upstream_before_admission_and_never_an_exception(chunks):
    dialect = FixDialect()
    for chunk in chunks:
        for side in (Side.CLIENT, Side.UPSTREAM):
            outputs = dialect.feed(side, chunk, NOW)
            assert not [output for output in outputs if isinstance(output, Pass)]
        if any(isinstance(output, Violation) for output in outputs):
            break


@given(st.lists(st.integers(0, 300), min_size=1, max_size=20))
def test_a_logon_is_found_the_same_in_any_pieces(cuts):
    data = logon(5) + message("D", 6, (11, "x"))
    ends = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    dialect = FixDialect()
    found = [output for a, b in itertools.pairwise(ends) for output in dialect.feed(Side.CLIENT, data[a:b], NOW)]
    assert [type(output) for output in found] == [Found]
    assert found[0].login.user == "alice"
