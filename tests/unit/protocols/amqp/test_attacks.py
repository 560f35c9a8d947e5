"""Doors that a client with a password, or with a good login of its own, could try: each is tried here, and shut."""

import gzip

import pytest

from gateway.core.dialect import Side
from gateway.core.reason import Reason
from gateway.core.states import AwaitingLogin, Checking, Closed, Passing
from gateway.protocols.amqp.venue import AnswerBy, Venue
from tests.blackbox import amqp_bytes as amqp
from tests.unit.protocols.amqp.talk import (
    CHANNELS,
    DIRECT,
    EXCHANGE,
    KEY,
    PASSWORD_VENUE,
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
    plain,
    request,
    start,
    tune,
)

LOGOUT = b'<LogoutReq sessionId="S7"/>'
CLOSED_BY_BROKER = amqp.method("channel.close", 1, b"\x01\x96" + amqp.short("PRECONDITION_FAILED") + bytes(4))
CONFIRMING = Venue(
    name="quiet", exchange="req.{user}", login_key=KEY, queues=("answers.{user}.*",), login="LoginReq",
    user_attribute="user", code_attribute="code", refused="ErrResp", answer=AnswerBy.CONFIRM,
)  # fmt: skip


def split(data: bytes) -> list[bytes]:
    return [amqp.frame(one.kind, one.channel, one.payload) for one in frames(data)]


def published(talk: Talk) -> list[bytes]:
    return [body for _, _, body in contents(talk.up())]


# ── a logout that is none: the session would go on at the venue, and nobody would watch it ──


@pytest.mark.req("M7-12")
@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(request(LOGOUT, exchange="amq.topic"), id="to another exchange"),
        pytest.param(request(b'<LogoutReq sessionId="S1"/>'), id="of another session"),
        pytest.param(request(b'<LogoutReq xmlns="urn:else" sessionId="S7"/>'), id="in another namespace"),
    ],
)
def test_a_logout_that_the_venue_would_not_take_ends_no_session(sent):
    talk = Talk().passing().client(sent)

    assert talk.up() == sent
    assert isinstance(talk.session.state, Passing)
    assert [body.endswith(LOGOUT) for body in published(talk.lose(Side.CLIENT))] == [True]


@pytest.mark.req("M7-12")
@pytest.mark.parametrize(
    ("body", "properties"),
    [
        pytest.param(b"<!-- bye -->" + LOGOUT, {}, id="behind a comment"),
        pytest.param(LOGOUT.decode().encode("utf-16"), {}, id="UTF-16"),
        pytest.param(gzip.compress(LOGOUT), {"content_encoding": "gzip"}, id="gzip"),
        pytest.param(b"<LogoutReq/>", {}, id="without an id"),
    ],
)
def test_a_logout_however_it_is_written_is_a_logout(body, properties):
    talk = Talk().passing().client(request(body, **properties), order("late"))

    assert published(talk) == [body]
    assert isinstance(talk.session.state, AwaitingLogin)


# ── logins where none may be ──


@pytest.mark.req("M7-10")
def test_a_login_begun_elsewhere_in_one_session_is_none_after_it():
    method, header, body = split(request(login(), channel=2, exchange="amq.topic"))
    talk = Talk().passing().client(method, request(LOGOUT)).take().client(header, body)

    assert (talk.up(), talk.declined) == (b"", [Reason.NOT_LOGGED_IN])
    assert isinstance(talk.session.state, AwaitingLogin)


@pytest.mark.req("M7-10")
def test_a_login_begun_without_confirms_in_one_session_could_not_be_answered_after_it():
    talk = Talk(CONFIRMING).greeted().client(amqp.confirm_select(1), request(login())).admit().broker(ack(1, 1)).take()
    assert isinstance(talk.session.state, Passing)

    talk.client(request(login(), channel=2))

    assert (talk.up(), talk.declined) == (b"", [Reason.ALREADY_LOGGED_IN])


@pytest.mark.req("M7-10")
def test_a_second_login_behind_more_blanks_than_are_looked_at_never_goes_up():
    talk = Talk().passing().client(request(b" " * 70_000 + login("other")))

    assert published(talk) == []
    assert talk.declined == [Reason.TOO_LARGE]


@pytest.mark.req("M7-10")
def test_closing_the_channel_in_a_swallowed_publish_leaves_nothing_to_finish():
    method, header, body = split(order())
    talk = Talk().greeted().client(method, amqp.channel_close(1), amqp.channel_open(1), header, body)

    assert names(talk.up()) == ["channel.close", "channel.open"]
    assert methods(talk.down())[0].closing[0] == 505


