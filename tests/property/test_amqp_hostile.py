"""Whatever bytes come, from either side and in any order: never an exception, and never a publish upstream without a verdict."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.dialect import Side, Violation
from gateway.core.login import Moment
from gateway.protocols.amqp.dialect import AmqpDialect
from tests.blackbox import amqp_bytes as amqp
from tests.unit.protocols.amqp.talk import (
    DIRECT,
    EXCHANGE,
    KEY,
    QUEUE,
    VENUE,
    Talk,
    contents,
    deliver,
    frames,
    login,
    names,
    order,
    request,
    start,
    tune,
)

NOW = Moment(0.0, 1.7e9)
CLIENTS = [
    order(), request(login()), request(login("other")), request(b"<LogoutReq/>"), request(login(), split=5), request(login(), channel=2),
    request(login(), exchange=""), request(login(), key="other"), amqp.confirm_select(1), amqp.queue_declare(1, QUEUE),
    amqp.queue_declare(1, ""), amqp.consume(1, DIRECT), amqp.get(1, QUEUE), amqp.tx_select(1), amqp.exchange_declare(1, "x"),
    amqp.channel_close(1), amqp.channel_open(1), amqp.channel_open(10), amqp.connection_close(), amqp.update_secret("123456"),
    amqp.HEARTBEAT_FRAME, amqp.publish_method(1, "x", "y"), amqp.publish_method(1, "req.trader", KEY), amqp.header(1, 3), amqp.header(1, 0),
    amqp.frame(amqp.BODY, 1, b"abc"), amqp.frame(amqp.BODY, 2, b"abc"), amqp.method("channel.close-ok", 1), amqp.method("connection.close-ok", 0),
]  # fmt: skip
ROWS = [
    request(login(), key=KEY[:-1] + "x"), request(login(), key=KEY[:-1] + "x", reply_to=QUEUE[:-1] + "2"), request(login()), order(), order("", 2),
    request(login(), exchange=EXCHANGE[:-1] + "x"), request(login(), key=KEY + "x"), request(login(), split=20, key="x"), amqp.HEARTBEAT_FRAME,
]  # fmt: skip
BROKERS = [
    deliver(1, b"<x/>"), deliver(1, b"<UserRprt/>", correlation_id="c1"), deliver(2, b"<ErrResp/>", correlation_id="c1"),
    amqp.method("basic.ack", 1, bytes(7) + b"\1\0"), amqp.method("channel.close", 1, b"\x01\x94\0" + bytes(4)), amqp.HEARTBEAT_FRAME,
    amqp.method("channel.close-ok", 1), amqp.method("connection.close", 0, b"\x01\x40\0" + bytes(4)), amqp.header(1, 9),
    amqp.method("queue.declare-ok", 1, amqp.short("amq.gen-1") + bytes(8)), amqp.method("basic.consume-ok", 1, amqp.short("t")),
    amqp.frame(amqp.BODY, 1, b"abc"),
]  # fmt: skip
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("client"), st.sampled_from(CLIENTS)),
        st.tuples(st.just("broker"), st.sampled_from(BROKERS)),
        st.tuples(st.just("refuse"), st.just(b"")),
        st.tuples(st.just("tick"), st.just(b"")),
    ),
    max_size=14,
)


def mutated(data, raw: bytes) -> bytes:
    whole = bytearray(raw)
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, max(len(whole) - 1, 0)))
        if whole and data.draw(st.booleans()):
            whole[at] = data.draw(st.integers(0, 255))
        else:
            del whole[at : at + data.draw(st.integers(1, 9))]
    return bytes(whole)


def play(talk: Talk, step: str, raw: bytes) -> None:
    if step == "client":
        talk.client(raw)
    elif step == "broker":
        talk.broker(raw)
    elif step == "tick":
        talk.later(1)
    elif talk.session.state.__class__.__name__ == "Checking":
        talk.refuse()


def judged(sent: bytes) -> None:
    """An independent reading of what went upstream: whole frames, and nothing of a content."""
    assert all(one.kind in {amqp.METHOD, amqp.HEARTBEAT} for one in frames(sent))
    assert not {"basic.publish", "tx.select", "exchange.declare", "exchange.bind"} & set(names(sent))


@settings(max_examples=80, deadline=None)
@given(STEPS, st.data())
def test_without_a_verdict_no_publish_ever_goes_up(steps, data):
    talk = Talk().greeted()
    for step, raw in steps:
        play(talk, step, mutated(data, raw))
        judged(talk.up())


@settings(max_examples=80, deadline=None)
@given(STEPS)
def test_what_the_client_is_sent_is_always_frames_in_their_order(steps):
    """As long as the broker's own contents are: the gateway's never land inside one."""
    talk = (
        Talk()
        .greeted()
        .client(amqp.consume(1, DIRECT))
        .broker(amqp.method("basic.consume-ok", 1, amqp.short("t")))
        .take()
    )
    down = b""
    for step, raw in steps:
        if step == "broker" and raw in {BROKERS[-1], BROKERS[-4]}:
            continue
        play(talk, step, raw)
        down += talk.down()
    contents(down)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(list(Side)), st.binary(max_size=60)), max_size=8))
def test_any_bytes_from_either_side_never_raise(chunks):
    dialect = AmqpDialect(VENUE)
    for side, data in chunks:
        dialect.feed(side, data, NOW)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([start(), tune(), amqp.start_ok("PLAIN", b"\0trader\0secret")]), st.data())
def test_a_handshake_with_anything_in_it_never_raises(raw, data):
    dialect = AmqpDialect(VENUE, identity="trader")
    side = Side.CLIENT if raw == amqp.start_ok("PLAIN", b"\0trader\0secret") else Side.UPSTREAM
    dialect.feed(Side.CLIENT, amqp.HEADER, NOW)
    if raw != start():
        dialect.feed(Side.UPSTREAM, start(), NOW)
    if raw == tune():
        dialect.feed(Side.CLIENT, amqp.start_ok("PLAIN", b"\0trader\0secret"), NOW)

    outputs = dialect.feed(side, mutated(data, raw), NOW)

    assert sum(isinstance(one, Violation) for one in outputs) <= 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(CLIENTS), max_size=10), st.data())
def test_a_passing_session_takes_anything_without_an_exception_and_no_second_login_goes_up(sent, data):
    talk = Talk().passing()
    raw = mutated(data, b"".join(sent))
    for at in range(0, len(raw), 300):
        talk.client(raw[at : at + 300])

    assert not any(one.startswith(b"<LoginReq ") for one in asked(talk.up()))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(ROWS), st.integers(1, 5)), min_size=1, max_size=6), st.data())
def test_no_login_goes_up_in_a_row_of_publishes_that_are_nearly_one(rows, data):
    talk = Talk().passing()
    raw = mutated(data, b"".join(one * count for one, count in rows))
    size = data.draw(st.sampled_from([1, 60, 300, 100_000]))
    for at in range(0, len(raw), size):
        talk.client(raw[at : at + size])

    assert not any(one.startswith(b"<LoginReq ") for one in asked(talk.up()))


def asked(sent: bytes) -> list[bytes]:
    """What went up in bodies by the login's key, read independently of the order of frames."""
    keyed, found = {}, []
    for one in frames(sent):
        if one.payload[:4] == b"\0\x3c\0\x28" and one.kind == amqp.METHOD:
            at = 7 + one.payload[6]
            keyed[one.channel] = one.payload[at + 1 : at + 1 + one.payload[at]] == KEY.encode()
        elif one.kind == amqp.BODY and keyed.get(one.channel):
            found.append(one.payload)
    return found
