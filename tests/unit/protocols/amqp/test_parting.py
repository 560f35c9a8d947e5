"""The end of a session: the venue is told on the gateway's own channel, the client with the code and text that the broker gave."""

import pytest

from gateway.core.dialect import Side
from gateway.core.reason import Reason
from gateway.core.states import Closed, Parting
from gateway.protocols.amqp.parcel import Parcel
from tests.blackbox import amqp_bytes as amqp
from tests.unit.protocols.amqp.talk import (
    CHANNELS,
    DIRECT,
    EXCHANGE,
    KEY,
    QUEUE,
    Talk,
    ack,
    contents,
    deliver,
    frames,
    login,
    methods,
    names,
    order,
    request,
)

CLOSE_OK = amqp.method("connection.close-ok", 0)
TOLD = ["channel.open", "confirm.select", "basic.publish"]


@pytest.mark.req("M7-12")
def test_a_lost_clients_venue_is_told_on_the_channel_that_was_never_offered():
    talk = Talk().passing().lose(Side.CLIENT)
    sent = talk.up()
    assert names(sent) == TOLD
    assert {one.channel for one in frames(sent)} == {CHANNELS}
    ((publish, properties, body),) = contents(sent)
    assert amqp.text_at(publish.arguments, 2) == EXCHANGE
    assert amqp.text_at(publish.arguments, 3 + len(EXCHANGE)) == KEY
    assert (properties["user_id"], properties["content_type"]) == ("trader", "x-test")
    assert b'sessionId="S7"' in body

    talk.broker(ack(CHANNELS, 1))
    assert names(talk.up()) == ["connection.close"]
    (end,) = talk.ends
    assert (end.reason, end.owed) == (Reason.CLIENT_LOST, False)


def test_half_a_content_of_the_client_is_dropped():
    half = order("x" * 9000)[:6000]
    whole = len(frames_of(half))
    talk = Talk().passing().client(half).lose(Side.CLIENT)

    assert [one.channel for one in frames(talk.up())] == [1] * whole + [CHANNELS] * 5


def frames_of(data: bytes) -> list[bytes]:
    found = []
    while len(data) >= 8 and len(data) >= (size := int.from_bytes(data[3:7], "big") + 8):
        found.append(data[:size])
        data = data[size:]
    return found


def test_the_will_names_the_venues_session():
    will = Parcel.decode(Talk().passing(session="S42").dialect.will())

    assert (will.exchange, will.routing_key, will.user_id) == (EXCHANGE, KEY, "trader")
    assert b"S42" in will.body


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(ack(CHANNELS, 1, name="basic.nack"), id="nack"),
        pytest.param(amqp.connection_close(320, "CONNECTION_FORCED"), id="close"),
        pytest.param(amqp.method("channel.close", CHANNELS, b"\x01\x94\0" + bytes(4)), id="channel closed"),
        pytest.param(amqp.method("basic.return", CHANNELS, b"\x01\x38\0\0\0") + ack(CHANNELS, 1), id="unroutable"),
    ],
)
def test_a_venue_that_does_not_take_the_word_is_owed_it(word):
    talk = Talk().passing().lose(Side.CLIENT).broker(word)

    assert talk.ends[-1].owed


def test_what_the_broker_sends_a_client_that_is_gone_goes_nowhere():
    talk = Talk().passing().lose(Side.CLIENT).take().broker(deliver(1, b"news"), ack(1, 1), amqp.HEARTBEAT_FRAME)

    assert talk.down() == b""
    assert isinstance(talk.session.state, Parting)


@pytest.mark.req("M7-12")
def test_an_idle_client_hears_why_and_the_venue_too():
    talk = (
        Talk().greeted().client(amqp.consume(1, QUEUE)).broker(amqp.method("basic.consume-ok", 1, amqp.short("mine")))
    )
    talk.client(request(login())).admit(idle=30.0).answer().take().later(31)

    (report,) = contents(talk.down())
    assert b"INACTIVITY" in report[2]
    assert amqp.text_at(report[0].arguments, 0) == "mine"
    assert names(talk.up()) == TOLD


