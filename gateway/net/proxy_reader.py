"""Takes exactly the PROXY header's bytes off a fresh socket, so that TLS or the login follows untouched."""

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address

from gateway.core.login import Origin
from gateway.net.proxy_protocol import HEAD, SIGNATURE, BadHeaderError, read_head, read_source
from gateway.net.spec import Network


def trusted(address: str, networks: Sequence[Network]) -> bool:
    """Say whether a header from this address is believed."""
    there = ip_address(address.partition("%")[0])
    return any(there in network for network in networks)


async def read_proxy_header(sock: socket.socket, origin: Origin, seconds: float) -> Origin:
    """Return `origin` with the address the header names. Raises BadHeaderError, also when it takes too long."""
    try:
        async with asyncio.timeout(seconds):
            start = await _exactly(sock, len(SIGNATURE))
            if start != SIGNATURE:  # before waiting for 16 bytes that may never come
                raise BadHeaderError("no PROXY protocol v2 signature")
            head = read_head(start + await _exactly(sock, HEAD - len(SIGNATURE)))
            source = read_source(head, await _exactly(sock, head.length))
    except TimeoutError:
        raise BadHeaderError("no header in time") from None
    return replace(origin, address=source.address, port=source.port) if source else origin


async def _exactly(sock: socket.socket, count: int) -> bytes:
    loop = asyncio.get_running_loop()
    data = b""
    while len(data) < count:
        chunk = await loop.sock_recv(sock, count - len(data))
        if not chunk:
            raise BadHeaderError("closed before the header was complete")
        data += chunk
    return data
