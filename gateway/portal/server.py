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
"""For a TLS handshake, and to a whole request, the first or the next: a slow one is not waited for."""
ANSWER_SECONDS = 120.0
"""From a request to the end of its answer: its body, the work (a file of ten thousand people), and being read."""
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
    """Leaves the signals to the process, and bounds TLS handshakes."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen on the sockets."""
        await self.lifespan.startup()
        loop, tls = asyncio.get_running_loop(), self.config.ssl
        self.servers = [
            await loop.create_server(
                lambda: _Impatient(self.config, self.server_state, {}),
                sock=listening,
                ssl=tls,
                ssl_handshake_timeout=HEADERS_SECONDS if tls else None,
                backlog=self.config.backlog,
            )
            for listening in sockets or ()
        ]
        self.started = True

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
    """HTTP/1.1 that drops a connection which keeps it waiting: with a request, the first one or a later one (slow-loris),
    or by not reading its answer. Invariant: from its first moment to its last, a connection has a deadline.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        if self.client:  # on a socket for both families IPv4 is written otherwise than in `forwarded_from`
            self.client = (self.client[0].removeprefix("::ffff:"), self.client[1])
        self._heard: object = None
        self._deadline = self.loop.call_later(HEADERS_SECONDS, transport.abort)

    def handle_events(self) -> None:
        """Give a request that has come the time for its answer."""
        super().handle_events()
        if self.cycle is not self._heard:
            self._heard = self.cycle
            self._give(ANSWER_SECONDS)

    def on_response_complete(self) -> None:
        """Wait for the next one, or for the last bytes to be read."""
        self._give(HEADERS_SECONDS)
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._deadline.cancel()
        super().connection_lost(exc)

    def _give(self, seconds: float) -> None:
        self._deadline.cancel()
        self._deadline = self.loop.call_later(seconds, self.transport.abort)


def _listen(port: Port) -> socket.socket:
    family = socket.AF_INET6 if ":" in port.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if port.shared:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.bind((port.host, port.number))
        listening.listen()  # who comes before the server has started waits, and nobody else has the port
    except OSError:
        listening.close()
        raise
    return listening
