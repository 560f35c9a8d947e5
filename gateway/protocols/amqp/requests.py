"""Reads login requests and their answers: who logs in, with which code, and the body without it.

Must not raise, whatever the bytes, and must not let a body pass as "no login" that some XML parser could read as one.
`root_of` is the cheap look at every body; only what it names or can't tell is parsed. No DTD, no entities, no network,
and a cap on what is inflated.
"""

import gzip
import re
import zlib
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from lxml import etree

from gateway.core.reason import Reason
from gateway.core.secret import Secret
from gateway.protocols.amqp.venue import Venue
from gateway.protocols.xml import NotXmlError, document

UNCERTAIN: Final = "?"
"""What `root_of` says where only a full parse can tell; no XML name is that."""

MOST_PARTS: Final = 256
"""Elements and attributes of a login: it has a handful, and a few compressed bytes may hold a hundred thousand."""

_LOOK: Final = 512
_SPACE: Final = b" \t\r\n"
_ROOT: Final = re.compile(
    rb"""(?:\xef\xbb\xbf)?
    (?:<\?xml(?:[ \t\r\n]{1,9}(?:version[ ]?=[ ]?["']1\.0["']
                                |encoding[ ]?=[ ]?["'](?i:utf-8|us-ascii|iso-8859-1)["']
                                |standalone[ ]?=[ ]?["'](?:yes|no)["'])){1,3}[ \t\r\n]{0,9}\?>)?
    [ \t\r\n]{0,256}<(?:[A-Za-z_][A-Za-z0-9_.-]{0,63}:)?([A-Za-z_][A-Za-z0-9_.-]{0,63})[ \t\r\n/>]""",
    re.VERBOSE,
)
_PLAIN: Final = frozenset({"", "identity", "utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "8bit", "binary"})
_GZIP: Final = frozenset({"gzip", "x-gzip"})
_DEFLATE: Final = frozenset({"deflate", "zlib"})
_GZIP_MAGIC: Final = b"\x1f\x8b"
_ZLIB_MAGICS: Final = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
_DECLARATION: Final = b'<?xml version="1.0" encoding="UTF-8"?>'
_BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class LoginRequest:
    """A login request. `stripped` is the whole body without the code, written from the tree that was read, and
    compressed as it came; `code` is None where there is none or an empty one.
    """

    user: str
    code: Secret | None
    force: bool | None
    stripped: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """The venue's answer to a login; `session` and `user` are "" where it does not say."""

    accepted: bool
    session: str
    user: str


@dataclass(frozen=True, slots=True)
class _Packing:
    """How a body was compressed: zlib's window bits (31 gzip, 15 zlib, -15 raw deflate), 0 not at all."""

    bits: int

    def open(self, body: bytes, most: int) -> bytes | Reason:
        """Return the whole body inflated. Refuses what is cut short, has anything behind it or is over `most` bytes."""
        if not self.bits:
            return body if len(body) <= most else Reason.TOO_LARGE
        inflater = zlib.decompressobj(self.bits)
        try:
            plain = inflater.decompress(body, most + 1)
        except zlib.error:
            return Reason.GARBLED
        if len(plain) > most:
            return Reason.TOO_LARGE
        return plain if inflater.eof and not inflater.unused_data else Reason.GARBLED

    def peek(self, body: bytes) -> bytes:
        """Return the first bytes inflated; b"" where they can't be."""
        if not self.bits:
            return body[:_LOOK]
        try:
            return zlib.decompressobj(self.bits).decompress(body[: 8 * _LOOK], _LOOK)
        except zlib.error:
            return b""

    def close(self, plain: bytes) -> bytes:
        """Compress again, the same way."""
        if self.bits == _AS_GZIP.bits:
            return gzip.compress(plain, mtime=0)
        return zlib.compress(plain, wbits=self.bits) if self.bits else plain


_AS_IS: Final = _Packing(0)
_AS_GZIP: Final = _Packing(31)
_AS_ZLIB: Final = _Packing(15)
_AS_RAW: Final = _Packing(-15)


def root_of(body: bytes, encoding: str) -> str | None:
    """Return the local name of the root element from the first bytes; None where no XML parser could find one.

    UNCERTAIN: only a full parse can tell, as with comments, a DOCTYPE or UTF-16 before the root. Inflates 512 bytes at
    most. `encoding` is the content_encoding property; gzip is known by its magic too.
    """
    if encoding in _PLAIN and (match := _ROOT.match(body)):
        return match[1].decode()
    packing = _packing_of(body, encoding)
    start = packing.peek(body) if packing else b""
    if match := _ROOT.match(start):
        return match[1].decode()
    blank = len(body) <= _LOOK and not body.strip(_SPACE)
    return None if blank or _never_xml(start.lstrip(_SPACE)) else UNCERTAIN


def read_login(body: bytes, encoding: str, venue: Venue) -> LoginRequest | Reason:
    """Read a body as the venue's login request.

    NOT_A_LOGIN only where it surely is none: well-formed, with another root. TOO_LARGE, UNSUPPORTED_VERSION (another
    namespace) and GARBLED are bodies that must not reach the venue, whoever sends them.
    """
    found = _request(body, encoding, venue)
    return found if isinstance(found, Reason) else _login(*found, venue)


def add_code(body: bytes, encoding: str, venue: Venue, code: str) -> bytes | None:
    """Return the venue's login request with this code, in place of any that is there; None for anything else.

    The inverse of `read_login`: its `stripped` is the same before and after.
    """
    found = _request(body, encoding, venue)
    if isinstance(found, Reason):
        return None
    root, packing = found
    root.set(venue.code_attribute, code)
    return packing.close(_written(root))


def _request(body: bytes, encoding: str, venue: Venue) -> tuple[etree._Element, _Packing] | Reason:
    """Return the root of a login request and how it was compressed."""
    if len(body) > venue.login_bytes:
        return Reason.TOO_LARGE
    packing = _packing_of(body, encoding)
    if packing is None:
        return Reason.GARBLED
    plain = packing.open(body, venue.inflated_bytes)
    if isinstance(plain, Reason):
        return plain
    root = _parsed(plain)
    if root is None:
        return Reason.GARBLED
    return _problem(root, venue) or (root, packing)


def read_answer(body: bytes, encoding: str, venue: Venue) -> Answer | None:
    """Read a body as the venue's answer to a login; None for anything else. The ids may stand on any element (M7: a child)."""
    root = _opened(body, encoding, venue)
    if root is None or _local(root.tag) not in {venue.accepted, venue.refused} - {""}:
        return None
    session = _first(root, venue.session_attribute)
    return Answer(_local(root.tag) == venue.accepted, session, _first(root, venue.answer_user_attribute))


def read_refusal(body: bytes, encoding: str, venue: Venue) -> str:
    """Return the words of the venue's bad answer; "" where it has none."""
    root = _opened(body, encoding, venue)
    return _first(root, venue.error_text_attribute) if root is not None else ""


def read_logout(body: bytes, encoding: str, venue: Venue) -> str | None:
    """Return the session that a body names as the venue's logout request, "" for none; None for anything else."""
    root = _opened(body, encoding, venue) if venue.logout else None
    if root is None or _local(root.tag) != venue.logout or _namespace(root) != venue.namespace:
        return None
    return root.get(venue.logout_session_attribute, "") if venue.logout_session_attribute else ""


def _opened(body: bytes, encoding: str, venue: Venue) -> etree._Element | None:
    packing = _packing_of(body, encoding)
    plain = packing.open(body, venue.inflated_bytes) if packing else Reason.GARBLED
    return None if isinstance(plain, Reason) else _parsed(plain)


def _packing_of(body: bytes, encoding: str) -> _Packing | None:
    """Tell how a body is compressed; None where the encoding is unknown, or two readings of it are possible."""
    name = encoding.strip().lower()
    if name in _GZIP or (name in _PLAIN and body.startswith(_GZIP_MAGIC)):
        return _AS_GZIP
    if name in _PLAIN:
        return _AS_ZLIB if body.startswith(_ZLIB_MAGICS) and _AS_ZLIB.peek(body) else _AS_IS
    if name not in _DEFLATE:
        return None
    readings = [one for one in (_AS_ZLIB, _AS_RAW) if one.peek(body)]
    return readings[0] if len(readings) == 1 else None


def _never_xml(start: bytes) -> bool:
    """Say that XML can't begin so in any encoding that parsers guess: UTF-7, -8, -16, -32 with or without a mark, EBCDIC."""
    guessed = start.startswith((b"<", b"\xef\xbb", b"\xff\xfe", b"\xfe\xff", b"+ADw", b"+/v")) or 0 in start[:4]
    return bool(start) and not guessed and (start[:1] != b"L" or start[:4].isascii())


def _parsed(plain: bytes) -> etree._Element | None:
    """Return the root, None where it is no document."""
    try:
        return document(plain)
    except NotXmlError:
        return None


def _problem(root: etree._Element, venue: Venue) -> Reason | None:
    """Say what keeps the document from being this venue's login, if anything does."""
    if _local(root.tag) != venue.login:
        return Reason.NOT_A_LOGIN
    if _namespace(root) != venue.namespace:
        return Reason.UNSUPPORTED_VERSION
    if sum(1 + len(one.attrib) for one in islice(root.iter(), MOST_PARTS + 1)) > MOST_PARTS:
        return Reason.TOO_LARGE
    own = {venue.user_attribute, venue.code_attribute, venue.force_attribute}
    qualified = any(key not in own and _local(key) in own for key in root.attrib)
    nested = any(
        _local(one.tag) == venue.login or venue.code_attribute in map(_local, one.attrib)
        for one in root.iterdescendants()
    )
    return Reason.GARBLED if qualified or nested else None


def _login(root: etree._Element, packing: _Packing, venue: Venue) -> LoginRequest | Reason:
    user = root.get(venue.user_attribute, "")
    asked = root.get(venue.force_attribute) if venue.force_attribute else None
    code = root.attrib.pop(venue.code_attribute, "") if venue.code_attribute else ""
    if not user or (asked is not None and asked.strip() not in _BOOLEANS):
        return Reason.GARBLED
    force = None if asked is None else _BOOLEANS[asked.strip()]
    return LoginRequest(user, Secret(code) if code else None, force, packing.close(_written(root)))


def _written(root: etree._Element) -> bytes:
    return _DECLARATION + bytes(etree.tostring(root, encoding="UTF-8", xml_declaration=False, with_tail=False))


def _local(name: str | bytes) -> str:
    return str(name).rpartition("}")[2]


def _namespace(root: etree._Element) -> str:
    return etree.QName(root).namespace or ""


def _first(root: etree._Element, attribute: str) -> str:
    found = (one.get(attribute) for one in root.iter()) if attribute else iter(())
    return next((value for value in found if value), "")
