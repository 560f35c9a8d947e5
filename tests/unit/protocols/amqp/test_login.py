"""The login request: where it is found, what goes up of it, what waits behind it, and who hears of a refusal."""

import gzip

import pytest

from gateway.core.dialect import Side
from gateway.core.events import Verify
from gateway.core.reason import Reason
from gateway.core.states import Admitting, AwaitingLogin, Checking, Passing
from gateway.protocols.amqp.venue import AnswerBy, Venue
from tests.blackbox import amqp_bytes as amqp
from tests.unit.protocols.amqp.talk import (
    DIRECT,
    EXCHANGE,
    FRAME_MAX,
    HEARTBEAT,
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
    plain,
    request,
    start,
    tune,
)

DIRECT_OK = amqp.method("basic.consume-ok", 1, amqp.short("direct-tag"))


def whole(data: bytes) -> list[bytes]:
    return [amqp.frame(one.kind, one.channel, one.payload) for one in frames(data)]


@pytest.mark.req("M7-2")
def test_a_login_is_found_and_nothing_of_it_goes_up():
    talk = Talk().greeted().client(request(login(force="true"), app_id="ALGO", user_id="trader"))

    found = talk.attempt.login
    assert (found.protocol, found.user, found.process, found.target) == ("amqp", "trader", "ALGO", "/")
    assert (found.version, found.stream, found.force) == ("0-9-1", "trader", True)
    assert (found.code.reveal(), found.password.reveal()) == (b"123456", b"secret")
    assert (talk.up(), talk.down()) == (b"", b"")


@pytest.mark.req("M7-2")
def test_what_goes_up_is_the_login_without_its_code_under_the_clients_own_header():
    properties = {"message_id": "m", "content_type": "x", "priority": 3, "app_id": "ALGO"}
    talk = Talk().greeted().client(request(login(more="kept"), **properties)).admit()

    sent = talk.up()
    ((_, given, body),) = contents(sent)
    assert b"123456" not in sent
    assert b'more="kept"' in body
    assert sent == request(body, **properties)
    assert given["reply_to"] == QUEUE


def test_a_compressed_login_is_compressed_again():
    talk = Talk().greeted().client(request(gzip.compress(login()), content_encoding="gzip")).admit()

    ((_, _, body),) = contents(talk.up())
    assert b"LoginReq" in gzip.decompress(body)
    assert b"123456" not in gzip.decompress(body)


@pytest.mark.req("M7-2")
@pytest.mark.parametrize("split", [1, 5, 4000])
def test_a_login_in_any_frames_byte_by_byte_is_the_same_login(split):
    at_once = Talk().greeted().client(request(login())).admit()
    pieces = request(login(), split=split)
    in_pieces = Talk().greeted().client(*(bytes([one]) for one in pieces)).admit()

    assert in_pieces.up() == at_once.up()


def test_a_login_larger_than_a_frame_goes_up_in_frames_no_larger_than_agreed():
    talk = Talk().greeted().client(request(login(more="x" * 9000))).admit()

    assert max(len(one.payload) for one in frames(talk.up())) <= 4088


def test_frames_of_other_channels_inside_a_login_go_on():
    head, header, body = whole(request(login()))
    talk = Talk().greeted().client(head, amqp.queue_declare(2, QUEUE), header, amqp.HEARTBEAT_FRAME, body)

    assert talk.up() == amqp.queue_declare(2, QUEUE) + amqp.HEARTBEAT_FRAME
    assert isinstance(talk.session.state, Checking)


def test_of_two_logins_at_once_the_second_is_swallowed():
    first, second = whole(request(login())), whole(request(login(), channel=2))
    talk = Talk().greeted().client(first[0], second[0], second[1], second[2])
    assert talk.declined == [Reason.NOT_LOGGED_IN]

    talk.client(first[1], first[2])
    assert isinstance(talk.session.state, Checking)


@pytest.mark.req("M7-10")
def test_two_logins_in_a_row_are_one_login_and_a_refusal():
    talk = Talk().greeted().client(request(login()) + request(login(), correlation_id="c2")).admit()
    assert len(contents(talk.up())) == 1

    talk.answer()
    assert talk.up() == b""
    assert talk.declined == [Reason.ALREADY_LOGGED_IN]
    assert [one.correlation_id for one in talk.mail] == ["c2"]


