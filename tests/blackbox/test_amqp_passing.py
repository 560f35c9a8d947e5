"""Before the login nothing but the allow-list passes, and what is refused leaves no trace; after it the connection is a pipe."""

import random

import aiormq
import pika
import pytest

from tests.blackbox import amqp_bytes as amqp
from tests.blackbox import amqp_m7 as m7
from tests.blackbox.amqp_hostile import PATIENT, each


@pytest.mark.req("M7-10", "TW-12")
async def test_business_before_the_login_is_swallowed_told_and_recorded(market):
    gateway = await market.gateway()
    hand = await market.hand()

    await hand.peer.send(hand.order("one"))
    answer = await hand.answer("one")

    assert answer.name == "ErrResp"
    assert answer["err"].startswith("Auth error: ")
    await gateway.until(event="message_declined", reason="not_logged_in")
    assert market.exchange.requests == []
    assert await market.vhost.waiting() == 0
    await hand.logged_in()
    await hand.trade("two")
    assert market.exchange.orders() == ["two"]


@pytest.mark.req("M7-10")
async def test_business_before_the_login_is_told_over_direct_reply_to_as_well(market):
    await market.gateway()
    hand = await market.hand(direct=True)

    await hand.peer.send(hand.order("one"), hand.order("two"))

    assert [(await hand.answer(name)).name for name in ("one", "two")] == ["ErrResp", "ErrResp"]
    await hand.logged_in()
    await hand.trade("three")
    assert market.exchange.orders() == ["three"]


@pytest.mark.req("M7-10", "M7-2")
async def test_confirms_are_numbered_as_the_client_counts_them_over_swallowed_publishes(market):
    await market.gateway()
    hand = await market.hand(confirms=True)
    sent = [hand.order("swallowed-1"), hand.order("swallowed-2"), hand.login(), hand.order("three"), hand.order("four")]

    for frames in sent:
        await hand.peer.send(frames)
    await hand.answer("four")
    await hand.peer.send(*(hand.order(f"more-{number}") for number in range(20)))
    await hand.answer("more-19")

    assert await confirmed(hand.peer, 25) == set(range(1, 26))
    assert market.exchange.orders() == ["three", "four", *(f"more-{number}" for number in range(20))]


async def confirmed(peer, count: int, channel: int = 1) -> set[int]:
    """Read acks until so many publishes are confirmed; each exactly once, none twice and none that was not sent."""
    done: set[int] = set()
    while len(done) < count:
        tag, multiple = (await peer.method("basic.ack", channel)).acked
        news = {one for one in range(1, tag + 1) if one not in done} if multiple else {tag}
        assert news, f"{tag} again"
        assert not news & done
        assert max(news) <= count
        done |= news
    return done


@pytest.mark.req("M7-10")
async def test_confirms_of_another_channel_are_its_own(market):
    await market.gateway()
    hand = await market.hand(confirms=True)
    await hand.peer.open_channel(2, confirms=True)

    await hand.peer.send(hand.order("swallowed", channel=2), hand.login())
    await hand.answer("login")
    await hand.peer.send(hand.order("one", channel=2), hand.order("two"))
    await hand.answer("one")
    await hand.answer("two")

    assert await confirmed(hand.peer, 2, channel=1) == {1, 2}
    assert await confirmed(hand.peer, 2, channel=2) == {1, 2}


@pytest.mark.req("M7-10")
async def test_aio_pika_and_pika_wait_for_the_right_confirms_after_a_swallowed_publish(market):
    """Both libraries raise, or wait for ever, on a confirm that is not theirs."""
    await market.gateway()
    for library in ("aio-pika", "pika"):
        app = await market.app(library=library)
        assert (await app.order("swallowed")).name == "ErrResp"
        await app.logged_in(force=True)
        for number in range(10):
            assert (await app.order(f"{library}-{number}")).name == "AckResp"

    assert market.exchange.orders() == [f"{one}-{number}" for one in ("aio-pika", "pika") for number in range(10)]


