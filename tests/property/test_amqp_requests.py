"""Hostile login requests: nothing raises, nothing that a parser could read as a login is taken for none, no code is left."""

import gzip
import io
import zlib

from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import etree

from gateway.core.reason import Reason
from gateway.protocols.amqp.parcel import Parcel
from gateway.protocols.amqp.requests import UNCERTAIN, LoginRequest, read_answer, read_login, root_of
from gateway.settings.load import read_venue

M7 = read_venue("m7", "amqp")
CODE = "authVerificationCode"
NS = b' xmlns="http://www.deutsche-boerse.com/m7/v6"'
LAUGHS = b'<!DOCTYPE LoginReq [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>'
FRAGMENTS = [
    *(
        b"<",
        b">",
        b"/",
        b"</LoginReq>",
        b"<LoginReq",
        b"<LoginReq>",
        b"<LoginReq/>",
        b"<m:LoginReq",
        b"LoginReq",
        b"<OrdrEntry/>",
    ),
    *(
        b' user="A"',
        b' user="B"',
        b' force="true"',
        b' force="maybe"',
        b' authVerificationCode="271828"',
        b' m:user="C"',
    ),
    *(
        b' m:authVerificationCode="271828"',
        b' authVerificationCode="2718281"',
        b' authVerificationCode=""',
        b' throttlingUserAction="X"',
    ),
    *(
        NS,
        b' xmlns:m="http://www.deutsche-boerse.com/m7/v6"',
        b' xmlns=""',
        b' xmlns="urn:other"',
        b' xml:space="preserve"',
    ),
    *(b"<?xml version='1.0'?>", b'<?xml version="1.0" encoding="UTF-16"?>', b'<?xml version="1.0" encoding="utf-7"?>'),
    *(
        b'<?xml version="1.1" encoding="ISO-8859-1"?>',
        b"<!-- x -->",
        b"<!--",
        b"-->",
        b"<?php 1 ?>",
        b"<![CDATA[<LoginReq/>]]>",
    ),
    *(
        LAUGHS,
        b"&c;",
        b"&lt;",
        b"&#60;",
        b"&#x0;",
        b'<!DOCTYPE LoginReq SYSTEM "file:///etc/passwd">',
        b"<!DOCTYPE LoginReq>",
    ),
    *(
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\xfe\xff",
        b"\x00",
        b"\x1f\x8b",
        b"\x78\x9c",
        b" ",
        b"\n",
        b"\x0c",
        b"\xc2\x85",
        b"\xc3\xa4",
    ),
    *(
        b'<StandardHeader marketId="EPEX"/>',
        b"SYSTEM_ALIVE",
        b'"',
        b"'",
        b"=",
        b"x" * 700,
        b" " * 300,
        b"+ADw-LoginReq/+AD4-",
    ),
]
LOGIN = (
    b"<LoginReq"
    + NS
    + b' user="A" authVerificationCode="271828" force="true" disconnectAction="X"><StandardHeader/></LoginReq>'
)


@st.composite
def mutated(draw):
    """A good login into which fragments are put anywhere, and from which pieces are cut."""
    body = LOGIN
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(body)))
        end = min(len(body), start + draw(st.sampled_from([0, 0, 0, 1, 5, 40])))
        body = body[:start] + draw(st.sampled_from(FRAGMENTS)) + body[end:]
    return body


