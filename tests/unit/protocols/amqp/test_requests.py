import gzip
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree

from gateway.core.reason import Reason
from gateway.protocols.amqp.requests import UNCERTAIN, Answer, LoginRequest, read_answer, read_login, root_of
from gateway.settings.load import read_venue

M7 = read_venue("m7", "amqp")
OTHER = read_venue("amqp-generic", "amqp")
NS = "http://www.deutsche-boerse.com/m7/v6"
SCHEMA = etree.XMLSchema(file=Path(__file__).parents[4] / "fix_specs" / "m7-login.xsd")
PROLOG = b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
LOGIN = (
    b'<LoginReq xmlns="http://www.deutsche-boerse.com/m7/v6" user="A" force="true" disconnectAction="DEACT_USER_ORDRS" '
    b'authVerificationCode="123456" throttlingUserAction="HIBE_USER_ORDERS" colour="blue">'
    b'<StandardHeader marketId="EPEX"/></LoginReq>'
)


def packed(data: bytes) -> bytes:
    """Compress the same way at any time: the names of the tests are made of it."""
    return gzip.compress(data, mtime=0)


def read(body: bytes, encoding: str = "", venue=M7) -> LoginRequest:
    request = read_login(body, encoding, venue)
    assert isinstance(request, LoginRequest), request
    return request


# ── what is read ──


@pytest.mark.req("M7-2")
def test_a_login_gives_its_user_and_code():
    request = read(PROLOG + LOGIN)
    assert (request.user, request.code.reveal(), request.force) == ("A", b"123456", True)


@pytest.mark.req("M7-2")
def test_the_code_is_taken_out_and_everything_else_stays():
    before, after = etree.fromstring(LOGIN), etree.fromstring(read(PROLOG + LOGIN).stripped)
    del before.attrib["authVerificationCode"]
    assert etree.tostring(before, method="c14n") == etree.tostring(after, method="c14n")


def test_a_login_and_what_is_left_of_it_fit_the_schema():
    SCHEMA.assertValid(etree.fromstring(LOGIN))
    SCHEMA.assertValid(etree.fromstring(read(LOGIN).stripped))


def test_a_login_does_not_show_its_code():
    assert "123456" not in repr(read(LOGIN))


@pytest.mark.parametrize(("text", "force"), [(b"true", True), (b"1", True), (b" false ", False), (b"0", False)])
def test_force_is_a_boolean_as_xml_schema_writes_it(text, force):
    assert force is read(LOGIN.replace(b'force="true"', b'force="%s"' % text)).force


def test_force_may_be_left_to_the_policy():
    assert read(LOGIN.replace(b'force="true" ', b"")).force is None


@pytest.mark.parametrize("code", [b'authVerificationCode="123456" ', b'authVerificationCode="" '])
def test_a_login_without_a_code_has_none(code):
    body = LOGIN.replace(b'authVerificationCode="123456" ', code if b'""' in code else b"")
    assert read(body).code is None


def test_a_code_of_seven_digits_is_for_the_policy_to_refuse():
    assert read(LOGIN.replace(b"123456", b"1234567")).code.reveal() == b"1234567"


@pytest.mark.parametrize(
    ("encoding", "pack", "unpack"),
    [
        ("gzip", gzip.compress, gzip.decompress),
        ("", gzip.compress, gzip.decompress),
        ("GZIP", gzip.compress, gzip.decompress),
        ("deflate", zlib.compress, zlib.decompress),
        ("deflate", lambda body: zlib.compress(body, wbits=-15), lambda body: zlib.decompress(body, -15)),
    ],
)
def test_a_compressed_login_stays_compressed(encoding, pack, unpack):
    request = read(pack(PROLOG + LOGIN), encoding)
    assert request.code.reveal() == b"123456"
    assert read(LOGIN).stripped == unpack(request.stripped)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-8-sig"])
def test_a_login_in_another_character_set_leaves_in_utf_8(encoding):
    body = LOGIN.decode().replace('user="A"', 'user="Ä"')
    declared = f'<?xml version="1.0" encoding="{encoding.removesuffix("-sig")}"?>' if encoding != "utf-8-sig" else ""
    request = read((declared + body).encode(encoding))
    assert request.user == "Ä"
    assert "Ä" in request.stripped.decode()


def test_comments_processing_instructions_and_cdata_are_gone():
    body = b"<!-- 1 --><?php 123456 ?>" + LOGIN.replace(b"</Login", b"<!-- 123456 --><x><![CDATA[<y/>]]></x></Login")
    stripped = read(body).stripped
    assert b"123456" not in stripped
    assert b"&lt;y/&gt;" in stripped


