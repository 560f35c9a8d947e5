"""`/metrics`, `/healthz` and `/readyz` over HTTP/1.1 (RFC 9112): GET only, one request per connection, inside only.

It tells no secret and no personal data, and takes no order. Hostile input is bounded in bytes, time and number.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from gateway.observe.metrics import CONTENT_TYPE, Metrics

MAX_HEAD = 4096
PATIENCE = 5.0
AT_ONCE = 32
"""Connections served at one time; scrapers need one."""

Ready = Callable[[], Awaitable[bool]]
Answer = tuple[str, str, bytes]
_TEXT = "text/plain; charset=utf-8"


class Admin:
    """Health and metrics. `ready` says whether logins can be taken now; healthz says only that the process lives."""

    def __init__(self, metrics: Metrics, ready: Ready) -> None:
        self._metrics = metrics
        self._ready = ready
        self._busy = 0
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen, and return where. Raises OSError."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=MAX_HEAD)
        name = self._server.sockets[0].getsockname()
        return name[0], name[1]

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._busy += 1
        try:
            if self._busy <= AT_ONCE:
                async with asyncio.timeout(PATIENCE):
                    head = await reader.readuntil(b"\r\n\r\n")
                    writer.write(_response(*await self._answer(head)))
                    await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            pass  # not a request of ours: closed without an answer
        finally:
            self._busy -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, head: bytes) -> Answer:
        method, _, rest = head.partition(b" ")
        if method != b"GET":
            return "405 Method Not Allowed", _TEXT, b"GET only\n"
        match rest.split(b" ", 1)[0].partition(b"?")[0]:
            case b"/metrics":
                return "200 OK", CONTENT_TYPE, self._metrics.page()
            case b"/healthz":
                return "200 OK", _TEXT, b"ok\n"
            case b"/readyz":
                return ("200 OK", _TEXT, b"ready\n") if await self._ready() else _NOT_READY
        return "404 Not Found", _TEXT, b"try /metrics, /healthz or /readyz\n"


_NOT_READY: Answer = ("503 Service Unavailable", _TEXT, b"not ready\n")


def _response(status: str, kind: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body
