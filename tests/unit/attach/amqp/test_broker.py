"""What is heard of the broker: the answer to the login that was sent last, however its bytes come."""

import struct

import pytest

from gateway.attach.dialect import Answer
from gateway.core.reason import Reason, public_text
from gateway.protocols.amqp.venue import AnswerBy, Venue
from tests.blackbox import amqp_bytes as amqp
from tests.unit.attach.amqp.talks import (
    PASSWORD_VENUE,
    VENUE,
    dialect,
    greeted,
    handshake,
    heard,
    login,
    pieces_of,
    played,
)
from tests.unit.protocols.amqp.talk import ack, deliver, start, tune

GOOD = b'<UserRprt sessionId="S1"/>'
CONFIRMED = Venue(**{**{name: getattr(VENUE, name) for name in VENUE.__slots__}, "answer": AnswerBy.CONFIRM})


def bad(text: str) -> bytes:
    return f'<ErrResp><Error err="{text}"/></ErrResp>'.encode()


def asked(venue: Venue = VENUE):
    """A dialect whose login went up."""
    one = greeted(venue)
    played(one, login(correlation_id="c1"))
    return one


def answer(body: bytes, channel: int = 1, number: str = "c1", **how) -> bytes:
    return deliver(channel, body, correlation_id=number, **how)


@pytest.mark.req("BY-10")
def test_the_venues_good_answer_is_one_whatever_channel_it_comes_on():
    assert heard(asked(), answer(GOOD)) == Answer(accepted=True)
    assert heard(asked(), answer(GOOD, 2, split=5)) == Answer(accepted=True)


@pytest.mark.req("BY-10", "BY-3")
@pytest.mark.parametrize("reason", [Reason.BAD_CODE, Reason.LOCKED, Reason.REPLAYED_CODE])
def test_every_refusal_of_the_gateways_own_says_how_long_to_wait(reason):
    body = bad("Auth error: " + public_text(reason, 17, "https://portal.example/99 s"))

    assert heard(asked(), *pieces_of(answer(body))) == Answer(accepted=False, told=17)


@pytest.mark.req("BY-10")
@pytest.mark.parametrize(
    ("text", "told"), [("wait 30 seconds", 30), ("Please wait 5 s", 5), ("Auth error", 0), ("closing in 5 s", 0)]
)
def test_an_errresp_of_the_exchange_may_say_it_too(text, told):
    assert heard(asked(), answer(bad(text))) == Answer(accepted=False, told=told)


@pytest.mark.req("BY-10")
@pytest.mark.parametrize(
    "other",
    [
        pytest.param(answer(GOOD, number="c2"), id="to another request"),
        pytest.param(answer(b"<AckResp/>"), id="another message"),
        pytest.param(answer(b"SYSTEM_ALIVE"), id="no XML"),
        pytest.param(ack(1, 1), id="a confirm"),
        pytest.param(amqp.HEARTBEAT_FRAME, id="a heartbeat"),
        pytest.param(amqp.channel_close(2), id="the end of another channel"),
    ],
)
def test_what_is_no_answer_to_it_is_none_and_the_answer_behind_it_is_found(other):
    one = asked()

    assert heard(one, other) is None
    assert heard(one, answer(GOOD)) == Answer(accepted=True)


@pytest.mark.req("BY-10")
@pytest.mark.parametrize(
    "end",
    [
        amqp.channel_close(1),
        amqp.connection_close(403, "ACCESS_REFUSED"),
        amqp.method(
            "basic.return", 1, struct.pack("!H", 312) + amqp.short("NO_ROUTE") + amqp.short("e") + amqp.short("k")
        )
        + amqp.header(1, 2, correlation_id="c1")
        + amqp.pieces(1, b"xx", 2)[0],
    ],
)
def test_a_login_that_the_broker_would_not_take_was_refused(end):
    assert heard(asked(), end) == Answer(accepted=False)


@pytest.mark.req("BY-10")
def test_where_frames_end_is_known_though_nothing_was_awaited_before():
    one, before = greeted(), answer(b"x" * 30) + ack(1, 1)
    heard(one, *pieces_of(before + answer(GOOD)[:11], 4), along=False)
    played(one, login(correlation_id="c1"))

    assert heard(one, answer(GOOD)[11:]) == Answer(accepted=True)


def test_an_answer_is_given_once():
    one = asked()
    assert heard(one, answer(GOOD)) is not None

    assert heard(one, answer(GOOD)) is None


def test_bytes_that_are_no_frames_pass_and_nothing_more_is_heard():
    one = asked()
    assert heard(one, b"\xff" * 40) is None
    assert heard(one, answer(GOOD)) is None
    heard(one, b"whatever", along=False)


@pytest.mark.req("BY-10")
def test_where_no_login_is_answered_a_confirm_settles_unless_a_refusal_follows():
    """A gateway confirms what it swallows, too."""
    one = asked(CONFIRMED)

    taken = heard(one, ack(1, 1))

    assert taken is not None
    assert (taken.accepted, taken.settles > 2) == (True, True)
    assert heard(one, ack(1, 2)) is None
    assert heard(one, answer(bad("retry with a new code in 9 s"))) == Answer(accepted=False, told=9)


def test_where_no_login_is_answered_a_nack_is_a_refusal():
    assert heard(asked(CONFIRMED), ack(1, 1, name="basic.nack")) == Answer(accepted=False)


@pytest.mark.req("BY-10", "CQ-7")
def test_behind_a_password_the_handshakes_next_word_is_the_answer():
    for end, told in ((tune(), None), (amqp.connection_close(403, "ACCESS_REFUSED - retry with a new code in 8 s"), 8)):
        one = dialect(PASSWORD_VENUE)
        heard(one, start(), along=False)
        played(one, *handshake()[:2])

        assert heard(one, *pieces_of(end, 3)) == Answer(accepted=told is None, told=told or 0)