def test_a_prefixed_login_is_a_login():
    body = LOGIN.replace(b"LoginReq", b"m:LoginReq").replace(b"xmlns=", b"xmlns:m=").replace(b"Standard", b"m:Standard")
    assert read(body).user == "A"


def test_another_venues_login_has_other_names():
    request = read(b'<Logon name="A" otp="123456" authVerificationCode="654321"/>', venue=OTHER)
    assert (request.user, request.code.reveal(), request.force) == ("A", b"123456", None)
    assert request.stripped.endswith(b'<Logon name="A" authVerificationCode="654321"/>')


# ── what is refused ──


@pytest.mark.parametrize(
    ("reason", "body"),
    [
        (Reason.NOT_A_LOGIN, b"<OrdrEntry/>"),
        (Reason.NOT_A_LOGIN, b"<x>" + LOGIN + b"</x>"),
        (Reason.NOT_A_LOGIN, LOGIN.replace(b"LoginReq", b"loginReq")),
        (Reason.UNSUPPORTED_VERSION, LOGIN.replace(b"/v6", b"/v5")),
        (Reason.UNSUPPORTED_VERSION, b'<LoginReq user="A"/>'),
        (Reason.GARBLED, b""),
        (Reason.GARBLED, LOGIN[:-1]),
        (Reason.GARBLED, LOGIN + LOGIN),
        (Reason.GARBLED, LOGIN + b"x"),
        (Reason.GARBLED, b"SYSTEM_ALIVE"),
        (Reason.GARBLED, LOGIN.replace(b' user="A"', b"")),
        (Reason.GARBLED, LOGIN.replace(b' user="A"', b' user=""')),
        (Reason.GARBLED, LOGIN.replace(b' user="A"', b' user="A" user="B"')),
        (Reason.GARBLED, LOGIN.replace(b"colour=", b"authVerificationCode=")),
        (Reason.GARBLED, LOGIN.replace(b"colour=", b'xmlns:m="x" m:authVerificationCode=')),
        (Reason.GARBLED, LOGIN.replace(b"colour=", b'xmlns:m="x" m:user=')),
        (Reason.GARBLED, LOGIN.replace(b"marketId", b'authVerificationCode="654321" marketId')),
        (Reason.GARBLED, LOGIN.replace(b"</LoginReq>", LOGIN + b"</LoginReq>")),
        (Reason.GARBLED, LOGIN.replace(b'"true"', b'"yes"')),
        (Reason.GARBLED, LOGIN.replace(b'"blue"', b'"&colour;"')),
        (Reason.GARBLED, b"<!DOCTYPE LoginReq>" + LOGIN),
        (Reason.GARBLED, b'<!DOCTYPE LoginReq [<!ENTITY colour "blue">]>' + LOGIN.replace(b"blue", b"&colour;")),
        (Reason.GARBLED, b'<!DOCTYPE LoginReq SYSTEM "file:///etc/passwd">' + LOGIN),
        (
            Reason.GARBLED,
            b'<!DOCTYPE LoginReq [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + LOGIN.replace(b"</L", b"&x;</L"),
        ),
        (Reason.GARBLED, b'<!DOCTYPE LoginReq [<!ATTLIST LoginReq user CDATA "B">]>' + LOGIN),
        (Reason.TOO_LARGE, LOGIN.replace(b"blue", b"b" * 65_536)),
    ],
)
def test_a_body_that_is_not_exactly_a_login_is_refused(reason, body):
    assert reason is read_login(body, "", M7)


def test_a_billion_laughs_are_not_heard():
    entities = b"".join(b'<!ENTITY l%d "%s">' % (n + 1, b"&l%d;" % n * 10) for n in range(10))
    bomb = b'<!DOCTYPE LoginReq [<!ENTITY l0 "ha">' + entities + b"]>"
    assert Reason.GARBLED is read_login(bomb + LOGIN.replace(b"blue", b"&l10;"), "", M7)
    assert Reason.GARBLED is read_login(bomb + LOGIN.replace(b"</L", b"&l10;</L"), "", M7)


PACKED = packed(LOGIN)