FORBIDDEN = {
    "tx.select": amqp.tx_select(2),
    "exchange.declare": amqp.exchange_declare(2, "m7.private.responseQueue.trader.side"),
    "exchange.bind": amqp.exchange_bind(2, "m7.requestExchange.trader", "amq.topic"),
    "exchange.delete": amqp.method("exchange.delete", 2, bytes(2) + amqp.short("m7.requestExchange.trader") + b"\0"),
    "queue.bind": amqp.queue_bind(2, "m7.private.responseQueue.trader.x", "m7.requestExchange.trader", m7.MANAGEMENT),
    "dead letters": amqp.queue_declare(
        2, "m7.private.responseQueue.trader.dead", x_dead_letter_exchange="m7.requestExchange.trader"
    ),
    "a queue of somebody else": amqp.queue_declare(2, "m7.private.responseQueue.other.mine"),
    "consume from the exchange's own queue": amqp.consume(2, "m7.backend.requests"),
    "get from the exchange's own queue": amqp.get(2, "m7.backend.requests"),
}


@pytest.mark.req("M7-10", "M7-2")
@pytest.mark.parametrize("when", ["before the login", "after the login"])
async def test_a_side_door_is_answered_with_amqps_own_no_and_does_not_reach_the_broker(market, when):
    await market.gateway(policy=PATIENT)
    before = await shape(market)

    async def tried(frames: bytes) -> None:
        hand = await market.hand()
        if when == "after the login":
            await hand.logged_in(force=True)
        await hand.peer.open_channel(2)
        await hand.peer.send(frames)
        code, _ = await closing(hand.peer)
        assert code == (540 if frames is FORBIDDEN["tx.select"] else 403)
        assert await shape(market) == before
        await hand.peer.leave()

    await each(FORBIDDEN, tried)


async def closing(peer) -> tuple[int, str]:
    """Wait for a channel or connection close; returns its code and text."""
    found = await peer._until(
        lambda item: isinstance(item, amqp.Method) and item.name in {"channel.close", "connection.close"}, "a close", 30
    )
    return found.closing


async def shape(market) -> tuple[set[str], set[str], int]:
    """The broker's exchanges and queues of this vhost, and how many bindings; the hand's own answer queue may go with it."""
    exchanges = {one["name"] for one in await market.vhost.get("exchanges")}
    queues = {one["name"] for one in await market.vhost.get("queues") if ".hand" not in one["name"]}
    return exchanges, queues, len([one for one in await market.vhost.get("bindings") if one["source"]])


@pytest.mark.req("M7-2", "TW-12")
@pytest.mark.parametrize("reply_to", ["m7.private.responseQueue.other.1", "m7.backend.requests", "amq.gen-guessed"])
async def test_no_refusal_is_ever_sent_to_a_queue_that_is_not_the_users_own(market, reply_to):
    gateway = await market.gateway()
    victim = await market.hand(market.people.other)
    await victim.peer.send(amqp.queue_declare(1, "m7.private.responseQueue.other.1", 0))
    await victim.peer.method("queue.declare-ok")
    hand = await market.hand()

    await hand.peer.send(
        hand.login(market.trader.wrong_code(), reply_to=reply_to), hand.order("two", reply_to=reply_to)
    )
    await gateway.until(event="message_declined", reason="forbidden")

    await hand.peer.send(hand.order("honest"))
    await hand.answer("honest")
    assert await market.vhost.waiting("m7.private.responseQueue.other.1") == 0
    assert market.exchange.requests == []


@pytest.mark.req("M7-10")
async def test_an_answer_overtaking_the_declaration_of_its_queue_is_delivered_all_the_same(market):
    """A client may pipeline publish and declare on two channels: the refusal is there before its queue."""
    gateway = await market.gateway()
    hand = await market.hand()
    late = m7.answers_of("trader", "late")
    await hand.peer.open_channel(2)

    await hand.peer.send(hand.login(market.trader.wrong_code(), reply_to=late))
    await gateway.until(event="login", outcome="refused")
    await hand.peer.send(amqp.queue_declare(2, late), amqp.consume(2, late))

    assert (await hand.answer("login")).name == "ErrResp"


