"""The sidecar over AMQP (BY-10): whatever passes, and however it is cut, no byte changes but those of a login."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.attach.dialect import Answer
from gateway.protocols.amqp.requests import LoginRequest, read_login
from tests.blackbox import amqp_bytes as amqp
from tests.unit.attach.amqp.talks import (
    BODY,
    CODE,
    PASSWORD_VENUE,
    VENUE,
    dialect,
    greeted,
    handshake,
    heard,
    login,
    played,
)
from tests.unit.protocols.amqp.talk import EXCHANGE, KEY, QUEUE, ack, deliver, frames, plain, request

BODIES = st.one_of(st.binary(max_size=40), st.sampled_from([b"", b"ALIVE", b"<Order/>", BODY[:-1], b"x" * 9000]))
OTHERS = st.one_of(
    st.builds(lambda body, split: request(body, key="management", split=split), BODIES, st.sampled_from([1, 7, 4000])),
    st.builds(lambda body, split: request(body, split=split), BODIES, st.sampled_from([1, 7, 4000])),
    st.sampled_from([request(BODY, exchange="elsewhere"), request(BODY, key="other"), request(BODY, 2, exchange="x")]),
    st.sampled_from([ack(1, 1), amqp.get(1, QUEUE), amqp.HEARTBEAT_FRAME, amqp.channel_open(3), amqp.tune_ok(1, 0, 0)]),
)
GARBLED = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([amqp.publish_method(1, EXCHANGE, KEY), amqp.header(1, 5), amqp.frame(7, 0, b"")]),
)


@st.composite
def cut(draw, data: bytes) -> list[bytes]:
    pieces = []
    while data:
        size = draw(st.sampled_from([1, 3, 8, 50, 5000, 70_000]))
        pieces.append(data[:size])
        data = data[size:]
    return pieces


@pytest.mark.req("BY-10")
@settings(max_examples=60, deadline=None)
@given(st.lists(OTHERS, max_size=8).map(b"".join), st.data())
def test_where_nobody_logs_in_every_byte_passes_in_its_place(sent, data):
    whole = b"".join(handshake()) + sent

    assert b"".join(played(dialect(), *data.draw(cut(whole)))) == whole


@pytest.mark.req("BY-10")
@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(OTHERS, GARBLED), max_size=6).map(b"".join), st.data())
def test_what_is_no_amqp_loses_no_byte_and_the_rest_is_no_more_than_what_is_unfinished(sent, data):
    one = greeted()

    out = played(one, *data.draw(cut(sent)))

    came = b"".join(piece if isinstance(piece, bytes) else b"" for piece in out)
    assert sent.startswith(came)
    assert came == sent or one.unfinished > 0


@pytest.mark.req("BY-10")
@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(OTHERS, st.just(login()), st.just(login(split=5))), max_size=8), st.data())
def test_logins_are_found_in_their_places_however_all_of_it_is_cut(messages, data):
    """Between them every byte is the client's own; in them the gateway reads what the client wrote, and a code."""
    whole = b"".join(messages)

    out = played(greeted(), *data.draw(cut(whole)))

    assert _logins(out) == _logins(played(greeted(), whole))
    undone = b"".join(piece if isinstance(piece, bytes) else _undressed(piece.dressed(1)) for piece in out)
    assert _joined(undone) == _joined(whole)
    assert len(_logins(out)) == sum(message in (login(), login(split=5)) for message in messages)


@pytest.mark.req("BY-10", "CQ-7")
@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.data())
def test_with_the_code_in_the_password_nothing_but_start_ok_changes(sent, data):
    said = handshake()

    before, found, after = played(dialect(PASSWORD_VENUE), *data.draw(cut(b"".join(said) + sent)))

    assert (before, after) == (said[0], b"".join(said[2:]) + sent)
    assert found.dressed(1) == plain(password="secret" + CODE)


DELIVERED = st.one_of(
    st.builds(lambda body, split: deliver(2, body, split=split), BODIES, st.sampled_from([1, 7, 4000])),
    st.builds(lambda body: deliver(1, body, correlation_id="another"), BODIES),
    st.sampled_from([ack(1, 5), amqp.HEARTBEAT_FRAME, amqp.method("basic.get-empty", 1, b"\0")]),
)


@pytest.mark.req("BY-10")
@settings(max_examples=60, deadline=None)
@given(st.lists(DELIVERED, max_size=6).map(b"".join), st.lists(DELIVERED, max_size=4).map(b"".join), st.data())
def test_the_answer_is_heard_wherever_the_login_fell_between_what_the_broker_said(before, between, data):
    good = deliver(1, b'<UserRprt sessionId="S"/>', correlation_id="c1")
    one, chunks = greeted(), data.draw(cut(before + between + good))
    seen, at = 0, 0
    while at < len(chunks) and seen + len(chunks[at]) <= len(before):
        seen, at = seen + len(chunks[at]), at + 1
    heard(one, *chunks[:at], along=False)
    played(one, login(correlation_id="c1"))

    assert heard(one, *chunks[at:]) == Answer(accepted=True)


def _logins(out) -> list:
    return [piece for piece in out if not isinstance(piece, bytes)]


def _undressed(sent: bytes) -> bytes:
    """A login's frames with the body that the client wrote, after a look at what the gateway will read of it."""
    publish, header, *bodies = frames(sent)
    read = read_login(b"".join(one.payload for one in bodies), "", VENUE)
    before = read_login(BODY, "", VENUE)
    assert isinstance(read, LoginRequest)
    assert isinstance(before, LoginRequest)
    assert read.code is not None
    assert (read.user, read.force, read.stripped) == (before.user, before.force, before.stripped)
    size = header.payload[:4] + len(BODY).to_bytes(8, "big") + header.payload[12:]
    return b"".join(
        [
            amqp.frame(publish.kind, publish.channel, publish.payload),
            amqp.frame(header.kind, header.channel, size),
            amqp.frame(amqp.BODY, publish.channel, BODY),
        ]
    )


def _joined(data: bytes) -> list[tuple[int, int, bytes]]:
    """Frames, neighbouring body frames of a channel as one: a login's body may be cut otherwise."""
    found: list[tuple[int, int, bytes]] = []
    for one in frames(data):
        if found and one.kind == amqp.BODY and found[-1][:2] == (one.kind, one.channel):
            found[-1] = (one.kind, one.channel, found[-1][2] + one.payload)
        else:
            found.append((one.kind, one.channel, one.payload))
    return found