# ── what is no login ──


@pytest.mark.req("M7-10")
@pytest.mark.parametrize(
    "publish",
    [
        pytest.param(order(), id="an order"),
        pytest.param(request(login(), key="management"), id="a login by another key"),
        pytest.param(request(login(), exchange="req.other"), id="a login on another exchange"),
        pytest.param(request(login(), exchange=""), id="a login on the default exchange"),
        pytest.param(request(b"<LogoutReq/>"), id="a logout"),
        pytest.param(request(b""), id="an empty body"),
    ],
)
def test_any_other_publish_is_swallowed_and_its_sender_told(publish):
    talk = Talk().greeted().client(publish)

    assert (talk.up(), talk.down()) == (b"", b"")
    assert isinstance(talk.session.state, AwaitingLogin)
    (mail,) = talk.mail
    assert (mail.exchange, mail.routing_key, mail.correlation_id, mail.mandatory) == ("", QUEUE, "c1", True)
    assert b"ErrResp" in mail.body
    assert talk.declined in ([Reason.NOT_LOGGED_IN], [Reason.GARBLED])


@pytest.mark.parametrize(
    ("publish", "reason"),
    [
        pytest.param(request(login("other")), Reason.NOT_BOUND, id="of another user"),
        pytest.param(request(login(), user_id="other"), Reason.NOT_BOUND, id="under another user_id"),
        pytest.param(request(login(), correlation_id=None), Reason.FORBIDDEN, id="whose answer nobody could tell"),
        pytest.param(request(login(), reply_to=None), Reason.FORBIDDEN, id="that wants no answer"),
        pytest.param(
            request(login(), reply_to="answers.other.1"), Reason.FORBIDDEN, id="to be answered to another user"
        ),
        pytest.param(request(b"<LoginReq"), Reason.GARBLED, id="not well-formed"),
        pytest.param(request(login(more="x" * 70_000)), Reason.TOO_LARGE, id="over 64 kB"),
    ],
)
def test_a_login_that_nobody_may_judge_is_swallowed(publish, reason):
    talk = Talk().greeted().client(publish)

    assert talk.declined == [reason]
    assert talk.up() == b""
    assert not any(isinstance(one, Verify) for one in talk.actions)


def test_a_login_with_copies_to_further_keys_is_swallowed():
    head, header, body = whole(request(login()))
    fields = amqp.long(amqp.short("BCC") + b"A" + amqp.long(b"S" + amqp.long("management")))
    header = amqp.frame(amqp.CONTENT, 1, b"\0\x3c\0\0" + len(login()).to_bytes(8, "big") + b"\x26\0" + fields
                        + amqp.short("c1") + amqp.short(QUEUE))  # fmt: skip
    talk = Talk().greeted().client(head, header, body)

    assert talk.declined == [Reason.FORBIDDEN]
    assert talk.up() == b""


@pytest.mark.req("M7-2")
@pytest.mark.parametrize("reply_to", ["answers.other.1", "backend", "amq.gen-guessed", "amq.rabbitmq.reply-to.token"])
def test_no_refusal_goes_to_a_queue_that_is_not_the_users(reply_to):
    talk = Talk().greeted().client(order(reply_to=reply_to))

    assert talk.declined == [Reason.NOT_LOGGED_IN]
    assert (talk.mail, talk.down()) == ([], b"")


# ── the verdict ──


@pytest.mark.req("M7-11")
def test_a_refused_login_is_told_by_mail_and_the_next_one_may_be_good():
    talk = Talk().greeted().client(request(login(code="000000"))).refuse()
    (mail,) = talk.mail
    assert b"ErrResp" in mail.body
    assert (talk.up(), talk.down()) == (b"", b"")

    talk.client(request(login())).admit().answer()
    assert isinstance(talk.session.state, Passing)


def test_what_was_pipelined_behind_a_refused_login_is_looked_at_at_once():
    talk = Talk().greeted().client(request(login()) + amqp.get(1, QUEUE) + order("lost"))
    assert talk.up() == b""

    assert talk.refuse().up() == amqp.get(1, QUEUE)
    assert talk.declined == [Reason.NOT_LOGGED_IN]


