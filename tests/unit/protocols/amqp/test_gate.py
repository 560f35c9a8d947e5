"""The allow-list: what prepares a login passes, a side door is answered with AMQP's own no, before a login and after."""

import pytest

from gateway.core.reason import Reason
from gateway.core.states import Closed
from tests.blackbox import amqp_bytes as amqp
from tests.unit.protocols.amqp.talk import CHANNELS, DIRECT, EXCHANGE, QUEUE, Talk, deliver, methods, names, order

PASSIVE = 1


def passive(exchange: str) -> bytes:
    arguments = bytes(2) + amqp.short(exchange) + amqp.short("topic") + bytes([PASSIVE]) + amqp.table({})
    return amqp.method("exchange.declare", 1, arguments)


def purge(queue: str) -> bytes:
    return amqp.frame(amqp.METHOD, 1, b"\0\x32\0\x1e" + bytes(2) + amqp.short(queue) + b"\0")


def delete(queue: str) -> bytes:
    return amqp.frame(amqp.METHOD, 1, b"\0\x32\0\x28" + bytes(2) + amqp.short(queue) + b"\0")


ALLOWED = {
    "declare": amqp.queue_declare(1, QUEUE),
    "declare with arguments": amqp.queue_declare(1, QUEUE, x_expires=1000, x_message_ttl=5, x_queue_type="classic"),
    "declare passively": amqp.queue_declare(1, "news.trader", PASSIVE),
    "declare unnamed, exclusive": amqp.queue_declare(1, ""),
    "bind": amqp.queue_bind(1, QUEUE, "broadcast"),
    "consume": amqp.consume(1, QUEUE),
    "consume direct reply-to": amqp.consume(1, DIRECT),
    "get": amqp.get(1, QUEUE),
    "purge": purge(QUEUE),
    "delete": delete(QUEUE),
    "passive exchange": passive(EXCHANGE),
    "passive exchange to bind to": passive("broadcast"),
    "confirms": amqp.confirm_select(1),
    "ack": amqp.method("basic.ack", 1, bytes(8) + b"\1"),
    "qos": amqp.frame(amqp.METHOD, 1, b"\0\x3c\0\x0a" + bytes(7)),
    "close": amqp.channel_close(1),
    "another channel": amqp.channel_open(3),
    "heartbeat": amqp.HEARTBEAT_FRAME,
}
FORBIDDEN = {
    "exchange": amqp.exchange_declare(1, "mine"),
    "exchange, own name": amqp.exchange_declare(1, EXCHANGE, alternate_exchange="mine"),
    "exchange.delete": amqp.method("exchange.delete", 1, bytes(2) + amqp.short(EXCHANGE) + b"\0"),
    "exchange.bind": amqp.exchange_bind(1, EXCHANGE, "amq.topic"),
    "queue of another user": amqp.queue_declare(1, "answers.other.1"),
    "queue of another user, passively": amqp.queue_declare(1, "answers.other.1", PASSIVE),
    "queue unnamed, not exclusive": amqp.queue_declare(1, "", 0),
    "dead letters": amqp.queue_declare(1, QUEUE, x_dead_letter_exchange=EXCHANGE),
    "dead letter key": amqp.queue_declare(1, QUEUE, x_dead_letter_routing_key="inquiry"),
    "overflow to dead letters": amqp.queue_declare(1, QUEUE, x_overflow="reject-publish-dlx"),
    "an argument nobody knows": amqp.queue_declare(1, QUEUE, x_future="1"),
    "bind to another exchange": amqp.queue_bind(1, QUEUE, EXCHANGE),
    "bind another queue": amqp.queue_bind(1, "answers.other.1", "broadcast"),
    "bind the last queue, of none": amqp.queue_bind(1, "", "broadcast"),
    "consume from another": amqp.consume(1, "answers.other.1"),
    "get from another": amqp.get(1, "backend"),
    "purge another": purge("backend"),
    "delete another": delete("backend"),
}
HARD = {
    "tx": amqp.tx_select(1),
    "an unknown method": amqp.frame(amqp.METHOD, 1, b"\0\x1e\0\x0a"),
    "a broker's method": amqp.method("queue.declare-ok", 1, bytes(9)),
}


def talk_of(when: str) -> Talk:
    return Talk().greeted() if when == "before" else Talk().passing()


@pytest.mark.req("M7-10")
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("what", ALLOWED)
def test_what_prepares_a_login_passes_as_it_is(what, when):
    talk = talk_of(when).client(ALLOWED[what])

    assert talk.up() == ALLOWED[what]
    assert talk.down() == b""


@pytest.mark.req("M7-10")
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("what", FORBIDDEN)
def test_a_side_door_closes_its_channel_and_never_reaches_the_broker(what, when):
    talk = talk_of(when).client(FORBIDDEN[what])
    assert names(talk.up()) == ["channel.close"]
    assert talk.down() == b""
    assert talk.declined == [Reason.FORBIDDEN]

    talk.broker(amqp.method("channel.close-ok", 1))
    (close,) = methods(talk.down())
    assert (close.name, close.channel, close.closing[0]) == ("channel.close", 1, 403)

    talk.client(amqp.method("channel.close-ok", 1), amqp.channel_open(1))
    assert talk.up() == amqp.channel_open(1)


