"""Frames that no honest client sends (issue 3, bad input): they end that connection at most; nothing of them is at the exchange."""

import asyncio
from collections.abc import Callable

import pytest

from tests.blackbox import amqp_bytes as amqp
from tests.blackbox import amqp_m7 as m7
from tests.blackbox.amqp_floor import Hand
from tests.blackbox.amqp_hostile import PATIENT, each, resident, serves_on, settled, takes_nothing
from tests.blackbox.gateway_process import PATIENCE
from tests.blackbox.people import PASSWORD

HEADERS = {
    "0-8": b"AMQP\1\1\x08\x00",
    "0-9": b"AMQP\1\1\0\x09",
    "1.0": b"AMQP\0\1\0\0",
    "1.0 with SASL": b"AMQP\3\1\0\0",
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
    "FIX": b"8=FIX.4.4\x019=5\x0135=A\x0110=0\x01",
    "nothing": b"\0" * 8,
}


@pytest.mark.req("M7-2", "M7-10")
async def test_any_other_protocol_header_is_shown_the_right_one_at_most_and_closed(market):
    await market.gateway(policy=PATIENT)

    async def sent(header: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", market.last.port)
        writer.write(header)
        async with asyncio.timeout(PATIENCE):
            assert await reader.read() in {b"", amqp.HEADER}
        writer.close()

    await each(HEADERS, sent)
    await serves_on(market)


def huge_frame(hand) -> bytes:
    body = b"<x>" + b"y" * hand.peer.frame_max + b"</x>"
    return hand.request(body, "huge", m7.INQUIRY, split=len(body))


def announced(size: int, body: bytes):
    def frames(hand) -> bytes:
        where = amqp.publish_method(1, m7.exchange_of("trader"), m7.INQUIRY)
        return where + amqp.header(1, size, reply_to=hand.queue, user_id="trader") + b"".join(amqp.pieces(1, body, 100))

    return frames


FRAMES = {
    "a frame over frame_max": huge_frame,
    "a frame that announces 4 GB": lambda _: b"\x03\0\1\xff\xff\xff\xff" + b"x" * 100,
    "no frame end": lambda hand: hand.order("one")[:-1] + b"\0",
    "a frame of an unknown kind": lambda _: amqp.frame(4, 1, b"trace"),
    "a method of an unknown class": lambda _: amqp.frame(amqp.METHOD, 1, b"\x12\x34\x56\x78"),
    "a method cut short": lambda _: amqp.frame(amqp.METHOD, 1, b"\0\x3c"),
    "an empty method frame": lambda _: amqp.frame(amqp.METHOD, 1, b""),
    "a publish cut short": lambda _: amqp.frame(amqp.METHOD, 1, b"\0\x3c\0\x28\0\0\x20m7"),
    "a short string longer than its frame": lambda _: amqp.frame(amqp.METHOD, 1, b"\0\x3c\0\x28\0\0\xffm7.request"),
    "a body without a header": lambda _: (
        amqp.publish_method(1, m7.exchange_of("trader"), m7.INQUIRY) + amqp.frame(amqp.BODY, 1, b"x")
    ),
    "a header without a publish": lambda _: amqp.header(1, 5),
    "a body without a publish": lambda _: amqp.frame(amqp.BODY, 1, b"x"),
    "a publish inside a content": lambda hand: (
        amqp.publish_method(1, m7.exchange_of("trader"), m7.INQUIRY) + amqp.header(1, 50) + hand.order("inner")
    ),
    "a content longer than announced": announced(10, b"x" * 200),
    "a header of another class": lambda _: (
        amqp.publish_method(1, m7.exchange_of("trader"), m7.INQUIRY)
        + amqp.frame(amqp.CONTENT, 1, b"\0\x5a\0\0" + bytes(8) + b"\0\0")
    ),
    "a header cut short": lambda _: (
        amqp.publish_method(1, m7.exchange_of("trader"), m7.INQUIRY) + amqp.frame(amqp.CONTENT, 1, b"\0\x3c\0\0\0")
    ),
    "a property list cut short": lambda _: (
        amqp.publish_method(1, m7.exchange_of("trader"), m7.INQUIRY)
        + amqp.frame(amqp.CONTENT, 1, b"\0\x3c\0\0" + bytes(8) + b"\xff\xf8\xff")
    ),
    "a publish on channel 0": lambda hand: hand.order("zero", channel=0),
    "a publish on a channel that is not open": lambda hand: hand.order("shut", channel=77),
    "a second handshake": lambda _: amqp.HEADER,
    "a second start-ok": lambda _: amqp.start_ok("PLAIN", b"\0other\0" + PASSWORD.encode()),
    "a second open": lambda hand: amqp.connection_open(hand.vhost),
    "a channel number nobody offered": lambda hand: amqp.channel_open(hand.peer.channel_max + 1),
    "the answer of a broker": lambda hand: amqp.method("connection.open-ok", 0, b"\0"),
    "a deliver from the client": lambda _: amqp.method("basic.deliver", 1, b"\1x" + bytes(9) + b"\0\0"),
    "22 bytes on which a decoder looped": lambda _: (
        amqp.frame(amqp.METHOD, 1, bytes.fromhex("0032000a00000178000000000653")) + b"\0"
    ),
}


@pytest.mark.req("M7-2", "M7-10")
@pytest.mark.parametrize("when", ["before the login", "after the login"])
async def test_frames_that_are_wrong_end_that_connection_at_most(market, when):
    """After the login the broker may be the one that says so; nothing but this client's own order follows either way."""
    await market.gateway(policy=PATIENT)

    async def sent(frames: Callable[[Hand], bytes]) -> None:
        hand = await market.hand()
        if when == "after the login":
            await hand.logged_in(force=True)
        await hand.peer.send(frames(hand))
        if when == "before the login":
            await takes_nothing(market, hand)
            return
        await hand.peer.send(hand.order("behind-it"))
        await settled(hand)
        await hand.peer.leave()

    await each(FRAMES, sent)
    await serves_on(market)
    assert set(market.exchange.names("trader")) <= {"LoginReq", "LogoutReq", "OrdrEntry"}
    assert set(market.exchange.orders("trader")) <= {"behind-it", "one"}


@pytest.mark.req("M7-2", "M7-10")
@pytest.mark.parametrize("pieces", [1, 3])
async def test_a_client_that_drops_in_the_middle_of_a_content_leaves_no_trace_of_it(market, pieces):
    gateway = await market.gateway()
    before = await market.hand()
    after = await (await market.hand(market.people.other)).logged_in()
    login = m7.login("trader", market.trader.code())
    where = amqp.publish_method(1, m7.exchange_of("trader"), m7.INQUIRY)

    await before.peer.send(where, amqp.header(1, len(login), user_id="trader"), *amqp.pieces(1, login, 40)[:pieces])
    before.peer.vanish()
    order = m7.order("half")
    where = amqp.publish_method(1, m7.exchange_of("other"), m7.MANAGEMENT)
    await after.peer.send(where, amqp.header(1, len(order), user_id="other"), *amqp.pieces(1, order, 40)[:pieces])
    after.peer.vanish()

    await gateway.until(event="session_ended", reason="client_lost")
    await market.exchange.until_logged_out(1, "other")
    assert market.exchange.names() == ["LoginReq", "LogoutReq"]
    await market.vhost.until_connections(0, "trader")
    await market.vhost.until_connections(0, "other")


@pytest.mark.req("M7-2")
async def test_a_body_shorter_than_announced_stays_unfinished_and_heartbeats_do_not_finish_it(market):
    await market.gateway(listener="plain = true\nlogin_timeout = 2")
    hand = await market.hand()

    await hand.peer.send(announced(5000, m7.login("trader", market.trader.code()))(hand), amqp.HEARTBEAT_FRAME)

    await hand.peer.until_closed()
    assert market.exchange.requests == []
    await serves_on(market)


@pytest.mark.req("M7-2", "M7-10")
async def test_two_logins_in_a_row_are_two_logins_and_both_lose_their_codes(market):
    await market.gateway()
    hand = await market.hand()

    await hand.peer.send(hand.login(number="first"), hand.login(number="second"), hand.order("behind-it"))

    assert (await hand.answer("first")).name == "UserRprt"
    await settled(hand)
    for request in market.exchange.requests:
        assert m7.CODE.encode() not in request.body
    assert len(market.exchange.live) <= 1


@pytest.mark.req("M7-12")
async def test_a_client_without_heartbeats_is_served_and_its_end_is_noticed(market):
    gateway = await market.gateway()
    hand = await (await market.hand(heartbeat=0)).logged_in()
    await hand.trade("one")

    hand.peer.vanish()

    await gateway.until(event="session_ended", reason="client_lost")
    await market.exchange.until_logged_out()


@pytest.mark.req("M7-2")
async def test_a_backlog_for_a_client_that_never_reads_costs_the_gateway_no_memory(market):
    """60 MB wait in the broker for a client that reads nothing; what the gateway holds of it is bounded."""
    gateway = await market.gateway()
    hand = await (await market.hand()).logged_in()
    await market.exchange.declare(m7.broadcasts_of("trader"))
    await hand.peer.send(amqp.consume(1, m7.broadcasts_of("trader")))
    await hand.peer.method("basic.consume-ok")
    await hand.trade("one")
    before = resident(gateway.pid)

    hand.peer.pause()
    block = b"<x>" + b"y" * 500_000 + b"</x>"
    for _ in range(120):
        await market.exchange.broadcast("trader", block)
    other = await (await market.hand(market.people.other)).logged_in()
    await other.trade("meanwhile")

    assert resident(gateway.pid) - before < 20_000_000
    await gateway.terminate()


@pytest.mark.req("M7-10")
async def test_slow_and_silent_clients_are_closed_in_time(market):
    gateway = await market.gateway(listener="plain = true\nlogin_timeout = 1")
    silent = await market.wire()
    slow = await market.wire()
    await slow.send(amqp.HEADER[:5])
    idle = await market.hand()

    for peer in (silent, slow, idle.peer):
        await peer.until_closed()
    await gateway.until(event="contact_refused", reason="login_timeout")