def test_a_dismissed_client_is_closed_with_320():
    talk = Talk().passing().order(Reason.KICKED)

    (close,) = methods(talk.down())
    assert (close.name, close.closing[0]) == ("connection.close", 320)
    assert close.closing[1].startswith("CONNECTION_FORCED - ")
    assert b"LogoutRprt" in talk.mail[0].body
    assert talk.mail[0].routing_key == QUEUE


def test_nothing_of_a_dismissed_client_goes_up_any_more():
    talk = Talk().passing().order(Reason.KICKED).take().client(order("late"), CLOSE_OK)

    assert talk.up() == b""


def test_a_report_never_lands_inside_a_content():
    talk = (
        Talk().greeted().client(amqp.consume(1, QUEUE)).broker(amqp.method("basic.consume-ok", 1, amqp.short("mine")))
    )
    talk.client(request(login())).admit().answer().take()
    half = deliver(1, b"x" * 9000)
    first = b"".join(frames_of(half)[:3])
    talk.broker(first).order(Reason.KICKED)

    assert names(talk.down()) == ["basic.deliver", "connection.close"]
    assert len(talk.mail) == 1


@pytest.mark.req("M7-10")
def test_an_orderly_close_tells_the_venue_first():
    talk = Talk().passing().client(order("last") + amqp.connection_close())
    sent = talk.up()

    assert names(sent) == ["basic.publish", *TOLD]
    assert talk.down() == CLOSE_OK
    talk.broker(ack(CHANNELS, 1))
    assert talk.ends[-1].reason is Reason.LOGOUT


def test_a_close_before_the_login_passes():
    talk = Talk().greeted().client(amqp.connection_close()).broker(CLOSE_OK)

    assert (names(talk.up()), talk.down()) == (["connection.close"], CLOSE_OK)
    assert talk.lose(Side.UPSTREAM).down() == b""


@pytest.mark.req("M7-12")
def test_a_close_of_the_broker_is_answered_at_once_so_that_a_client_that_says_nothing_keeps_no_session_open():
    talk = Talk().passing().broker(amqp.connection_close(320, "CONNECTION_FORCED"))
    assert talk.up() == CLOSE_OK
    assert talk.client(CLOSE_OK).up() == b""


@pytest.mark.req("M7-10")
def test_a_close_of_the_broker_reaches_the_client_with_its_code_and_text():
    close = amqp.connection_close(320, "CONNECTION_FORCED - PWD_CHANGE")
    talk = Talk().passing().broker(close)
    assert talk.down() == close
    talk.lose(Side.UPSTREAM)
    assert talk.down() == b""
    assert (talk.ends[-1].reason, talk.ends[-1].owed) == (Reason.UPSTREAM_LOST, True)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_broker_that_is_simply_gone_becomes_a_close_320(when):
    talk = (Talk().greeted() if when == "before" else Talk().passing()).lose(Side.UPSTREAM)

    (close,) = methods(talk.down())
    assert (close.name, close.closing[0]) == ("connection.close", 320)
    assert isinstance(talk.session.state, Closed)


def test_a_broker_that_is_gone_before_its_start_leaves_nothing_to_say():
    assert Talk().client(amqp.HEADER).lose(Side.UPSTREAM).down() == b""


def test_half_a_frame_of_the_broker_is_not_written_before_the_close():
    talk = Talk().passing().broker(deliver(1, b"x" * 3000)[:2000]).lose(Side.UPSTREAM)

    assert names(talk.down())[-1] == "connection.close"


@pytest.mark.req("M7-12")
def test_a_login_that_was_forwarded_and_not_answered_is_taken_back():
    talk = Talk().greeted().client(request(login())).admit().take().later(11)

    assert names(talk.up()) == TOLD
    assert talk.broker(ack(CHANNELS, 1)).ends[-1].reason is Reason.UPSTREAM_SILENT


def test_direct_reply_to_is_where_the_report_goes_too():
    talk = Talk().greeted().client(amqp.consume(1, DIRECT)).broker(amqp.method("basic.consume-ok", 1, amqp.short("d")))
    talk.client(request(login(), reply_to=DIRECT)).admit().answer().take().order(Reason.KICKED)

    assert b"LogoutRprt" in contents(talk.down())[0][2]
    assert talk.mail == []