@pytest.mark.req("M7-10")
def test_a_swallowed_publish_finished_in_a_session_stays_swallowed():
    method, header, body = split(order(channel=2))
    talk = Talk().greeted().client(method, header, request(login())).admit().answer().take().client(body, order())

    assert published(talk) == [b"order"]
    assert talk.declined == [Reason.NOT_LOGGED_IN]


@pytest.mark.req("M7-10")
@pytest.mark.parametrize("channel", [0, 3, CHANNELS, CHANNELS + 1, 65_535])
def test_a_publish_on_a_channel_that_is_not_open_ends_the_connection(channel):
    talk = Talk().greeted().client(request(login(), channel=channel))

    assert talk.up() == b""
    assert isinstance(talk.session.state, Closed)


@pytest.mark.req("M7-10")
def test_the_gateways_own_channel_is_nobody_elses():
    talk = Talk().passing().client(amqp.channel_open(CHANNELS))

    assert methods(talk.down())[0].closing[0] == 504
    assert names(talk.up()) == ["channel.open", "confirm.select", "basic.publish"]  # the logout


@pytest.mark.req("M7-10")
@pytest.mark.parametrize(
    "header",
    [
        pytest.param(amqp.frame(amqp.CONTENT, 1, b"\0\x0a" + bytes(12)), id="of another class"),
        pytest.param(amqp.frame(amqp.CONTENT, 1, b"\0\x3c" + bytes(10) + b"\0\1"), id="flags that go on"),
        pytest.param(amqp.frame(amqp.CONTENT, 1, b"\0\x3c" + bytes(12) + b"\0"), id="bytes behind the properties"),
    ],
)
def test_a_content_header_that_can_be_read_in_two_ways_is_read_in_none(header):
    talk = Talk().greeted().client(amqp.publish_method(1, EXCHANGE, KEY) + header)

    assert talk.up() == b""
    assert talk.session.state == Closed(Reason.GARBLED)


@pytest.mark.req("M7-10")
def test_the_weight_of_a_content_header_is_no_size():
    method, header, body = split(request(login()))
    weighed = header[:9] + b"\xff\xff" + header[11:]
    talk = Talk().greeted().client(method, weighed, body)

    assert isinstance(talk.session.state, Checking)


@pytest.mark.req("M7-10")
def test_a_body_longer_than_announced_reaches_nobody():
    head = amqp.publish_method(1, EXCHANGE, KEY) + amqp.header(1, 3)
    talk = Talk().greeted().client(head + amqp.frame(amqp.BODY, 1, login()))

    assert talk.up() == b""
    assert talk.session.state == Closed(Reason.GARBLED)


@pytest.mark.req("M7-10")
def test_frames_of_a_login_that_carry_nothing_are_not_kept():
    method, header, body = split(request(login()))
    talk = Talk().greeted().client(method, header, amqp.frame(amqp.BODY, 1, b"") * 1000, body).admit()

    assert [one.kind for one in frames(talk.up())] == [amqp.METHOD, amqp.CONTENT, amqp.BODY]


def test_frames_of_a_request_that_carry_nothing_are_not_kept():
    method, header, body = split(request(b"<Inquiry/>"))
    talk = Talk().passing().client(method, header, amqp.frame(amqp.BODY, 1, b"") * 1000, body)

    assert talk.up() == method + header + body


# ── answers ──


@pytest.mark.req("M7-10")
@pytest.mark.parametrize(
    "reply_to", ["", "answers.other.1", "answers.trader.1.2", "answers.trader.", f"{DIRECT}.g2dk", "amq.gen-x"]
)
def test_a_login_whose_answer_the_gateway_could_not_give_is_swallowed_in_silence(reply_to):
    talk = Talk().greeted().client(request(login(), reply_to=reply_to or None))

    assert (talk.mail if reply_to != "answers.trader." else [], talk.up()) == ([], b"")


@pytest.mark.req("M7-10")
def test_a_queue_that_the_broker_names_for_another_channel_is_learned_from_an_unnamed_declare_alone():
    named = amqp.method("queue.declare-ok", 1, amqp.short("answers.other.1") + bytes(8))
    talk = Talk().greeted().client(amqp.queue_declare(1, QUEUE)).broker(named).take()
    talk.client(order(reply_to="answers.other.1"))

    assert talk.mail == []


