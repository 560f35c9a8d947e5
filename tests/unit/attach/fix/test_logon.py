"""The edit, and that the gateway's own reading takes out exactly what it put in."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.attach.fix.logon import Dresser
from gateway.attach.key import parse_key
from gateway.core.reason import Reason
from gateway.protocols.fix.fields import edit
from gateway.protocols.fix.logon import read_logon
from gateway.protocols.fix.venue import Venue
from tests.fixbytes import logon, message, read, split

KEY = parse_key(base64.b32encode(b"12345678901234567890").decode(), "test")
CODE = "287082"
APPENDED = Venue("appended", code_tag=0)
CQG = Venue("cqg", user_tag=50, password_tag=96)
APPENDED_RAW = Venue("raw", password_tag=96, code_tag=0)


def dressed(venue: Venue, data: bytes, step: int = 1) -> bytes:
    return Dresser(venue, KEY).dress(data, step)


@pytest.mark.req("BY-10")
def test_the_code_goes_into_the_venues_tag_and_nothing_else_changes():
    plain = logon(code=None)

    out = dressed(Venue(), plain)

    assert split(out) == [out]
    assert read(out) | {9: "", 10: ""} == read(plain) | {20030: CODE, 9: "", 10: ""}
    assert out[out.index(b"35=") :].startswith(plain[plain.index(b"35=") : -7])


@pytest.mark.req("BY-10")
def test_a_code_that_is_there_already_is_replaced_wherever_and_however_often():
    out = dressed(Venue(), logon(1, (20030, "000000"), code="99999999"))

    assert out.count(b"\x0120030=") == 1
    assert read(out)[20030] == CODE
    assert split(out) == [out]


@pytest.mark.req("BY-10", "CQ-7")
def test_a_password_in_raw_data_with_soh_inside_is_not_taken_for_fields():
    plain = message("A", 1, (98, 0), (95, 14), (96, b"a\x0120030=000000"[:14]))

    out = dressed(CQG, plain)

    assert b"\x0120030=287082\x0110=" in out
    assert split(out) == [out]


@pytest.mark.req("BY-10")
def test_the_code_is_appended_to_the_password():
    assert read(dressed(APPENDED, logon(code=None, password="pw123456")))[554] == "pw123456" + CODE


@pytest.mark.req("BY-10")
def test_an_old_code_of_the_same_key_behind_the_password_is_replaced():
    old = KEY.code(0).decode()

    assert read(dressed(APPENDED, logon(code=None, password="pw" + old)))[554] == "pw" + CODE


@pytest.mark.req("BY-10")
def test_the_length_of_a_data_password_is_corrected():
    out = dressed(APPENDED_RAW, message("A", 1, (98, 0), (95, 2), (96, "pw"), (108, 30)))

    assert (read(out)[95], read(out)[96]) == ("8", "pw" + CODE)
    assert split(out) == [out]


def test_a_code_goes_before_a_signature_in_the_trailer():
    out = dressed(Venue(), logon(1, (93, 3), (89, "abc"), code=None))

    assert out.index(b"20030=") < out.index(b"\x0193=")


def test_a_wrong_checksum_stays_wrong():
    wrong = logon(code=None)
    wrong = wrong[:-4] + b"%03d\x01" % ((int(wrong[-4:-1]) + 1) % 256)

    out = dressed(Venue(), wrong)

    assert (int(out[-4:-1]) - sum(out[:-7])) % 256 == 1


def test_a_logon_without_a_place_for_the_code_is_known():
    assert not Dresser(APPENDED, KEY).fits(logon(password=None, code=None))
    assert Dresser(Venue(), KEY).fits(logon(password=None, code=None))


def test_a_venue_that_can_not_take_the_keys_codes_is_refused():
    with pytest.raises(ValueError, match="8 digits"):
        Dresser(Venue("v", code_tag=0, code_digits=8), KEY)
    with pytest.raises(ValueError, match="encrypted"):
        Dresser(Venue("v", password_tag=1402, encrypted=True, code_tag=0, forward_password=False), KEY)


VALUE = st.text("abcdefghij0123456789=", min_size=1, max_size=12)
EXTRA = st.lists(st.tuples(st.sampled_from([58, 57, 115, 5001]), VALUE), max_size=4, unique_by=lambda pair: pair[0])


@pytest.mark.req("BY-10")
@given(
    venue=st.sampled_from([Venue(), APPENDED, Venue("own", code_tag=5555)]),
    password=VALUE.filter(lambda text: not text[-6:].isdigit()),
    extra=EXTRA,
    width=st.sampled_from([None, 5]),
)
def test_what_the_gateway_takes_out_is_what_was_put_in(venue, password, extra, width):
    plain = logon(1, *extra, password=password, code=None)
    if width:
        body = len(plain[plain.index(b"35=") : -7])
        plain = logon(1, *extra, password=password, code=None, length=f"{body:0{width}d}")

    out = dressed(venue, plain)
    found = read_logon(out, b"FIX.4.4", venue, None)

    assert not isinstance(found, Reason)
    assert found.login.code is not None
    assert found.login.password is not None
    assert found.login.code.reveal() == CODE.encode()
    assert found.login.password.reveal() == password.encode()
    assert edit(out, found.secrets) == plain