@pytest.mark.req("M7-10")
def test_direct_reply_to_is_answered_on_the_channel_itself():
    talk = Talk().greeted().client(amqp.consume(1, DIRECT)).broker(DIRECT_OK).take()
    talk.client(request(login(), reply_to=DIRECT)).refuse()

    ((method, properties, body),) = contents(talk.down())
    assert (method.name, amqp.text_at(method.arguments, 0)) == ("basic.deliver", "direct-tag")
    assert properties["correlation_id"] == "c1"
    assert b"ErrResp" in body
    assert talk.mail == []


def test_a_direct_reply_waits_for_the_end_of_a_content_on_its_channel_alone():
    talk = Talk().greeted().client(amqp.consume(1, DIRECT)).broker(DIRECT_OK).take()
    head, header, body = whole(deliver(1, b"news"))
    talk.broker(head, header).client(order(reply_to=DIRECT))
    assert talk.down() == head + header

    other = deliver(2, b"elsewhere")
    talk.broker(other)
    assert talk.down() == other

    talk.broker(body)
    first, second = contents(head + header + talk.down())
    assert first[2] == b"news"
    assert b"ErrResp" in second[2]


def test_without_a_consumer_nobody_is_told_directly():
    talk = Talk().greeted().client(order(reply_to=DIRECT))

    assert (talk.down(), talk.mail, talk.declined) == (b"", [], [Reason.NOT_LOGGED_IN])


@pytest.mark.req("M7-2")
def test_only_the_answer_with_the_same_correlation_id_opens_the_session():
    talk = Talk().greeted().client(request(login())).admit().take()
    other, text = deliver(1, b"<UserRprt/>", correlation_id="c9"), deliver(1, b"SYSTEM_ALIVE", correlation_id="c1")
    talk.broker(other, text)
    assert isinstance(talk.session.state, Admitting)
    assert talk.down() == other + text

    talk.answer()
    assert isinstance(talk.session.state, Passing)


def test_the_answer_may_be_polled():
    got = amqp.method("basic.get-ok", 2, bytes(9) + amqp.short("") + amqp.short(QUEUE) + bytes(4))
    body = b'<UserRprt sessionId="S9"/>'
    talk = Talk().greeted().client(request(login())).admit().take().client(amqp.get(2, QUEUE))
    assert talk.up() == amqp.get(2, QUEUE)

    talk.broker(got + amqp.header(2, len(body), correlation_id="c1") + b"".join(amqp.pieces(2, body, 5)))
    assert isinstance(talk.session.state, Passing)
    assert b"S9" in talk.dialect.will()


def test_a_refusal_of_the_exchange_passes_and_opens_nothing():
    talk = Talk().greeted().client(request(login())).admit().take().answer(root="ErrResp")

    assert contents(talk.down())[0][2].startswith(b"<ErrResp")
    assert isinstance(talk.session.state, AwaitingLogin)
    assert talk.ends[-1].reason is Reason.UPSTREAM_REFUSED


def test_a_login_that_comes_back_as_unroutable_opens_nothing():
    talk = Talk().greeted().client(request(login())).admit().take()
    returned = amqp.method(
        "basic.return", 1, b"\x01\x38" + amqp.short("NO_ROUTE") + amqp.short(EXCHANGE) + amqp.short(KEY)
    )
    talk.broker(returned + amqp.header(1, 2, correlation_id="c1") + amqp.frame(amqp.BODY, 1, b"xx"))

    assert isinstance(talk.session.state, AwaitingLogin)


def test_a_login_for_which_the_broker_closes_the_channel_opens_nothing():
    talk = Talk().greeted().client(request(login())).admit().take()
    talk.broker(amqp.method("channel.close", 1, b"\x01\x93" + amqp.short("ACCESS_REFUSED") + b"\0\x3c\0\x28"))

    assert isinstance(talk.session.state, AwaitingLogin)
    assert names(talk.down()) == ["channel.close"]