@pytest.mark.req("M7-2")
async def test_after_the_login_bodies_of_any_size_arrive_byte_for_byte_and_in_order(market):
    """Whole requests in frames of any size, cut anywhere on the wire: the exchange gets exactly what was written."""
    await market.gateway()
    hand = await (await market.hand()).logged_in()
    chance = random.Random(7)
    bodies = [chance.randbytes(size) for size in (0, 1, 5, 4088, 131_064, 131_065, 700_001, 3)]
    frames = [
        hand.request(body, f"body-{number}", split=chance.choice([3_001, 131_064, 7]) if len(body) < 5000 else 131_064)
        for number, body in enumerate(bodies)
    ]

    stream = b"".join(frames)
    while stream:
        piece, stream = (stream[: (cut := chance.choice([1, 3, 977, 70_000]))], stream[cut:])
        await hand.peer.send(piece)

    await hand.answer(f"body-{len(bodies) - 1}")
    assert [one.body for one in market.exchange.requests[1:]] == bodies


@pytest.mark.req("M7-2")
async def test_frames_of_several_channels_may_interleave_inside_contents(market):
    await market.gateway()
    hand = await (await market.hand()).logged_in()
    await hand.peer.open_channel(2)
    first, second = m7.order("first"), m7.order("second")
    given = {"reply_to": hand.queue, "user_id": "trader"}
    where = (m7.exchange_of("trader"), m7.MANAGEMENT)

    await hand.peer.send(
        amqp.publish_method(1, *where),
        amqp.publish_method(2, *where),
        amqp.header(2, len(second), correlation_id="second", **given),
        amqp.header(1, len(first), correlation_id="first", **given),
        amqp.pieces(1, first, 40)[0],
        amqp.HEARTBEAT_FRAME,
        *amqp.pieces(2, second, 20),
        *amqp.pieces(1, first, 40)[1:],
    )

    await hand.answer("first")
    await hand.answer("second")
    assert sorted(market.exchange.orders()) == ["first", "second"]


@pytest.mark.req("M7-2")
async def test_while_a_login_is_checked_frames_of_other_channels_that_came_before_it_go_on(market):
    """The LoginReq of channel 1 is cut by a declare of channel 2: that one came first, so its answer does not wait."""
    await market.gateway()
    hand = await market.hand()
    await hand.peer.open_channel(2)
    login = m7.login("trader", market.trader.code())
    where, given = (
        (m7.exchange_of("trader"), m7.INQUIRY),
        {"reply_to": hand.queue, "user_id": "trader", "app_id": "ALGO"},
    )

    await hand.peer.send(
        amqp.publish_method(1, *where),
        amqp.header(1, len(login), correlation_id="login", **given),
        *amqp.pieces(1, login, 50)[:2],
        amqp.queue_declare(2, m7.answers_of("trader", "two")),
    )
    await hand.peer.method("queue.declare-ok", 2)
    await hand.peer.send(*amqp.pieces(1, login, 50)[2:])

    assert (await hand.answer("login")).name == "UserRprt"


@pytest.mark.req("M7-2")
async def test_broadcasts_that_are_no_xml_pass_before_and_after_the_login(market):
    await market.gateway()
    app = await market.app()
    inbox = app.line.inbox

    await market.exchange.broadcast("trader", b"SYSTEM_ALIVE")
    await inbox.until(lambda message: message.body == b"SYSTEM_ALIVE")
    await app.logged_in()
    await market.exchange.broadcast("trader", b"\xff\x00 not XML at all")
    await inbox.until(lambda message: message.body == b"\xff\x00 not XML at all")


@pytest.mark.req("M7-10")
async def test_a_mandatory_publish_to_nowhere_comes_back_as_it_would_from_the_broker(market):
    await market.gateway()
    hand = await (await market.hand(confirms=True)).logged_in()

    where = (m7.exchange_of("trader"), "nobody.binds.this")
    await hand.peer.send(amqp.publish(1, *where, b"lost", mandatory=True, user_id="trader", correlation_id="lost"))

    returned = await hand.peer.content("basic.return", correlation_id="lost")
    assert returned.body == b"lost"
    assert await confirmed(hand.peer, 2) == {1, 2}


@pytest.mark.req("M7-10")
async def test_the_libraries_report_the_brokers_own_channel_errors_unchanged(market):
    await market.gateway()
    app = await market.app()
    await app.logged_in()
    with pytest.raises(aiormq.exceptions.ChannelAccessRefused):
        await app.line.publish("m7.requestExchange.other", m7.MANAGEMENT, b"<x/>", {})

    other = await market.app(market.people.other, "pika")
    await other.logged_in()
    with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="403"):
        await other.line.publish("m7.requestExchange.trader", m7.MANAGEMENT, b"<x/>", {})
