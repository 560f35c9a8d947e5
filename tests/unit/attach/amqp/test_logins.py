"""The edits, and that the gateway's own reading takes out exactly what was put in."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.attach.amqp.logins import Dresser
from gateway.protocols.amqp.frames import Frame
from gateway.protocols.amqp.handshake import PLAIN, read_start_ok, split_code
from gateway.protocols.amqp.requests import LoginRequest, read_login
from gateway.protocols.amqp.venue import CodeIn, Venue
from gateway.settings.load import read_venue
from tests.blackbox import amqp_bytes as amqp
from tests.unit.attach.amqp.talks import BODY, CODE, KEY, PASSWORD_VENUE, VENUE, dialect, greeted, login, played
from tests.unit.protocols.amqp.talk import frames, plain


def dressed(sent: bytes, **how) -> list[amqp.Frame]:
    """What goes up of a login, its code that of step 1."""
    (found,) = played(greeted(**how), sent)
    return frames(found.dressed(1))


def body_of(sent: list[amqp.Frame]) -> bytes:
    return b"".join(one.payload for one in sent if one.kind == amqp.BODY)


@pytest.mark.req("BY-10", "M7-2")
def test_the_code_goes_into_the_venues_attribute_and_the_gateway_takes_just_that_out():
    sent = dressed(login())

    read = read_login(body_of(sent), "", VENUE)

    before = read_login(BODY, "", VENUE)
    assert isinstance(read, LoginRequest)
    assert isinstance(before, LoginRequest)
    assert read.code is not None
    assert read.code.reveal() == CODE.encode()
    assert (read.user, read.force, read.stripped) == (before.user, before.force, before.stripped)


@pytest.mark.req("BY-10")
def test_publish_and_properties_stay_and_the_header_tells_the_new_size():
    plain_frames, sent = frames(login(message_id="m-1")), dressed(login(message_id="m-1"))

    assert sent[0] == plain_frames[0]
    size, properties = amqp.read_properties(sent[1].payload)
    assert size == len(body_of(sent))
    assert properties == amqp.read_properties(plain_frames[1].payload)[1]


@pytest.mark.req("BY-10")
def test_a_code_that_is_there_already_is_replaced():
    sent = dressed(login(BODY.replace(b"<LoginReq ", b'<LoginReq code="000000" ')))

    assert body_of(sent).count(b"code=") == 1
    assert CODE.encode() in body_of(sent)


@pytest.mark.req("BY-10")
@pytest.mark.parametrize(
    ("pack", "unpack", "encoding"), [(gzip.compress, gzip.decompress, "gzip"), (zlib.compress, zlib.decompress, "zlib")]
)
def test_a_compressed_login_is_compressed_again_the_same_way(pack, unpack, encoding):
    sent = dressed(login(pack(BODY), content_encoding=encoding))

    assert CODE.encode() in unpack(body_of(sent))


@pytest.mark.req("BY-10")
def test_no_frame_is_larger_than_agreed():
    sent = dressed(login(BODY.replace(b'"Y"', b'"%b"' % (b"Y" * 9000))), frame_max=4096)

    assert max(len(one.payload) + 8 for one in sent) <= 4096
    assert CODE.encode() in body_of(sent)


@pytest.mark.req("BY-10", "CQ-7")
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40), st.integers(1, 10**7))
def test_the_gateway_cuts_off_the_password_what_was_put_behind_it(password, step):
    (_, found) = played(dialect(PASSWORD_VENUE), amqp.HEADER, plain(password=password))

    raw = found.dressed(step)

    read = read_start_ok(Frame(1, 0, raw), frozenset({PLAIN}), "")
    cut, code = split_code(read.password, 6)
    assert code is not None
    assert code.reveal() == KEY.code(step)
    assert cut.reveal() == password.encode() or password.endswith(
        tuple(KEY.code(step + n).decode() for n in range(-10, 11))
    )


@pytest.mark.req("BY-10")
def test_an_old_code_of_the_same_key_behind_the_password_is_replaced_and_other_digits_stay():
    (_, old) = played(dialect(PASSWORD_VENUE), amqp.HEADER, plain(password="secret" + KEY.code(2).decode()))
    (_, own) = played(dialect(PASSWORD_VENUE), amqp.HEADER, plain(password="secret000001"))

    assert old.dressed(3) == plain(password="secret" + KEY.code(3).decode())
    assert own.dressed(3) == plain(password="secret000001" + KEY.code(3).decode())


def test_a_venue_that_wants_other_digits_than_the_key_has_is_refused():
    eight = Venue(name="eight", queues=("{user}",), code_in=CodeIn.PASSWORD, code_digits=8)

    with pytest.raises(ValueError, match="8 digits, the key has 6"):
        Dresser(eight, KEY)


@pytest.mark.req("BY-10", "TW-10")
def test_a_found_login_shows_nothing_of_itself():
    found = [*played(greeted(), login()), *played(dialect(PASSWORD_VENUE), amqp.HEADER, plain(password="pw-canary"))]

    assert "StandardHeader" not in repr(found)
    assert "pw-canary" not in repr(found)


@pytest.mark.req("BY-10", "M7-2")
def test_m7s_own_file_says_where_its_code_goes():
    venue = read_venue("m7", "amqp")
    body = f'<LoginReq xmlns="{venue.namespace}" user="trader"/>'.encode()

    out = Dresser(venue, KEY).with_code(body, "", 1)

    assert f'authVerificationCode="{CODE}"'.encode() in out