def test_a_channel_closed_while_the_login_was_judged_gets_no_login():
    talk = Talk().greeted().client(request(login()))
    talk.broker(amqp.method("channel.close", 1, b"\x01\x94" + amqp.short("NOT_FOUND") + bytes(4)))
    assert talk.admit().up() == b""
    assert isinstance(talk.session.state, AwaitingLogin)


# ── what waits ──


@pytest.mark.req("M7-10")
def test_behind_an_admitted_login_the_allow_list_passes_and_the_first_publish_waits_with_all_behind_it():
    behind = [amqp.get(1, QUEUE), amqp.HEARTBEAT_FRAME, order("one"), amqp.get(2, QUEUE), order("two", channel=2)]
    talk = Talk().greeted().client(request(login()) + b"".join(behind))
    assert talk.up() == b""

    sent = talk.admit().up()
    assert sent.endswith(behind[0] + behind[1])
    assert len(contents(sent)) == 1
    assert talk.dialect.holds

    assert talk.answer().up() == b"".join(behind[2:])
    assert not talk.dialect.holds


def test_a_publish_that_waits_counts_once_for_confirms():
    talk = (
        Talk().greeted().client(amqp.confirm_select(1), order("swallowed"), request(login()) + order("three")).admit()
    )
    talk.broker(ack(1, 1)).answer().take()

    assert methods(talk.broker(ack(1, 2)).down())[0].acked == (3, False)


def test_what_waits_is_bounded():
    talk = Talk().greeted().client(request(login())).admit().client(order("x" * 4000) * 300)

    assert not isinstance(talk.session.state, Admitting)
    assert b"xxxx" not in talk.up()


def test_a_close_behind_the_login_waits_for_the_answer():
    talk = Talk().greeted().client(request(login()) + amqp.connection_close()).admit()
    assert "connection.close" not in names(talk.up())

    assert "channel.open" in names(talk.answer().up())


@pytest.mark.req("M7-2")
def test_while_a_login_is_judged_and_answered_the_broker_hears_a_heartbeat_in_time():
    talk = Talk().greeted().client(request(login())).later(HEARTBEAT / 2 - 1)
    assert talk.up() == b""
    assert talk.later(1).up() == amqp.HEARTBEAT_FRAME
    assert talk.later(1).up() == b""

    talk.broker(amqp.HEARTBEAT_FRAME)
    assert talk.down() == amqp.HEARTBEAT_FRAME


def test_without_heartbeats_none_is_sent():
    talk = Talk().client(amqp.HEADER)
    talk.broker(start()).client(plain()).broker(tune()).client(amqp.tune_ok(5, FRAME_MAX, 0), amqp.connection_open("/"))
    talk.client(amqp.channel_open(1), request(login())).take()

    assert talk.later(1000).up() == b""


@pytest.mark.req("M7-2")
def test_a_blocked_broker_is_the_clients_to_know():
    blocked = amqp.method("connection.blocked", 0, amqp.short("low on memory"))
    talk = Talk().greeted().client(request(login())).broker(blocked)

    assert talk.down() == blocked


# ── a venue that answers no login ──

CONFIRMING = Venue(
    name="quiet", exchange="req.{user}", login_key=KEY, queues=("answers.{user}.*",), login="LoginReq",
    user_attribute="user", code_attribute="code", refused="ErrResp", answer=AnswerBy.CONFIRM,
)  # fmt: skip


def confirming() -> Talk:
    return Talk(CONFIRMING).greeted().client(amqp.confirm_select(1), order("swallowed"))


def test_the_brokers_confirm_opens_the_session():
    talk = confirming().client(request(login(), reply_to=None)).admit().take().broker(ack(1, 1))

    assert isinstance(talk.session.state, Passing)
    assert methods(talk.down())[0].acked == (2, False)


def test_the_brokers_nack_does_not():
    talk = confirming().client(request(login())).admit().take().broker(ack(1, 1, name="basic.nack"))

    assert isinstance(talk.session.state, AwaitingLogin)


def test_a_login_without_confirms_could_never_be_answered():
    talk = Talk(CONFIRMING).greeted().client(request(login()))

    assert talk.declined == [Reason.FORBIDDEN]


def test_a_login_while_the_client_is_gone_goes_nowhere():
    talk = Talk().greeted().client(request(login())).lose(Side.CLIENT).admit()

    assert talk.up() == b""
