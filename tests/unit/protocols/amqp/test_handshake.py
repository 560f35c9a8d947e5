"""The connection's handshake: what is edited, what is read, and what ends it."""

import struct

import pytest

from gateway.core.dialect import Side
from gateway.core.reason import Reason
from gateway.core.secret import Secret
from gateway.core.states import AwaitingLogin, Closed, Passing
from gateway.protocols.amqp.frames import Frame, GarbledError
from gateway.protocols.amqp.handshake import edit_tune, read_start_ok, split_code
from tests.blackbox import amqp_bytes as amqp
from tests.unit.protocols.amqp.talk import (
    CHANNELS,
    FRAME_MAX,
    HEARTBEAT,
    PASSWORD_VENUE,
    Talk,
    login,
    methods,
    names,
    plain,
    request,
    start,
    tune,
)


@pytest.mark.parametrize(
    "header",
    [
        b"AMQP\1\1\0\x09",
        b"AMQP\1\1\x08\0",
        b"AMQP\0\0\x09\0",
        b"AMQP\0\1\0\0",
        b"AMQP\3\1\0\0",
        b"GET / HTTP/1.1\r\n",
        b"\0",
    ],
)
def test_another_protocol_header_is_answered_with_the_right_one_and_closed(header):
    talk = Talk().client(header)

    assert talk.down() == b"AMQP\0\0\x09\x01"
    assert talk.up() == b""
    assert talk.session.state == Closed(Reason.UNSUPPORTED_VERSION)


def test_the_header_may_come_byte_by_byte():
    talk = Talk().client(*(bytes([one]) for one in amqp.HEADER))

    assert talk.up() == amqp.HEADER
    assert isinstance(talk.session.state, AwaitingLogin)


@pytest.mark.parametrize(("identity", "left"), [("", b"PLAIN"), ("trader", b"PLAIN EXTERNAL")])
def test_start_loses_every_mechanism_that_is_not_read_and_no_other_byte(identity, left):
    talk = Talk(identity=identity).client(amqp.HEADER).broker(start("AMQPLAIN PLAIN RABBIT-CR-DEMO EXTERNAL"))

    assert talk.down() == start(left.decode())


def test_start_ok_passes_as_it_is():
    talk = Talk().client(amqp.HEADER).broker(start()).take()

    assert talk.client(plain()).up() == plain()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(amqp.start_ok("AMQPLAIN", b"\x05LOGINS\0\0\0\x05guest"), id="AMQPLAIN"),
        pytest.param(amqp.start_ok("EXTERNAL", b""), id="EXTERNAL without a certificate"),
        pytest.param(amqp.start_ok("PLAIN", b"admin\0trader\0secret"), id="an identity to act as"),
        pytest.param(amqp.start_ok("PLAIN", b"\0trader"), id="no password"),
        pytest.param(amqp.start_ok("PLAIN", b"\0trader\0sec\0ret"), id="NUL in the password"),
        pytest.param(amqp.start_ok("PLAIN", b"\0\0secret"), id="no user"),
        pytest.param(amqp.start_ok("PLAIN", b"\0\xff\0secret"), id="not UTF-8"),
        pytest.param(amqp.method("connection.tune-ok", 0, bytes(8)), id="out of turn"),
        pytest.param(amqp.channel_open(1), id="a channel"),
        pytest.param(amqp.HEARTBEAT_FRAME, id="a heartbeat"),
    ],
)
def test_any_other_start_ok_ends_it_and_does_not_reach_the_broker(answer):
    talk = Talk().client(amqp.HEADER).broker(start()).take().client(answer)

    assert talk.up() == b""
    assert talk.session.state == Closed(Reason.GARBLED)


def test_start_ok_before_start_is_out_of_turn():
    talk = Talk().client(amqp.HEADER + plain())

    assert talk.up() == amqp.HEADER
    assert talk.session.state == Closed(Reason.GARBLED)


@pytest.mark.req("M7-13")
def test_the_user_of_external_is_the_certificates():
    frame = Frame(1, 0, amqp.start_ok("EXTERNAL", b"somebody"))

    read = read_start_ok(frame, frozenset([b"PLAIN", b"EXTERNAL"]), "CN of the certificate")

    assert (read.user, read.password) == ("CN of the certificate", None)


@pytest.mark.parametrize(("broker", "client"), [(10, 9), (2047, 2046), (0, 65_534), (2, 1)])
def test_the_top_channel_is_not_offered_and_asked_for_all_the_same(broker, client):
    talk = Talk().client(amqp.HEADER).broker(start()).client(plain()).take().broker(tune(broker))
    assert talk.down() == tune(client)

    assert talk.client(amqp.tune_ok(client, FRAME_MAX, HEARTBEAT)).up() == amqp.tune_ok(
        client + 1, FRAME_MAX, HEARTBEAT
    )


