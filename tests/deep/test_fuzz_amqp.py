"""Deep fuzz of the AMQP wire (`make deep`): mutations of real conversations, by the hundred thousand.

Bounded by count. A failure prints the seed and the bytes, which are the whole reproduction.
"""

import gzip
import random

import pytest

from gateway.core.dialect import Side
from gateway.core.login import Moment
from gateway.core.states import Checking
from gateway.protocols.amqp.dialect import AmqpDialect
from tests.blackbox import amqp_bytes as amqp
from tests.unit.protocols.amqp.talk import (
    DIRECT,
    KEY,
    PASSWORD_VENUE,
    QUEUE,
    VENUE,
    Talk,
    deliver,
    frames,
    login,
    names,
    order,
    plain,
    request,
    start,
    tune,
)

pytestmark = pytest.mark.deep

ROUNDS = 60_000
NOW = Moment(0.0, 1.7e9)
SPLICES = [
    b"\xce", b"\x01\0\1", b"\x02\0\1", b"\x03\0\1\0\0\0\1x\xce", amqp.HEADER, amqp.HEARTBEAT_FRAME, b"\xff\xff\xff\xff", b"\0\x3c\0\x28", KEY.encode(),
    b"\2CCA\0\0\0\x0cS\0\0\0\7inquiry", b"<LoginReq", b"\x1f\x8b", bytes(8), amqp.publish_method(1, "req.trader", KEY), order(), request(login()),
]  # fmt: skip
CLIENT = [
    order(), request(login()), request(login(), split=3), request(gzip.compress(login()), content_encoding="gzip"), amqp.confirm_select(1),
    amqp.queue_declare(1, QUEUE, x_expires=5), amqp.queue_declare(1, ""), amqp.consume(1, DIRECT), amqp.get(2, QUEUE), amqp.channel_close(1),
    amqp.channel_open(1), amqp.update_secret("123456"), amqp.HEARTBEAT_FRAME, request(b"<LogoutReq/>"), amqp.connection_close(),
]  # fmt: skip
BROKER = [
    deliver(1, b"<UserRprt/>", correlation_id="c1"), deliver(2, b"x" * 5000), amqp.method("basic.ack", 1, bytes(7) + b"\1\0"), amqp.HEARTBEAT_FRAME,
    amqp.method("queue.declare-ok", 1, amqp.short("amq.gen-1") + bytes(8)), amqp.method("channel.close-ok", 1),
]  # fmt: skip


def mutated(rng: random.Random, data: bytes) -> bytes:
    """One to four edits: flip, delete, repeat, splice, cut."""
    raw = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(raw) + 1)
        match rng.randrange(5):
            case 0 if at < len(raw):
                raw[at] = rng.randrange(256)
            case 1:
                del raw[at : at + rng.randint(1, 12)]
            case 2:
                raw[at:at] = raw[at : at + rng.randint(1, 40)]
            case 3:
                raw[at:at] = rng.choice(SPLICES)
            case 4 if rng.random() < 0.2:
                del raw[at:]
    return bytes(raw)


def pieces(rng: random.Random, data: bytes) -> list[bytes]:
    cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randint(0, 3)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


@pytest.mark.parametrize("seed", range(4))
def test_no_bytes_before_a_verdict_raise_or_publish(seed):
    rng = random.Random(seed)
    for turn in range(ROUNDS // 40):
        talk = Talk().greeted()
        for _ in range(10):
            data = mutated(rng, rng.choice(CLIENT)) if rng.random() < 0.6 else rng.choice(CLIENT)
            for piece in pieces(rng, data):
                talk.client(piece)
            if rng.random() < 0.4:
                talk.broker(mutated(rng, rng.choice(BROKER)) if rng.random() < 0.3 else rng.choice(BROKER))
            if isinstance(talk.session.state, Checking):
                talk.refuse()
            sent = talk.up()
            whole = (one.kind in {amqp.METHOD, amqp.HEARTBEAT} for one in frames(sent))
            assert all(whole), (seed, turn, data)
            assert "basic.publish" not in names(sent), (seed, turn, data)


@pytest.mark.parametrize("seed", range(4))
def test_no_bytes_in_a_passing_session_raise_and_the_login_key_never_carries_a_login(seed):
    rng = random.Random(100 + seed)
    for turn in range(ROUNDS // 40):
        talk = Talk().passing(confirms=rng.random() < 0.5)
        keyed: dict[int, bool] = {}
        for _ in range(10):
            data = mutated(rng, rng.choice(CLIENT))
            for piece in pieces(rng, data):
                talk.client(piece)
            talk.broker(mutated(rng, rng.choice(BROKER)) if rng.random() < 0.1 else rng.choice(BROKER))
            for one in frames(talk.up()):
                if one.kind == amqp.METHOD and one.payload[:4] == b"\0\x3c\0\x28":
                    keyed[one.channel] = amqp.short(KEY) in one.payload
                elif one.kind == amqp.BODY and keyed.get(one.channel):
                    assert not one.payload.startswith(b"<LoginReq "), (seed, turn, data)


@pytest.mark.parametrize("seed", range(4))
def test_no_handshake_raises(seed):
    rng = random.Random(200 + seed)
    answers = [
        (Side.UPSTREAM, start()), (Side.CLIENT, plain(password="secret123456")), (Side.UPSTREAM, tune()),
        (Side.CLIENT, amqp.tune_ok(9, 4096, 60)), (Side.CLIENT, amqp.connection_open("/")), (Side.CLIENT, amqp.channel_open(1)),
    ]  # fmt: skip
    for _ in range(ROUNDS // 4):
        dialect = AmqpDialect(rng.choice([VENUE, PASSWORD_VENUE]), identity=rng.choice(["", "trader"]))
        dialect.feed(Side.CLIENT, amqp.HEADER, NOW)
        odd = rng.randrange(len(answers))
        for at, (side, data) in enumerate(answers):
            dialect.feed(side, mutated(rng, data) if at == odd else data, NOW)
