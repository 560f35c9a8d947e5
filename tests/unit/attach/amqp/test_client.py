"""What is found of the client's bytes, and that everything else passes as it is."""

import pytest

from gateway.attach.dialect import Dials
from gateway.core.dialect import Side
from tests.blackbox import amqp_bytes as amqp
from tests.unit.attach.amqp.talks import (
    BODY,
    PASSWORD_VENUE,
    VENUE,
    dialect,
    greeted,
    handshake,
    login,
    pieces_of,
    played,
)
from tests.unit.protocols.amqp.talk import EXCHANGE, KEY, order, plain, request

OTHER = f"<Inquiry>{'x' * 50}</Inquiry>".encode()


@pytest.mark.req("BY-10")
def test_a_whole_login_conversation_is_found_however_it_is_cut():
    data = b"".join([*handshake(), login(), order("one")])

    for chunks in ([data], pieces_of(data), pieces_of(data, 7)):
        before, found, after = played(dialect(), *chunks)
        assert before == b"".join(handshake())
        assert found.dressed(1).startswith(login()[:20])
        assert after == order("one")


@pytest.mark.req("BY-10")
@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(request(OTHER), id="another request by the login's key"),
        pytest.param(request(b"<LoginReq"), id="no XML"),
        pytest.param(request(b""), id="an empty body"),
        pytest.param(request(BODY, key="inquiri"), id="another key"),
        pytest.param(request(BODY, exchange="elsewhere"), id="another exchange"),
        pytest.param(request(BODY, exchange="req.somebody"), id="another user's exchange"),
        pytest.param(request(BODY.replace(b' user="trader"', b"")), id="no user"),
        pytest.param(request(BODY.replace(b"<LoginReq ", b'<LoginReq xmlns="urn:x" ')), id="another namespace"),
        pytest.param(request(b"<!DOCTYPE a>" + BODY), id="a DOCTYPE"),
        pytest.param(request(BODY + b" " * 70_000), id="a large body"),
        pytest.param(amqp.publish_method(1, EXCHANGE, KEY) * 2 + order("x"), id="a publish without a content"),
        pytest.param(login()[:-1] + b"\0" + order("x"), id="a broken frame"),
        pytest.param(amqp.publish_method(1, EXCHANGE, KEY) + amqp.header(1, 3) + amqp.pieces(1, b"x" * 9, 9)[0], id="a longer body"),
        pytest.param(amqp.frame(9, 1, b"?") + login(), id="another kind of frame"),
        pytest.param(amqp.frame(amqp.BODY, 1, b"x" * 5000) + login(), id="a frame over the limit"),
    ],
)  # fmt: skip
def test_what_is_no_login_that_the_gateway_would_take_passes_as_it_is(sent):
    for chunks in ([sent], pieces_of(sent, 3)):
        assert played(greeted(), *chunks) == [sent]


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", b"AMQP\0\1\0\x09" + login(), b"\x16\x03\x01"])
def test_what_is_no_amqp_passes_as_it_is(data):
    assert played(dialect(), *pieces_of(data)) == [data]


@pytest.mark.req("BY-10")
def test_other_channels_frames_between_those_of_a_login_follow_it_in_their_order():
    publish, header, *body = [amqp.frame(one.kind, one.channel, one.payload) for one in _frames(login(split=30))]
    second = [amqp.frame(one.kind, one.channel, one.payload) for one in _frames(order("two", 2))]
    mixed = [publish, second[0], header, amqp.HEARTBEAT_FRAME, body[0], *second[1:], *body[1:], order("three", 3)]

    found, after = played(greeted(), *mixed)

    alone = played(greeted(), login())[0].dressed(1)
    others = second[0] + amqp.HEARTBEAT_FRAME + b"".join(second[1:])
    assert found.dressed(1) == alone + others
    assert after == order("three", 3)


@pytest.mark.req("BY-10")
def test_a_request_that_is_no_login_keeps_its_place_among_other_channels_frames():
    first = [amqp.frame(one.kind, one.channel, one.payload) for one in _frames(request(OTHER, split=10))]
    second = [amqp.frame(one.kind, one.channel, one.payload) for one in _frames(order("two", 2))]
    mixed = b"".join([first[0], second[0], *first[1:4], *second[1:], *first[4:]])

    assert played(greeted(), mixed) == [mixed]


@pytest.mark.req("BY-10")
def test_while_a_login_waits_no_chunk_takes_the_short_cut():
    one = greeted()
    watch = one.watch(Side.CLIENT)
    assert watch(order("one")) == order("one")
    (found,) = one.feed(login())

    one.found(found)
    assert watch(order("two")) is None
    one.sent(found)
    assert watch(order("two")) == order("two")


@pytest.mark.req("BY-10", "CQ-7")
def test_with_the_code_in_the_password_start_ok_is_the_login_and_nothing_behind_the_handshake_is_looked_at():
    data = b"".join([*handshake(), login(), b"anything"])

    header, found, rest = played(dialect(PASSWORD_VENUE), *pieces_of(data, 5))

    assert header == amqp.HEADER
    assert found.dressed(1).startswith(plain()[:1])
    assert rest == data[len(amqp.HEADER + plain()) :]


@pytest.mark.parametrize(
    "said", [amqp.start_ok("EXTERNAL", b""), amqp.start_ok("PLAIN", b"no nul"), plain()[:-1] + b"x"]
)
def test_another_answer_to_the_brokers_greeting_passes_as_it_is(said):
    assert played(dialect(PASSWORD_VENUE), amqp.HEADER + said) == [amqp.HEADER + said]


@pytest.mark.req("BY-10")
def test_the_upstream_is_dialled_once_there_is_a_code_where_the_login_follows_at_once():
    assert dialect(PASSWORD_VENUE).dials is Dials.AT_TURN
    assert dialect(VENUE).dials is Dials.AT_ONCE


@pytest.mark.req("BY-10")
def test_heartbeats_go_as_often_as_the_clients_own_and_not_where_none_were_agreed():
    one = greeted(heartbeat=20)

    assert [bool(one.beat(now)) for now in (100.0, 105.0, 109.9, 110.0, 119.0)] == [True, False, False, True, False]
    assert greeted(heartbeat=20).beat(5.0) == amqp.HEARTBEAT_FRAME
    assert greeted(heartbeat=0).beat(100.0) == b""


def test_what_waits_for_the_end_of_a_request_is_bounded():
    one = greeted()
    assert played(one, amqp.publish_method(1, EXCHANGE, KEY)) == []

    flood = order("x" * 3000, 2) * 400
    assert played(one, flood) == [amqp.publish_method(1, EXCHANGE, KEY) + flood]


def _frames(data: bytes) -> list[amqp.Frame]:
    from tests.unit.protocols.amqp.talk import frames

    return frames(data)
