import pytest

from gateway.core.dialect import Found, Pass, Side, Violation
from gateway.core.login import Admitted, Memory, Moment
from gateway.core.reason import Reason
from gateway.protocols.fix.dialect import FixDialect
from gateway.protocols.fix.venue import Acceptance, Venue
from tests.fixbytes import SENDING, fix, logon, message, read, split, stamp

NOW = Moment(0.0, SENDING)
GRANT = Admitted("s", "alice", 1800, 86400, Memory("k"))


def found_in(data, venue=None, acceptance=None):
    dialect = FixDialect(venue, acceptance)
    (found,) = dialect.feed(Side.CLIENT, data, NOW)
    assert isinstance(found, Found), found
    ((forwarded),) = dialect.admitted(GRANT)
    assert forwarded.to is Side.UPSTREAM
    (one,) = split(forwarded.data)
    return found.login, one


def violation(data, acceptance=None, now=NOW):
    (output,) = FixDialect(acceptance=acceptance).feed(Side.CLIENT, data, now)
    assert isinstance(output, Violation), output
    return output.reason


def test_a_logon_is_read_and_forwarded_without_its_code_and_otherwise_unchanged():
    login, forwarded = found_in(logon(3))
    assert (login.user, login.process, login.target, login.version) == ("alice", "CLIENT", "EXCH", "FIX.4.4")
    assert (login.password.reveal(), login.code.reveal()) == (b"pw", b"123456")
    assert login.stream == "FIX.4.4/CLIENT/EXCH"
    assert forwarded == logon(3, code=None)


def test_a_comp_id_with_a_slash_names_no_other_stream():
    one, _ = found_in(logon(1, sender="A/B", target="C"))
    other, _ = found_in(logon(1, sender="A", target="B/C"))
    assert one.stream != other.stream


@pytest.mark.req("CQ-7")
def test_cqg_user_in_sender_sub_id_password_in_raw_data_code_in_20030():
    venue = Venue(user_tag=50, password_tag=96, inactivity_tag=20190)
    fields = [(50, "trader"), (98, 0), (108, 30), (95, 5), (96, b"p\x01\x0010"), (20030, "654321")]
    login, forwarded = found_in(message("A", 1, *fields), venue)
    assert login.user == "trader"
    assert login.password.reveal() == b"p\x01\x0010"
    assert login.code.reveal() == b"654321"
    assert forwarded == message("A", 1, *fields[:-1])


@pytest.mark.req("M7-1")
def test_a_code_behind_the_password_is_cut_off_it():
    login, forwarded = found_in(logon(1, password="secret123456", code=None), Venue(code_tag=0))
    assert (login.password.reveal(), login.code.reveal()) == (b"secret", b"123456")
    assert forwarded == logon(1, password="secret", code=None)


def test_a_code_behind_a_password_in_raw_data_shortens_its_length_field():
    venue = Venue(code_tag=0, password_tag=96)
    login, forwarded = found_in(logon(1, (95, 12), (96, "secret123456"), password=None, code=None), venue)
    assert login.code.reveal() == b"123456"
    assert forwarded == logon(1, (95, 6), (96, "secret"), password=None, code=None)


def test_a_password_without_digits_behind_it_has_no_code():
    login, _ = found_in(logon(1, password="secret", code=None), Venue(code_tag=0))
    assert login.password.reveal() == b"secret"
    assert login.code is None


CIPHER = b"\x01\x02\x03="
ENCRYPTED = ((1400, 1), (1401, len(CIPHER)), (1402, CIPHER))


@pytest.mark.req("CQ-3", "SF-12")
def test_an_encrypted_password_goes_to_the_authority_as_it_came_and_never_to_the_engine():
    venue = Venue(password_tag=1402, encrypted=True, forward_password=False)
    login, forwarded = found_in(logon(3, *ENCRYPTED, password=None), venue, Acceptance(password_key="cqg"))
    assert (login.sealed.key, login.sealed.data.reveal(), login.sealed.code_digits) == ("cqg", CIPHER, 0)
    assert (login.password, login.code.reveal()) == (None, b"123456")
    assert forwarded == logon(3, password=None, code=None)


@pytest.mark.req("CQ-3")
def test_a_code_inside_an_encrypted_password_is_said_to_be_there():
    venue = Venue(password_tag=1402, encrypted=True, forward_password=False, code_tag=0, code_digits=8)
    login, forwarded = found_in(logon(1, *ENCRYPTED, password=None, code=None), venue)
    assert (login.sealed.code_digits, login.password, login.code) == (8, None, None)
    assert forwarded == logon(1, password=None, code=None)


@pytest.mark.req("CQ-3")
def test_an_encrypted_new_password_is_kept_from_the_engine_too():
    venue = Venue(password_tag=1402, encrypted=True, forward_password=False)
    new = b"n\x0110=\x01"
    _, forwarded = found_in(logon(1, *ENCRYPTED, (1403, len(new)), (1404, new), password=None), venue)
    assert forwarded == logon(1, password=None, code=None)


