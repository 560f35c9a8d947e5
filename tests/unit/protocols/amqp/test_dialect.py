"""A session that passes: a pipe, but for a second login, a logout, copies to the login's key, and a renewal."""

import pytest

from gateway.core.reason import Reason
from gateway.core.states import AwaitingLogin, Checking, Closed, Parting, Passing
from gateway.protocols.amqp.parcel import Parcel
from tests.blackbox import amqp_bytes as amqp
from tests.unit.protocols.amqp.talk import (
    KEY,
    QUEUE,
    Talk,
    contents,
    deliver,
    frames,
    login,
    methods,
    names,
    order,
    request,
)

LOGOUT = b'<LogoutReq sessionId="S7"/>'


@pytest.mark.req("M7-2")
def test_what_passes_is_never_touched():
    up = order("one") + amqp.get(1, QUEUE) + order("x" * 9000, channel=2) + amqp.HEARTBEAT_FRAME
    down = (
        deliver(1, b"x" * 9000) + amqp.HEARTBEAT_FRAME + deliver(2, b"") + amqp.method("connection.blocked", 0, b"\0")
    )
    talk = Talk().passing().client(up).broker(down)

    assert (talk.up(), talk.down()) == (up, down)


def test_requests_by_the_logins_key_that_are_neither_login_nor_logout_pass_as_they_are():
    asked = request(b"<OrdrExeReq/>") + request(b"not XML", split=3) + request(b"")
    talk = Talk().passing().client(asked)

    assert talk.up() == asked
    assert talk.declined == []


@pytest.mark.req("M7-10")
def test_a_second_login_of_the_same_user_is_swallowed_and_the_session_goes_on():
    talk = Talk().passing().client(request(login()), order("next"))

    assert talk.up() == order("next")
    assert talk.declined == [Reason.ALREADY_LOGGED_IN]
    assert b"already logged in" in talk.mail[0].body


def test_a_second_login_of_another_user_ends_the_session_and_the_venue_is_told():
    talk = Talk().passing().client(request(login("other")))

    assert [body for _, _, body in contents(talk.up())] == [Parcel.decode(talk.dialect.will()).body]
    assert isinstance(talk.session.state, Parting)
    assert talk.session.state.ended.reason is Reason.IDENTITY_CHANGED


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(login().decode().encode("utf-16"), id="in another alphabet"),
        pytest.param(b"<!DOCTYPE x []>" + login(), id="behind a DTD"),
        pytest.param(login()[:-1], id="not well-formed"),
        pytest.param(b"<!-- " + b"x" * 70_000 + b" -->" + login(), id="behind a long comment"),
        pytest.param(login(more="x" * 70_000), id="over 64 kB"),
    ],
)
def test_what_some_parser_could_read_as_a_login_never_goes_up(body):
    talk = Talk().passing().client(request(body), order("next"))

    assert talk.up() == order("next")
    assert len(talk.declined) == 1


def test_a_large_request_that_is_no_login_passes_whole_and_its_channel_is_free_again():
    large = request(b"<Upload>" + b"x" * 200_000 + b"</Upload>")
    talk = Talk().passing().client(large, order("next"))

    assert talk.up() == large + order("next")


def copied(key: str, name: str = "CC") -> bytes:
    fields = amqp.long(amqp.short(name) + b"A" + amqp.long(b"S" + amqp.long(key)))
    header = amqp.frame(amqp.CONTENT, 1, b"\0\x3c\0\0" + (1).to_bytes(8, "big") + b"\x20\0" + fields)
    return amqp.publish_method(1, "req.trader", "management") + header + amqp.frame(amqp.BODY, 1, b"x")


@pytest.mark.req("M7-10")
@pytest.mark.parametrize("name", ["CC", "BCC"])
def test_a_copy_to_the_logins_key_ends_the_connection(name):
    talk = Talk().passing().client(copied(KEY, name))

    (close, *_) = methods(talk.down())
    assert (close.name, close.closing[0]) == ("connection.close", 530)
    assert isinstance(talk.session.state, Parting)
    assert all(one.kind != amqp.CONTENT or one.channel != 1 for one in frames(talk.up()))


def test_a_copy_to_another_key_passes():
    assert Talk().passing().client(copied("elsewhere")).up() == copied("elsewhere")


