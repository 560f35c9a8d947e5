"""Dials the engine behind a route: addresses in order, a failed one last for a while, one time limit per address."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import replace

from gateway.net.issuer import Issuer
from gateway.net.sockets import split_address, tune
from gateway.net.spec import UpstreamSpec
from gateway.net.tls import upstream_context
from gateway.observe.journal import Journal


class UnreachableError(Exception):
    """No address of the route took the connection."""


class Upstream:
    """The engine behind one route.

    Invariant: every address is tried once per dial; those that failed within the last `shun` seconds come last.
    """

    __slots__ = ("_issuer", "_journal", "_shunned", "_spec", "_tls", "_where")

    def __init__(self, spec: UpstreamSpec, journal: Journal) -> None:
        self._spec = spec
        self._journal = journal
        self._where = {address: split_address(address) for address in spec.addresses}
        self._shunned: dict[str, float] = {}
        self._tls, self._issuer = _tls_of(spec)

    def reload(self) -> None:
        """Read the certificates again. Raises StartError, and then keeps what was."""
        self._tls, self._issuer = _tls_of(self._spec)

    async def dial(self, protocol: Callable[[], asyncio.BaseProtocol], identity: str = "") -> str:
        """Connect `protocol()` and return the address it is connected to. Raises UnreachableError.

        `identity` is the common name of the client's verified certificate: an issuer presents the client under it.
        """
        loop = asyncio.get_running_loop()
        for address in self._in_order(loop.time()):
            try:
                async with asyncio.timeout(self._spec.connect):
                    await self._connect(loop, protocol, address, identity)
            except (OSError, TimeoutError) as error:
                self._shunned[address] = loop.time() + self._spec.shun
                self._journal.dial_failed(self._spec.route, address, str(error) or "no answer in time")
            else:
                self._shunned.pop(address, None)
                return address
        raise UnreachableError(self._spec.route)

    def _in_order(self, now: float) -> Iterator[str]:
        bad = [address for address in self._spec.addresses if self._shunned.get(address, 0) > now]
        yield from (address for address in self._spec.addresses if address not in bad)
        yield from bad

    async def _connect(
        self, loop: asyncio.AbstractEventLoop, protocol: Callable[[], asyncio.BaseProtocol], address: str, identity: str
    ) -> None:
        host, port = self._where[address]
        tls = self._issuer.context(identity, loop.time()) if self._issuer and identity else self._tls
        sock = await _open(loop, host, port)
        name = ((self._spec.tls.server_name if self._spec.tls else "") or host) if self._tls else None
        try:
            await loop.create_connection(protocol, sock=sock, ssl=tls, server_hostname=name)
        except BaseException:
            sock.close()
            raise


def _tls_of(spec: UpstreamSpec) -> tuple[ssl.SSLContext | None, Issuer | None]:
    tls = spec.tls
    if tls is None:
        return None, None
    anonymous = replace(tls, certificate=None)
    issuer = Issuer(tls.issuer, lambda: upstream_context(anonymous)) if tls.issuer else None
    return upstream_context(tls), issuer


async def _open(loop: asyncio.AbstractEventLoop, host: str, port: int) -> socket.socket:
    """Connect to the first of the host's addresses that takes it. Raises OSError."""
    failure: OSError = OSError(f"{host} has no address")
    for family, kind, protocol, _, where in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        with contextlib.ExitStack() as undo:
            sock = undo.enter_context(socket.socket(family, kind, protocol))
            sock.setblocking(False)
            tune(sock)
            try:
                await loop.sock_connect(sock, where)
            except OSError as error:
                failure = error
            else:
                undo.pop_all()
                return sock
    raise failure