@pytest.mark.req("M7-10")
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("what", HARD)
def test_what_is_not_implemented_closes_the_connection(what, when):
    talk = talk_of(when).client(HARD[what])

    (close,) = methods(talk.down())
    assert (close.name, close.closing[0]) == ("connection.close", 540)
    assert [one for one in names(talk.up()) if one not in {"channel.open", "confirm.select", "basic.publish"}] == []


def test_the_broker_closing_a_channel_first_is_what_the_client_hears():
    talk = Talk().greeted().client(FORBIDDEN["exchange"]).take()
    theirs = amqp.method("channel.close", 1, b"\x01\x94" + amqp.short("NOT_FOUND") + bytes(4))
    talk.broker(theirs, amqp.method("channel.close-ok", 1))
    assert talk.down() == theirs

    done = amqp.method("channel.close-ok", 1)
    assert talk.client(done).up() == done


def test_a_client_that_closes_the_channel_behind_a_side_door_gets_its_close_ok():
    talk = Talk().greeted().client(FORBIDDEN["exchange"] + amqp.channel_close(1)).take()

    assert talk.broker(amqp.method("channel.close-ok", 1)).down() == amqp.method("channel.close-ok", 1)
    assert talk.client(amqp.channel_open(1)).up() == amqp.channel_open(1)


def test_what_follows_on_a_refused_channel_is_dropped_and_what_the_broker_sends_passes():
    talk = Talk().passing().client(FORBIDDEN["exchange"]).take()
    talk.client(order("lost"), amqp.queue_declare(1, QUEUE), order("kept", channel=2))
    assert talk.up() == order("kept", channel=2)

    message = deliver(1, b"news")
    assert talk.broker(message).down() == message


def declare_ok(queue: str) -> bytes:
    return amqp.method("queue.declare-ok", 1, amqp.short(queue) + bytes(8))


def test_a_queue_that_the_server_named_is_the_users_own():
    talk = Talk().greeted().client(amqp.queue_declare(1, "")).broker(declare_ok("amq.gen-1")).take()

    for one in (amqp.consume(1, "amq.gen-1"), amqp.get(2, "amq.gen-1"), amqp.queue_bind(1, "", "broadcast")):
        assert talk.client(one).up() == one
    assert names(talk.client(amqp.get(2, "amq.gen-2")).up()) == ["channel.close"]


def test_a_name_is_learned_from_the_answer_to_its_own_question():
    """A pipelined declare of a named queue must not make that name the server's."""
    talk = Talk().passing().client(amqp.queue_declare(1, QUEUE), amqp.queue_declare(1, ""))
    talk.broker(declare_ok(QUEUE), declare_ok("amq.gen-1")).take()

    assert talk.client(amqp.consume(1, "amq.gen-1")).up() == amqp.consume(1, "amq.gen-1")


def test_the_empty_name_is_the_last_queue_of_the_channel():
    talk = Talk().greeted().client(amqp.queue_declare(1, QUEUE)).take()

    assert talk.client(amqp.consume(1, "")).up() == amqp.consume(1, "")
    assert names(talk.client(amqp.consume(2, "")).up()) == ["channel.close"]


@pytest.mark.parametrize("channel", [CHANNELS, CHANNELS + 1, 65_535])
def test_the_gateways_own_channel_is_not_the_clients(channel):
    talk = Talk().greeted().client(amqp.channel_open(channel))

    assert (methods(talk.down())[0].closing[0], talk.up()) == (504, b"")
    assert talk.session.state == Closed(Reason.GARBLED)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(amqp.get(7, QUEUE), id="a channel that is not open"),
        pytest.param(amqp.channel_open(1), id="a channel that is open"),
        pytest.param(amqp.header(1, 5), id="a header without a publish"),
        pytest.param(amqp.frame(amqp.BODY, 1, b"x"), id="a body without a publish"),
        pytest.param(amqp.publish_method(1, "x", "y") + amqp.get(1, QUEUE), id="a method inside a content"),
        pytest.param(amqp.publish_method(1, "x", "y") + amqp.frame(amqp.BODY, 1, b"x"), id="a body without a header"),
        pytest.param(amqp.frame(amqp.METHOD, 1, b"\0\x3c"), id="a method cut short"),
        pytest.param(amqp.frame(amqp.METHOD, 1, b"\0\x3c\0\x28\0\0\xffm7"), id="a publish cut short"),
        pytest.param(
            amqp.frame(amqp.METHOD, 1, b"\0\x32\0\x0a" + bytes(3) + b"\4" + amqp.long(b"\xff")), id="a table cut short"
        ),
        pytest.param(amqp.frame(amqp.BODY, 0, b"x"), id="a body on channel 0"),
    ],
)
def test_frames_out_of_order_end_the_connection(data):
    talk = Talk().greeted().client(data)

    assert talk.up() == b""
    assert isinstance(talk.session.state, Closed)


def test_closing_a_channel_in_the_middle_of_a_swallowed_content_is_no_fault():
    talk = Talk().greeted().client(amqp.publish_method(1, "x", "y") + amqp.header(1, 5) + amqp.channel_close(1))

    assert talk.up() == amqp.channel_close(1)


def test_a_client_that_asks_without_end_is_cut_off():
    talk = Talk().greeted().client(*[amqp.queue_declare(1, QUEUE)] * 65)

    assert methods(talk.down())[-1].closing[0] == 530