PIECED = st.lists(st.sampled_from(FRAGMENTS), max_size=12).map(b"".join)
PREFIXED = st.tuples(st.lists(st.sampled_from(FRAGMENTS), max_size=3).map(b"".join), mutated()).map(b"".join)
CHARSETS = st.sampled_from(["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "utf-7", "cp037", "cp500"])
RECODED = st.tuples(mutated(), CHARSETS).map(lambda both: both[0].decode("latin-1").encode(both[1], "replace"))
PLAIN = st.one_of(mutated(), PREFIXED, PIECED, RECODED, st.binary(max_size=60))


def raw_deflate(body: bytes) -> bytes:
    return zlib.compress(body, wbits=-15)


@st.composite
def packed(draw):
    """A body, its encoding's name, and the way it was compressed: one member or two, cut, with something behind it."""
    body = draw(PLAIN)
    pack = draw(st.sampled_from([gzip.compress, zlib.compress, raw_deflate]))
    cut = draw(st.integers(0, len(body)))
    whole = pack(body[:cut]) + pack(body[cut:]) if draw(st.booleans()) else pack(body)
    whole = whole[: len(whole) - draw(st.sampled_from([0, 0, 0, 1, 8, 20]))] + draw(
        st.sampled_from([b"", b"", b"\x00", b"junk"])
    )
    return whole, draw(st.sampled_from(["", "gzip", "x-gzip", "deflate", "utf-8", "identity", "br", "GZIP"]))


def roots(body: bytes):
    """The local names that strict and lenient parsers find at the root, with and without entities."""
    for options in (
        {"recover": True},
        {"recover": True, "resolve_entities": True},
        {},
        {"load_dtd": True, "no_network": True},
    ):
        try:
            root = etree.fromstring(body, etree.XMLParser(**options))
        except (etree.XMLSyntaxError, ValueError, LookupError, AssertionError):
            continue
        if root is not None and isinstance(root.tag, str):
            yield root.tag.rpartition("}")[2].rpartition(":")[2]


def leniently_unpacked(body: bytes):
    """What backends of every temper would inflate it to."""
    yield body
    for bits in (31, 15, -15):
        inflater = zlib.decompressobj(bits)
        try:
            yield inflater.decompress(body, 1 << 20)
        except zlib.error:
            continue
    try:
        yield gzip.GzipFile(fileobj=io.BytesIO(body)).read()  # every member
    except (OSError, EOFError, zlib.error):
        return


@given(PLAIN)
@example(b"\xff\xfe" + "<LoginReq/>".encode("utf-16-le"))
@example(b"<?xml version='1.0' encoding='utf-7'?>+ADw-LoginReq/+AD4-")
@example(b"  <?xml version='1.0'?><LoginReq/>")
def test_what_any_parser_reads_as_a_login_is_never_taken_for_none(body):
    seen = root_of(body, "")
    assert seen == UNCERTAIN or {seen} >= set(roots(body))


@given(packed())
def test_what_any_backend_unpacks_to_a_login_is_never_taken_for_none(given_):
    body, encoding = given_
    if encoding == "":  # the backend goes by the name, or by the magic where there is no name
        candidates = leniently_unpacked(body) if body[:2] == b"\x1f\x8b" or body[:1] == b"\x78" else [body]
    elif encoding == "deflate":
        candidates = leniently_unpacked(body)
    elif "gzip" in encoding.lower():
        candidates = [one for one in leniently_unpacked(body) if one is not body]
    else:
        candidates = [body]
    names = {name for one in candidates for name in roots(one)}
    assert root_of(body, encoding) in {UNCERTAIN, "LoginReq"} or "LoginReq" not in names


@given(st.one_of(st.tuples(PLAIN, st.just("")), packed()))
def test_a_login_goes_on_without_its_code_and_with_all_else(given_):
    body, encoding = given_
    request = read_login(body, encoding, M7)
    if isinstance(request, Reason):
        return
    plain = next(text for text in map(bytes, leniently_unpacked(request.stripped)) if text.startswith(b"<?xml "))
    root = etree.fromstring(plain)
    assert etree.QName(root).localname == "LoginReq"
    assert request.user == root.get("user")
    names = [etree.QName(name).localname for one in root.iter() for name in one.attrib]
    assert CODE not in names
    assert root_of(request.stripped, encoding) == "LoginReq"
    again = read_login(request.stripped, encoding, M7)
    assert isinstance(again, LoginRequest)
    assert (again.user, again.code, again.force, again.stripped) == (
        request.user,
        None,
        request.force,
        request.stripped,
    )


@given(mutated())
def test_whoever_is_let_through_is_who_a_strict_parser_reads(body):
    request = read_login(body, "", M7)
    if isinstance(request, LoginRequest):
        root = etree.fromstring(body, etree.XMLParser(resolve_entities=False))
        kept = {name: value for name, value in root.attrib.items() if name != CODE}
        assert kept == dict(etree.fromstring(request.stripped).attrib)
        assert (request.code.reveal().decode() if request.code else "") == root.get(CODE, "")


@given(st.one_of(PLAIN, st.binary(max_size=200)), st.text(max_size=12))
def test_no_body_and_no_encoding_raises(body, encoding):
    assert root_of(body, encoding) != ""
    read_login(body, encoding, M7)
    read_answer(body, encoding, M7)


@settings(deadline=None)
@given(st.integers(1, 8_000), st.integers(0, 9))
def test_a_bomb_is_refused_by_its_size(kilobytes, level):
    bomb = gzip.compress(LOGIN + b" " * (kilobytes * 1024), level)
    request = read_login(bomb, "gzip", M7)
    small = len(bomb) <= M7.login_bytes and len(LOGIN) + kilobytes * 1024 <= M7.inflated_bytes
    assert isinstance(request, LoginRequest) if small else request is Reason.TOO_LARGE


@given(
    st.builds(
        Parcel, st.text(), st.text(), st.binary(), st.text(), st.text(), st.text(), st.text(), st.text(), st.booleans()
    )
)
def test_a_parcel_is_its_bytes(parcel):
    assert parcel == Parcel.decode(parcel.encode())


@given(st.one_of(st.binary(), st.builds(lambda head, body: head.encode() + b"\n" + body, st.text(), st.binary())))
def test_any_bytes_are_a_parcel_or_a_value_error(data):
    try:
        assert data == Parcel.decode(data).encode()
    except ValueError:
        return
