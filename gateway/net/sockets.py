"""Socket options that both legs share: no delay, and a dead peer is noticed within 40 s (M7-12)."""

import contextlib
import socket
import struct

KEEPALIVE_IDLE, KEEPALIVE_INTERVAL, KEEPALIVE_COUNT = 15, 5, 3
USER_TIMEOUT = 30_000
"""Milliseconds that written bytes may stay unacknowledged; with keepalive it also bounds a silent peer (tcp(7))."""


def tune(sock: socket.socket) -> None:
    """Set TCP_NODELAY, keepalive and TCP_USER_TIMEOUT."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_COUNT)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT)


def reset(sock: socket.socket) -> None:
    """Close without a byte and without lingering state: the peer is not one of ours."""
    with contextlib.suppress(OSError):  # a failed handshake has closed it already
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def address_of(name: tuple[str, int] | tuple[str, int, int, int]) -> tuple[str, int]:
    """Return address and port of a socket's name; an IPv4 address mapped into IPv6 reads as IPv4."""
    return name[0].removeprefix("::ffff:"), name[1]


def split_address(text: str) -> tuple[str, int]:
    """Split "host:port" or "[v6]:port". Raises ValueError."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal():
        raise ValueError(f"{text!r} is not host:port")
    return host.strip("[]"), int(port)
