"""PROXY protocol version 2 (haproxy.org/download/2.8/doc/proxy-protocol.txt §2.2): pure, bytes in, address out.

Only the binary version is read: its length is known after 16 bytes, so not one byte of what follows is taken.
TLVs are skipped. A header is believed only from trusted networks; that is the listener's business.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
HEAD = 16
MAX_BODY = 2048
"""Real headers stay below 600 bytes, a certificate's subject in a TLV included."""

_LOCAL, _PROXY = 0x20, 0x21


class BadHeaderError(Exception):
    """Not a PROXY protocol v2 header, or one that names no TCP address."""


@dataclass(frozen=True, slots=True)
class Head:
    """The fixed part: `length` bytes of addresses and TLVs follow."""

    command: int
    family: int
    length: int


@dataclass(frozen=True, slots=True)
class Source:
    """The client's address as the proxy saw it."""

    address: str
    port: int


def read_head(data: bytes) -> Head:
    """Read the first 16 bytes. Raises BadHeaderError."""
    if len(data) != HEAD or not data.startswith(SIGNATURE):
        raise BadHeaderError("no PROXY protocol v2 signature")
    head = Head(data[12], data[13], int.from_bytes(data[14:16], "big"))
    if head.command not in (_LOCAL, _PROXY):
        raise BadHeaderError("unknown version or command")
    if head.length > MAX_BODY:
        raise BadHeaderError("header is too long")
    return head


def read_source(head: Head, body: bytes) -> Source | None:
    """Read the `head.length` bytes behind the head; None for LOCAL, the proxy's own connection. Raises BadHeaderError."""
    if len(body) != head.length:
        raise BadHeaderError("header is cut short")
    if head.command == _LOCAL:
        return None
    match head.family:
        case 0x11 if len(body) >= 12:  # noqa: PLR2004 - TCP over IPv4: two addresses of 4 bytes, two ports
            return Source(str(IPv4Address(body[:4])), int.from_bytes(body[8:10], "big"))
        case 0x21 if len(body) >= 36:  # noqa: PLR2004 - TCP over IPv6: two addresses of 16 bytes, two ports
            return Source(_plain(IPv6Address(body[:16])), int.from_bytes(body[32:34], "big"))
    raise BadHeaderError("no TCP address in the header")


def _plain(address: IPv6Address) -> str:
    return str(address.ipv4_mapped or address)
