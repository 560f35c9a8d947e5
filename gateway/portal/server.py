"""Runs the portal on a port, in the loop of the process that has it. Knows no page."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Generator, Sequence
from dataclasses import dataclass

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from gateway.portal.shield import App

HEADERS_SECONDS = 10.0
"""From connecting to a whole request: a slow one is not waited for."""
CONNECTIONS = 500
"""Open at one time: order entry needs its file descriptors more."""
HEADER_BYTES = 16384
STOP_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Port:
    """Where the portal listens. `tls` None: a load balancer speaks it; `forwarded_from`: whose X-Forwarded-For is believed."""

    host: str
    number: int
    tls: ssl.SSLContext | None
    forwarded_from: Sequence[str] = ()
    shared: bool = False


class _Server(uvicorn.Server):
    """Leaves the signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Capture none."""
        yield


@contextlib.asynccontextmanager
async def running(app: App, port: Port) -> AsyncIterator[tuple[str, int]]:
    """Serve `app` as long as the context lasts; yields the address it listens on. Raises OSError where it can't."""
    listening = _listen(port)
    config = uvicorn.Config(
        app,
        loop="none",
        http=_Impatient,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(port.forwarded_from),
        forwarded_allow_ips=list(port.forwarded_from),
        limit_concurrency=CONNECTIONS,
        h11_max_incomplete_event_size=HEADER_BYTES,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    config.load()
    config.ssl = port.tls
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield listening.getsockname()[:2]
    finally:
        server.should_exit = True
        await task


class _Impatient(H11Protocol):
    """HTTP/1.1 that closes a connection whose first request is not whole in time (slow-loris)."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin the deadline."""
        super().connection_made(transport)
        self.loop.call_later(HEADERS_SECONDS, self._late)

    def _late(self) -> None:
        if self.cycle is None:
            self.transport.close()


def _listen(port: Port) -> socket.socket:
    family = socket.AF_INET6 if ":" in port.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if port.shared:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.bind((port.host, port.number))
    except OSError:
        listening.close()
        raise
    return listening
