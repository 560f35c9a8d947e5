"""While a session passes, both directions are byte-identical and in order, however they are cut and however channels interleave."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.protocols.amqp.watch import BrokerWatch, ClientWatch
from tests.blackbox import amqp_bytes as amqp
from tests.unit.protocols.amqp.straight import agree
from tests.unit.protocols.amqp.talk import KEY, QUEUE, Talk, ack, deliver, frames, order, request

BODIES = st.one_of(st.binary(max_size=40), st.sampled_from([b"ALIVE", b"<Order/>", b"x" * 9000]))
SPLITS = st.sampled_from([1, 7, 4000])


def published(channel):
    plain = st.builds(lambda body, split: order("", channel, split=split) if not body else
                      request(body, channel, "management", split=split), BODIES, SPLITS)  # fmt: skip
    asked = st.builds(lambda body: request(b"<Inquiry>" + body.hex().encode() + b"</Inquiry>", channel), BODIES)
    other = st.sampled_from([amqp.method("basic.ack", channel, bytes(9)), amqp.get(channel, QUEUE)])
    return st.lists(st.one_of(plain, asked, other), max_size=6).map(b"".join)


def delivered(channel):
    message = st.builds(lambda body, split: deliver(channel, body, split=split), BODIES, SPLITS)
    return st.lists(st.one_of(message, st.just(ack(channel, 1))), max_size=6).map(b"".join)


@st.composite
def interleaved(draw, streams):
    """Frames of two channels and of the connection in any order that keeps each channel's own."""
    queues = [
        [amqp.frame(one.kind, one.channel, one.payload) for one in frames(draw(streams(channel)))] for channel in (1, 2)
    ]
    queues.append([amqp.HEARTBEAT_FRAME] * draw(st.integers(0, 2)))
    out = []
    while any(queues):
        out.append(draw(st.sampled_from([queue for queue in queues if queue])).pop(0))
    return out


@st.composite
def cut(draw, data):
    pieces = []
    while data:
        size = draw(st.sampled_from([1, 3, 8, 50, 5000, 70_000]))
        pieces.append(data[:size])
        data = data[size:]
    return pieces


def by_channel(data: bytes) -> dict[int, list[bytes]]:
    found: dict[int, list[bytes]] = {}
    for one in frames(data):
        found.setdefault(one.channel, []).append(amqp.frame(one.kind, one.channel, one.payload))
    return found


@settings(max_examples=30, deadline=None)
@given(interleaved(delivered), st.data())
def test_what_the_broker_sends_is_byte_identical_and_in_order(sent, data):
    talk, whole = Talk().passing(), b"".join(sent)
    for piece in data.draw(cut(whole)):
        talk.broker(piece)

    assert talk.down() == whole
    assert talk.up() == b""


@settings(max_examples=30, deadline=None)
@given(interleaved(published), st.data())
def test_what_the_client_sends_is_byte_identical_and_in_order_on_each_channel(sent, data):
    """A request by the login's key is read whole before it goes on, so other channels' frames may overtake it."""
    talk, whole = Talk().passing(), b"".join(sent)
    for piece in data.draw(cut(whole)):
        talk.client(piece)

    came = talk.up()
    assert by_channel(came) == by_channel(whole)
    assert talk.down() == b""
    if KEY.encode() not in whole:
        assert came == whole


@settings(max_examples=25, deadline=None)
@given(interleaved(published), st.data())
def test_however_it_is_cut_the_outcome_is_that_of_one_piece(sent, data):
    whole = b"".join(sent)
    before, after = Talk().greeted().client(whole), Talk().greeted()
    for piece in data.draw(cut(whole)):
        after.client(piece)

    assert after.up() == before.up()
    assert after.down() == before.down()
    assert after.declined == before.declined
    assert type(after.session.state) is type(before.session.state)


PUBLISHED = [
    order("one"), order("another", correlation_id="c2"), order("two", 2), order("ALIVE"), order(""), order("x" * 40, split=7), request(b"<Inquiry/>"),
    request(b"x", key="inquiri"), order("x", headers=b""), ack(1, 1), amqp.HEARTBEAT_FRAME, amqp.publish_method(1, "x", "y"), amqp.header(1, 3),
]  # fmt: skip
DELIVERED = [
    deliver(1, b"one"), deliver(1, b"two", tag=2), deliver(2, b"three"), deliver(1, b""), deliver(1, b"x" * 40, split=7), ack(1, 5), ack(2, 5),
    ack(1, 6, multiple=True), ack(1, 7, name="basic.nack"), amqp.HEARTBEAT_FRAME, amqp.header(1, 3), amqp.frame(amqp.BODY, 1, b"abc"),
]  # fmt: skip


@st.composite
def chunks(draw, messages):
    """Few messages, the same again and again, now and then with some bytes changed, cut off, or with another behind."""
    few, found = draw(st.lists(st.sampled_from(messages), min_size=1, max_size=4)), []
    for _ in range(draw(st.integers(1, 12))):
        one = bytearray(draw(st.sampled_from(few)))
        match draw(st.sampled_from(["same", "same", "changed", "cut", "more"])):
            case "changed":
                one[draw(st.integers(0, len(one) - 1))] = draw(st.integers(0, 255))
            case "cut":
                del one[draw(st.integers(0, len(one))) :]
            case "more":
                one += draw(st.sampled_from(few))
        found.append(bytes(one))
    return found


@st.composite
def streams(draw, messages):
    """Rows of messages that begin alike, now and then something else between, in pieces that respect no frame."""
    rows = draw(st.lists(st.tuples(st.sampled_from(messages), st.integers(1, 6)), min_size=1, max_size=8))
    whole = bytearray(b"".join(one * count for one, count in rows))
    for _ in range(draw(st.integers(0, 2))):
        whole[draw(st.integers(0, len(whole) - 1))] = draw(st.integers(0, 255))
    return draw(cut(bytes(whole)))


@settings(max_examples=200, deadline=None)
@given(streams(PUBLISHED))
def test_the_client_watch_does_with_rows_what_its_loop_alone_would(pieces):
    agree(ClientWatch, pieces)


@settings(max_examples=200, deadline=None)
@given(streams(DELIVERED), st.booleans())
def test_the_broker_watch_does_with_rows_what_its_loop_alone_would(pieces, renumbers):
    agree(BrokerWatch, pieces, renumbers)


@settings(max_examples=200, deadline=None)
@given(chunks(PUBLISHED))
def test_the_client_watch_does_what_its_loop_alone_would(sent):
    agree(ClientWatch, sent)


@settings(max_examples=200, deadline=None)
@given(chunks(DELIVERED), st.booleans())
def test_the_broker_watch_does_what_its_loop_alone_would(sent, renumbers):
    agree(BrokerWatch, sent, renumbers)
