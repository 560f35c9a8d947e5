"""What is looked at: the client's Logons, however the bytes arrive, and the upstream's answer."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.attach.dialect import Answer
from gateway.attach.fix.dialect import AnswerReader, FixDialect, FoundLogon
from gateway.attach.fix.logon import Dresser
from gateway.attach.key import parse_key
from gateway.core.dialect import Side
from gateway.core.reason import Reason, public_text
from gateway.protocols.fix.venue import Venue
from tests.fixbytes import from_engine, logon, message

DRESSER = Dresser(Venue(), parse_key(base64.b32encode(b"12345678901234567890").decode(), "test"))
ORDER = message("D", 2, (11, "A-1"), (55, "X"))
BEAT = message("0", 3)
SLY = message("D", 4, (95, 12), (96, b"x\x0135=A\x01yyyyy"))
AGAIN = logon(5, (141, "Y"))
STREAM = [logon(), ORDER, BEAT, SLY, AGAIN, b"garbage", ORDER, message("2", 6, (7, 1), (16, 0))]


def joined(pieces):
    """Neighbouring bytes as one, so that only order and Logons count."""
    found = []
    for piece in pieces:
        if isinstance(piece, bytes) and found and isinstance(found[-1], bytes):
            found[-1] += piece
        elif piece:
            found.append(piece)
    return found


def played(chunks):
    """Feed chunks as the sidecar does: through the watch where it may, and exactly where it must."""
    stream, out = FixDialect(DRESSER), []
    for chunk in chunks:
        watch = stream.watch(Side.CLIENT)
        quick = watch(chunk) if watch else None
        if quick is not None:
            out.append(quick)
            continue
        pieces = stream.feed(chunk)
        for piece in pieces:
            if isinstance(piece, FoundLogon):
                stream.found(piece)
                stream.sent(piece)
            out.append(piece)
    return joined(out)


WHOLE = [FoundLogon(logon(), DRESSER), ORDER + BEAT + SLY, FoundLogon(AGAIN, DRESSER), b"garbage" + ORDER + STREAM[-1]]


@pytest.mark.req("BY-10")
def test_byte_by_byte_is_all_at_once():
    data = b"".join(STREAM)

    assert played([data]) == WHOLE
    assert played([data[i : i + 1] for i in range(len(data))]) == WHOLE
    assert played(STREAM) == WHOLE


@pytest.mark.req("BY-10")
@given(st.lists(st.integers(1, 200), max_size=30))
def test_cut_anywhere_it_is_the_same(sizes):
    data, chunks, at = b"".join(STREAM), [], 0
    for size in sizes:
        chunks.append(data[at : at + size])
        at += size

    assert played([*filter(None, chunks), data[at:]] if at < len(data) else [*filter(None, chunks)]) == WHOLE


def test_a_found_logon_shows_nothing_of_itself():
    assert "pw" not in repr(FoundLogon(logon(password="pw-canary"), DRESSER))


@given(st.binary(max_size=200))
def test_no_byte_is_lost_whatever_they_are(data):
    stream = FixDialect(DRESSER)
    out = b"".join(p.message if isinstance(p, FoundLogon) else p for p in stream.feed(data))

    assert data.startswith(out)
    assert len(out) + stream.unfinished == len(data)


def answer_to(*chunks: bytes) -> Answer | None:
    reader = AnswerReader()
    return next((answer for chunk in chunks if (answer := reader.feed(chunk))), None)


@pytest.mark.req("BY-10")
def test_a_logon_is_a_good_answer():
    assert answer_to(from_engine("A", 1)) == Answer(accepted=True)


@pytest.mark.req("BY-10")
@pytest.mark.parametrize("reason", [Reason.BAD_CODE, Reason.LOCKED, Reason.REPLAYED_CODE])
def test_every_refusal_of_the_gateways_own_says_how_long_to_wait(reason):
    text = public_text(reason, 17, "https://portal.example/99 s")

    assert answer_to(from_engine("5", 1, (58, text))) == Answer(accepted=False, told=17)


@pytest.mark.req("BY-10")
@pytest.mark.parametrize("text", ["Login refused", "closing in 5 s", "retry later", "retry in x s"])
def test_a_text_that_names_no_time_names_none(text):
    assert answer_to(from_engine("5", 1, (58, text))) == Answer(accepted=False)


def test_an_answer_is_read_byte_by_byte_and_behind_the_rest_of_another_message():
    data = ORDER[20:] + from_engine("0", 8) + from_engine("5", 9, (58, "retry in 4 s"))

    assert answer_to(*(data[i : i + 1] for i in range(len(data)))) == Answer(accepted=False, told=4)