@pytest.mark.req("M7-10")
@pytest.mark.parametrize("root", ["UserRprt", "ErrResp"])
def test_an_answer_before_there_is_a_login_or_while_it_is_judged_is_none(root):
    early = deliver(1, f'<{root} sessionId="S1"/>'.encode(), correlation_id="c1")
    talk = Talk().greeted().broker(early).client(request(login())).broker(early)
    assert isinstance(talk.session.state, Checking)

    talk.admit().take().client(order())
    assert talk.up() == b""


@pytest.mark.req("M7-10")
def test_a_login_that_needs_the_brokers_word_must_be_one_that_it_can_not_drop():
    """A broker confirms what it could not route: only a mandatory publish comes back, and opens nothing."""
    talk = Talk(CONFIRMING).greeted().client(amqp.confirm_select(1)).take().client(request(login())).admit()
    (one,) = (one for one in methods(talk.up()) if one.name == "basic.publish")
    assert one.arguments[-1] & 1

    returned = amqp.method("basic.return", 1, b"\x01\x38" + amqp.short("NO_ROUTE") + amqp.short("") + amqp.short(KEY))
    talk.broker(returned + amqp.header(1, 1, correlation_id="c1") + amqp.frame(amqp.BODY, 1, b"x"), ack(1, 1))
    assert isinstance(talk.session.state, AwaitingLogin)


@pytest.mark.req("M7-12")
def test_a_login_judged_while_the_broker_closes_is_not_sent_after_it_and_needs_no_logout():
    """A logout without an id would end the user's other sessions at the venue."""
    talk = Talk().greeted().client(request(login())).broker(amqp.connection_close(320, "maintenance")).admit()
    talk.lose(Side.UPSTREAM)

    assert names(talk.up()) == ["connection.close-ok"]
    assert [(one.reason, one.owed) for one in talk.ends] == [
        (Reason.UPSTREAM_REFUSED, False),
        (Reason.UPSTREAM_CLOSED, False),
    ]


@pytest.mark.req("M7-11")
def test_a_broker_that_answers_a_password_by_closing_has_refused_it():
    """RabbitMQ says so in words only to clients that can read them: a guess must count either way."""
    talk = Talk(PASSWORD_VENUE).client(amqp.HEADER).broker(start()).client(plain(password="guess123456")).admit()

    assert talk.lose(Side.UPSTREAM).ends[-1].reason is Reason.UPSTREAM_REFUSED


def test_a_password_that_was_taken_is_not_refused_by_what_comes_later():
    talk = Talk(PASSWORD_VENUE).client(amqp.HEADER).broker(start()).client(plain(password="right123456")).admit()
    talk.broker(tune()).lose(Side.UPSTREAM)

    assert talk.ends[-1].reason is Reason.UPSTREAM_LOST


# ── work for nothing ──


@pytest.mark.req("M7-10")
@pytest.mark.parametrize("root", ["user='trader'", "user='other'"])
def test_a_login_of_more_parts_than_any_login_has_is_refused_unread(root):
    """321 bytes that cost a tenth of a second: a dozen a second would keep everybody else waiting."""
    packed = gzip.compress(f"<LoginReq code='1' {root}>".encode() + b"<a/>" * 60_000 + b"</LoginReq>")
    talk = Talk().greeted().client(request(packed, content_encoding="gzip"))

    assert talk.declined == [Reason.TOO_LARGE]


@pytest.mark.req("M7-10")
def test_whoever_publishes_on_and_on_without_a_login_is_cut_off_in_words():
    talk = Talk().greeted().client(*[order(reply_to=None)] * 2000)

    assert isinstance(talk.session.state, Closed)
    assert methods(talk.down())[-1].closing[0] == 530
    assert talk.up() == b""


@pytest.mark.req("M7-10")
def test_whoever_sends_logins_that_nobody_can_judge_is_cut_off_sooner():
    talk = Talk().greeted().client(*[request(login("other"), reply_to=None)] * 100)

    assert isinstance(talk.session.state, Closed)


def test_a_good_login_forgives_what_was_swallowed_before_it():
    talk = Talk().greeted().client(*[order(reply_to=None)] * 600)
    talk.client(request(login())).admit().answer().client(request(LOGOUT)).client(*[order(reply_to=None)] * 600)

    assert isinstance(talk.session.state, AwaitingLogin)


def test_a_channel_that_the_broker_closed_in_a_content_costs_no_speed_later():
    talk = Talk().passing().client(amqp.publish_method(1, EXCHANGE, KEY)).broker(CLOSED_BY_BROKER)
    talk.client(amqp.method("channel.close-ok", 1), amqp.channel_open(1))
    shortcuts = talk.shortcuts
    talk.client(order(channel=2))

    assert talk.shortcuts == shortcuts + 1