def test_without_two_channels_there_is_none_for_the_gateway():
    with pytest.raises(GarbledError):
        edit_tune(Frame(1, 0, tune(1)))


def test_frame_max_and_heartbeat_are_the_peers_own():
    talk = Talk().client(amqp.HEADER).broker(start()).client(plain()).take().broker(tune(10, 131_072, 60))
    assert talk.down() == tune(9, 131_072, 60)

    assert talk.client(amqp.tune_ok(3, 8192, 0)).up() == amqp.tune_ok(4, 8192, 0)


@pytest.mark.parametrize(
    "values", [(0, FRAME_MAX, 0), (CHANNELS, FRAME_MAX, 0), (1, FRAME_MAX + 1, 0), (1, 0, 0), (1, 4095, 0)]
)
def test_a_tune_ok_beyond_the_offer_is_refused_as_the_broker_does(values):
    talk = (
        Talk().client(amqp.HEADER).broker(start()).client(plain()).broker(tune()).take().client(amqp.tune_ok(*values))
    )

    (close,) = methods(talk.down())
    assert (close.name, close.closing[0], talk.up()) == ("connection.close", 530, b"")
    assert isinstance(talk.session.state, Closed)


def test_the_vhost_is_the_target_of_the_login():
    talk = Talk().client(amqp.HEADER).broker(start()).client(plain()).broker(tune())
    talk.client(amqp.tune_ok(1, FRAME_MAX, 0), amqp.connection_open("app"), amqp.channel_open(1), request(login()))

    assert talk.attempt.login.target == "app"


def test_a_broker_that_refuses_the_password_says_so_itself():
    close = amqp.connection_close(403, "ACCESS_REFUSED")
    talk = Talk().client(amqp.HEADER).broker(start()).client(plain()).take().broker(close)
    assert talk.down() == close

    bye = amqp.method("connection.close-ok", 0)
    assert talk.client(bye).up() == bye


# ── the code behind the password ──


def asked(password: str) -> Talk:
    return Talk(PASSWORD_VENUE).client(amqp.HEADER).broker(start()).take().client(plain(password=password))


@pytest.mark.parametrize(
    ("secret", "password", "code"),
    [
        ("pw123456", b"pw", b"123456"),
        ("123456", b"", b"123456"),
        ("pw12345", b"pw12345", None),
        ("pw12345x", b"pw12345x", None),
    ],
)
def test_the_last_digits_of_a_secret_are_the_code(secret, password, code):
    left, cut = split_code(Secret(secret), 6)

    assert left.reveal() == password
    assert (cut.reveal() if cut else None) == code


def test_start_ok_waits_for_the_verdict_and_goes_up_without_the_code():
    talk = asked("secret123456")
    assert talk.up() == b""
    login = talk.attempt.login
    assert (login.user, login.password.reveal(), login.code.reveal()) == ("trader", b"secret", b"123456")
    assert (login.target, login.process) == ("*", "trader")

    assert talk.admit().up() == plain(password="secret")


def test_tune_is_the_brokers_yes_and_the_handshake_goes_on():
    talk = asked("secret123456").admit().take().broker(tune())
    assert isinstance(talk.session.state, Passing)
    assert talk.down() == tune(CHANNELS - 1)

    talk.opened()
    publish = amqp.publish(1, "any", "key", b"order")
    assert talk.client(publish).up() == publish
    assert talk.shortcuts > 0


def test_a_close_is_the_brokers_no():
    close = amqp.connection_close(403, "ACCESS_REFUSED")
    talk = asked("secret123456").admit().take().broker(close)

    assert talk.down() == close
    assert talk.lose(Side.UPSTREAM).ends[-1].reason is Reason.UPSTREAM_REFUSED


@pytest.mark.req("M7-11")
def test_a_wrong_code_is_refused_as_a_broker_refuses_a_password():
    talk = asked("secret999999").refuse()

    (close,) = methods(talk.down())
    assert (close.name, close.closing[0]) == ("connection.close", 403)
    assert close.closing[1].startswith("ACCESS_REFUSED - ")
    assert talk.up() == b""
    assert isinstance(talk.session.state, Closed)


def test_an_orderly_close_of_such_a_session_passes_and_is_a_logout():
    talk = asked("secret123456").admit().broker(tune()).opened()
    talk.client(amqp.connection_close()).broker(amqp.method("connection.close-ok", 0))

    assert (names(talk.up()), names(talk.down())) == (["connection.close"], ["connection.close-ok"])
    assert talk.lose(Side.UPSTREAM).ends[-1].reason is Reason.LOGOUT


def test_frames_before_tune_are_small():
    talk = Talk().client(amqp.HEADER).broker(start()).client(struct.pack("!BHI", 1, 0, 8193))

    assert talk.session.state == Closed(Reason.GARBLED)