def test_a_venue_that_encrypts_and_a_logon_without_a_password_have_nothing_to_open():
    login, _ = found_in(logon(1, password=None), Venue(password_tag=1402, encrypted=True))
    assert (login.sealed, login.password) == (None, None)


def test_further_tags_of_the_venue_are_taken_out():
    _, forwarded = found_in(logon(1, (925, "new")), Venue(strip=(925, 554)))
    assert {925, 554, 20030}.isdisjoint(read(forwarded))


@pytest.mark.req("TW-10")
def test_no_secret_is_in_what_a_found_logon_shows():
    dialect = FixDialect()
    outputs = dialect.feed(Side.CLIENT, logon(1, password="canary-1", code="777777"), NOW)
    assert "canary-1" not in repr(outputs) + repr(dialect._logon)
    assert "777777" not in repr(outputs) + repr(dialect._logon)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GET / HTTP/1.1\r\n", Reason.GARBLED),
        (b"\x16\x03\x01", Reason.GARBLED),
        (b"8=FIX.4.4\x019=abc", Reason.GARBLED),
        (b"8=FIX.4.4\x019=10\x0149=", Reason.GARBLED),
        (logon(1)[:-4] + b"000\x01", Reason.GARBLED),
        (logon(1).replace(b"\x0110=", b"\x0111="), Reason.GARBLED),
        (logon(1, length=60), Reason.GARBLED),
        (message("D", 1, (11, "x")), Reason.NOT_A_LOGIN),
        (message("5", 1), Reason.NOT_A_LOGIN),
        (logon(1, begin="FIX.4.0"), Reason.UNSUPPORTED_VERSION),
        (logon(1, sender=""), Reason.WRONG_COMP_ID),
        (logon(1, target="a\tb"), Reason.WRONG_COMP_ID),
        (logon(1, (49, "OTHER")), Reason.WRONG_COMP_ID),
        (logon(1, (20030, "999999")), Reason.GARBLED),
        (logon(1, (554, "other")), Reason.GARBLED),
        (logon(1, (553, "mallory")), Reason.GARBLED),
        (logon(1, (141, "N"), (141, "Y")), Reason.GARBLED),
        (logon("x"), Reason.GARBLED),
        (logon(0), Reason.GARBLED),
        (logon(1, ("0554", "pw2")), Reason.GARBLED),
        (logon(1, user="a\nb"), Reason.GARBLED),
        (logon(1, (58, "x" * 20_000)), Reason.TOO_LARGE),
        (b"8=FIX.4.4\x019=999999\x0135=A", Reason.TOO_LARGE),
        (fix((35, "A"), (49, "C"), (56, "E"), (34, 1), (553, "u")), Reason.STALE_SENDING_TIME),
    ],
)
def test_a_first_message_that_is_no_good_logon_is_a_violation_with_its_true_reason(data, reason):
    assert reason is violation(data)


@pytest.mark.parametrize("seconds", [-121, 121])
def test_a_sending_time_beyond_the_tolerance_is_stale(seconds):
    assert violation(logon(1), now=Moment(0.0, SENDING + seconds)) is Reason.STALE_SENDING_TIME
    assert (
        violation(logon(1), Acceptance(tolerance=60), Moment(0.0, SENDING + seconds / 2)) is Reason.STALE_SENDING_TIME
    )


def test_a_sending_time_within_the_tolerance_is_taken():
    (found,) = FixDialect().feed(Side.CLIENT, logon(1), Moment(0.0, SENDING + 119))
    assert isinstance(found, Found)


def test_a_body_length_with_leading_zeros_is_real_and_keeps_its_width():
    size = read(logon(1))[9]
    _, forwarded = found_in(logon(1, length=f"{int(size):07d}"))
    assert read(forwarded)[9] == f"{int(read(logon(1, code=None))[9]):07d}"


def test_a_wrong_sending_time_is_no_time():
    bad = logon(1).replace(stamp().encode(), b"20269901-00:00:00.000")
    total = sum(bad[:-7]) % 256
    assert violation(bad[:-4] + b"%03d\x01" % total) is Reason.STALE_SENDING_TIME


def test_what_follows_the_logon_is_held_until_it_is_answered_and_no_longer():
    dialect = FixDialect(acceptance=Acceptance(held_bytes=200))
    order = message("D", 2, (11, "x"))
    assert len(dialect.feed(Side.CLIENT, logon(1) + order, NOW)) == 1
    dialect.admitted(GRANT)
    dialect.feed(Side.UPSTREAM, message("A", 1, sender="EXCH", target="CLIENT"), NOW)
    assert dialect.released(NOW) == [Pass(Side.UPSTREAM, order)]


def test_more_than_may_be_held_is_too_large():
    dialect = FixDialect(acceptance=Acceptance(held_bytes=20))
    dialect.feed(Side.CLIENT, logon(1), NOW)
    assert dialect.feed(Side.CLIENT, b"x" * 21, NOW) == [Violation(Reason.TOO_LARGE)]
