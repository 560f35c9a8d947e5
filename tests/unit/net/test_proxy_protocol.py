import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.net.proxy_protocol import HEAD, SIGNATURE, BadHeaderError, Source, read_head, read_source

V4 = bytes([192, 0, 2, 7, 127, 0, 0, 1]) + (4711).to_bytes(2, "big") + (9878).to_bytes(2, "big")
V6 = bytes.fromhex("20010db8" + "00" * 11 + "01" + "00" * 15 + "01") + (4711).to_bytes(2, "big") + bytes(2)
MAPPED = bytes(10) + b"\xff\xff" + bytes([192, 0, 2, 7]) + bytes(16) + (4711).to_bytes(2, "big") + bytes(2)


def parse(command: int, family: int, body: bytes) -> Source | None:
    head = read_head(SIGNATURE + bytes([command, family]) + len(body).to_bytes(2, "big"))
    return read_source(head, body)


@pytest.mark.parametrize(
    ("expected", "family", "body"),
    [
        (Source("192.0.2.7", 4711), 0x11, V4),
        (Source("192.0.2.7", 4711), 0x11, V4 + b"\x03\x00\x04abcd"),
        (Source("2001:db8::1", 4711), 0x21, V6),
        (Source("192.0.2.7", 4711), 0x21, MAPPED),
    ],
    ids=["IPv4", "IPv4 and a TLV", "IPv6", "IPv4 mapped into IPv6"],
)
def test_the_clients_address_is_read(expected, family, body):
    assert expected == parse(0x21, family, body)


def test_the_proxys_own_connection_names_nobody():
    assert parse(0x20, 0x00, b"") is None


@pytest.mark.parametrize(
    ("command", "family", "body"),
    [(0x11, 0x11, V4), (0x22, 0x11, V4), (0x21, 0x00, V4), (0x21, 0x12, V4), (0x21, 0x31, bytes(216)), (0x21, 0x11, V4[:11]),
     (0x21, 0x21, V4), (0x21, 0x11, bytes(4000))],
    ids=["version 1", "command", "unspecified", "UDP", "unix", "short IPv4", "short IPv6", "too long"],
)  # fmt: skip
def test_what_names_no_tcp_address_is_refused(command, family, body):
    with pytest.raises(BadHeaderError):
        parse(command, family, body)


@given(st.binary(max_size=64))
def test_whatever_the_bytes_there_is_an_address_or_a_refusal(data):
    try:
        head = read_head(data[:HEAD])
        read_source(head, data[HEAD:])
    except BadHeaderError:
        pass