@pytest.mark.parametrize(
    ("reason", "body", "encoding"),
    [
        (Reason.TOO_LARGE, packed(LOGIN.replace(b"blue", b"b" * 262_144)), "gzip"),
        (Reason.TOO_LARGE, zlib.compress(LOGIN + b" " * 20_000_000), "deflate"),
        (Reason.GARBLED, PACKED[:-1], "gzip"),
        (Reason.GARBLED, PACKED[:30], ""),
        (Reason.GARBLED, PACKED + b"x", "gzip"),
        (Reason.GARBLED, PACKED + PACKED, "gzip"),
        (Reason.GARBLED, packed(b"") + PACKED, "gzip"),
        (Reason.GARBLED, LOGIN, "gzip"),
        (Reason.GARBLED, packed(PACKED), "gzip"),
        (Reason.GARBLED, PACKED, "zstd"),
        (Reason.GARBLED, LOGIN, "utf-16"),
    ],
)
def test_a_compressed_body_that_is_not_exactly_a_login_is_refused(reason, body, encoding):
    assert reason is read_login(body, encoding, M7)


# ── the look at the first bytes ──


@pytest.mark.parametrize(
    "body",
    [
        b"<OrdrEntry/>",
        b"<OrdrEntry >",
        b"<m7:OrdrEntry\tx='<'/>",
        PROLOG + b"\n  <OrdrEntry>",
        b"\xef\xbb\xbf<OrdrEntry/>",
    ],
)
@pytest.mark.parametrize(
    ("encoding", "pack"), [("", bytes), ("utf-8", bytes), ("gzip", gzip.compress), ("deflate", zlib.compress)]
)
def test_the_root_is_told_from_the_first_bytes(body, encoding, pack):
    assert root_of(pack(body), encoding) == "OrdrEntry"


@pytest.mark.parametrize(
    "body", [b"", b" \n", b"SYSTEM_ALIVE", b'{"a": "<LoginReq/>"}', b"\x05\x00<", b"Log", b"\x80\x01x"]
)
def test_what_no_parser_reads_as_xml_has_no_root(body):
    assert root_of(body, "") is None or body == b"\x05\x00<"


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"<!-- --><OrdrEntry/>", ""),
        (b"<?x?><OrdrEntry/>", ""),
        (b"<!DOCTYPE OrdrEntry><OrdrEntry/>", ""),
        (b"<?xml version='1.0' encoding='utf-7'?><OrdrEntry/>", ""),
        ("<OrdrEntry/>".encode("utf-16"), ""),
        ("<OrdrEntry/>".encode("utf-32-be"), ""),
        ("<?xml version='1.0'?><OrdrEntry/>".encode("cp037"), ""),
        ("<OrdrEntryä/>".encode(), ""),
        (b"<" + b"x" * 600 + b"/>", ""),
        (b" " * 600 + b"<OrdrEntry/>", ""),
        (b"<OrdrEntry", ""),
        (b"<a:b:OrdrEntry/>", ""),
        (b"<OrdrEntry/>", "gzip"),
        (b"<OrdrEntry/>", "zstd"),
        (packed(b"") + packed(b"<OrdrEntry/>"), "gzip"),
        (b"\x1f\x8b", ""),
    ],
)
def test_what_only_a_full_parse_can_tell_is_uncertain(body, encoding):
    assert root_of(body, encoding) == UNCERTAIN


def test_a_bomb_is_looked_at_no_further_than_its_beginning():
    assert root_of(packed(b"<OrdrEntry>" + b"x" * 50_000_000), "gzip") == "OrdrEntry"


# ── answers ──


def answer(inner: bytes, name: bytes = b"UserRprt") -> bytes:
    return b'<%s xmlns="%s"><StandardHeader marketId="EPEX"/>%s</%s>' % (name, NS.encode(), inner, name)


def test_a_user_report_gives_the_session_wherever_it_stands():
    body = answer(b'<Usr sessionId="S-1" usrId="U1" defaultAcctId="A1"/>')
    SCHEMA.assertValid(etree.fromstring(body))
    assert Answer(accepted=True, session="S-1", user="U1") == read_answer(packed(body), "gzip", M7)


def test_an_error_response_is_a_refusal():
    body = answer(b'<Error err="Auth error" errCode="1"/>', b"ErrResp")
    SCHEMA.assertValid(etree.fromstring(body))
    assert Answer(accepted=False, session="", user="") == read_answer(body, "", M7)


@pytest.mark.parametrize(
    "body", [b"SYSTEM_ALIVE", b"", b"<OrdrExeRprt/>", answer(b"")[:-3], b"<!DOCTYPE UserRprt><UserRprt/>"]
)
def test_anything_else_is_no_answer(body):
    assert read_answer(body, "", M7) is None


def test_a_venue_that_does_not_answer_has_no_good_answer():
    assert read_answer(b"<UserRprt/>", "", replace(OTHER, accepted="")) is None