@pytest.mark.req("M7-10")
def test_after_its_own_logout_the_connection_stays_and_the_rules_of_before_apply():
    talk = Talk().passing().client(request(LOGOUT) + order("late"))
    assert talk.up() == request(LOGOUT)
    assert talk.ends[-1].reason is Reason.LOGOUT
    assert isinstance(talk.session.state, AwaitingLogin)
    assert talk.declined == [Reason.NOT_LOGGED_IN]

    talk.client(request(login(), correlation_id="c2"))
    assert isinstance(talk.session.state, Checking)


def test_a_login_after_a_logout_opens_a_session_with_a_new_id():
    talk = Talk().passing().client(request(LOGOUT)).take().client(request(login(), correlation_id="c2")).admit()
    talk.take().answer("S8", correlation_id="c2")

    assert isinstance(talk.session.state, Passing)
    assert b"S8" in talk.dialect.will()


def test_the_will_of_a_second_login_does_not_name_the_first_session():
    talk = Talk().passing().client(request(LOGOUT), request(login(), correlation_id="c2"))

    assert b"S7" not in talk.attempt.login.will


def test_a_content_that_was_under_way_at_the_logout_can_not_be_finished():
    first = order("x" * 5000, channel=2)
    talk = Talk().passing().client(b"".join(split(first)[:2]), request(LOGOUT)).take()
    talk.client(split(first)[2])

    assert talk.up() == b""
    assert methods(talk.down())[0].closing[0] == 505


def split(data: bytes) -> list[bytes]:
    return [amqp.frame(one.kind, one.channel, one.payload) for one in frames(data)]


def test_a_logout_in_the_middle_of_other_channels_frames_is_seen():
    head, header, body = split(request(LOGOUT))
    talk = Talk().passing().client(head + order("one", channel=2) + header, order("two", channel=2), body)

    assert sorted(body for _, _, body in contents(talk.up())) == [LOGOUT, b"one", b"two"]
    assert isinstance(talk.session.state, AwaitingLogin)


def test_a_client_that_begins_requests_on_many_channels_and_ends_none_is_cut_off():
    channels = tuple(range(1, 40))
    talk = Talk().greeted(channel_max=100, channels=channels)
    talk.client(request(login())).admit().answer().take()
    talk.client(*(amqp.publish_method(channel, "req.trader", KEY) for channel in channels))

    assert methods(talk.down())[0].closing[0] == 530


def test_answers_that_wait_for_the_end_of_a_content_are_bounded():
    talk = Talk().greeted().client(amqp.confirm_select(1)).broker(b"".join(split(deliver(1, b"x" * 100))[:2]))
    talk.client(*[order(reply_to=None)] * 4000)

    assert isinstance(talk.session.state, Closed)


# ── renewal ──


def test_a_new_secret_renews_the_login_and_is_answered_by_the_gateway():
    talk = Talk().passing().client(amqp.update_secret("654321"), order("meanwhile"))
    asked = talk.attempt.login
    assert (asked.user, asked.code.reveal(), asked.password.reveal()) == ("trader", b"654321", b"secret")
    assert talk.up() == order("meanwhile")

    talk.admit()
    assert names(talk.down()) == ["connection.update-secret-ok"]


def test_a_new_secret_before_the_login_is_not_allowed():
    talk = Talk().greeted().client(amqp.update_secret("654321"))

    assert (methods(talk.down())[0].closing[0], talk.up()) == (530, b"")


# ── what no peer may send ──


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="no frame"),
        pytest.param(order()[:-1] + b"\0", id="no frame end"),
        pytest.param(amqp.frame(amqp.BODY, 1, b"x" * 4097), id="over frame_max"),
        pytest.param(amqp.frame(amqp.BODY, 1, b"x" * 4097)[:20], id="over frame_max, as soon as it says so"),
        pytest.param(amqp.publish_method(1, "x", KEY) + amqp.frame(amqp.CONTENT, 1, b"short"), id="a header cut short"),
        pytest.param(amqp.HEADER, id="a second handshake"),
        pytest.param(amqp.connection_open("/"), id="a second open"),
        pytest.param(amqp.method("connection.close-ok", 0), id="a CloseOk for nothing"),
    ],
)
def test_garbage_in_a_passing_session_ends_it_and_the_venue_is_told(data):
    talk = Talk().passing().client(data)

    assert isinstance(talk.session.state, Parting | Closed)
    assert b"LogoutReq" in talk.up()


def test_garbage_from_the_broker_ends_the_session():
    talk = Talk().passing().broker(b"GET / HTTP/1.1\r\n\r\n")

    assert talk.session.state.ended.reason is Reason.GARBLED
