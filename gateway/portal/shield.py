"""What stands before every page: host, size, speed and the headers that keep other sites out (OWASP ASVS 5.0 chapter 3).

An ASGI middleware. It knows no page, no user and no store.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_SECONDS = 30.0
"""For a whole request's body: a slow one is not waited for."""
LARGEST = 16 * 1024 * 1024
"""Bytes of the largest body any page takes; a page's own limit is smaller."""

CONTENT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": CONTENT,
    "strict-transport-security": "max-age=31536000",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), publickey-credentials-get=(self)",
    "cache-control": "no-store",
}
_STATIC = "/static/"


class Shield:
    """Invariants: a request for another host, or another site's form, reaches no page; every answer carries HEADERS."""

    def __init__(self, app: App, host: str, origin: str) -> None:
        self._app = app
        self._host = host.encode("ascii", "replace")
        self._origin = origin.encode("ascii", "replace")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        sent = _with_headers(send, cacheable=scope["path"].startswith(_STATIC))
        headers = scope["headers"]
        if [value.lower() for name, value in headers if name == b"host"] != [self._host]:
            await _refuse(sent, 421, b"This address is not the portal's.\n")
        elif scope["method"] not in {"GET", "HEAD"} and not self._ours(headers):
            await _refuse(sent, 403, b"This form was sent from another site.\n")
        else:
            await self._app(scope, _bounded(receive), sent)

    def _ours(self, headers: list[tuple[bytes, bytes]]) -> bool:
        """Say whether a change comes from our own pages; a client that is no browser sends neither header."""
        origins = [value.lower() for name, value in headers if name == b"origin"]
        sites = [value for name, value in headers if name == b"sec-fetch-site"]
        return origins in ([], [self._origin]) and sites in ([], [b"same-origin"], [b"none"])


class TooLarge(Exception):  # noqa: N818 - what happened
    """The body is larger than the page takes."""


class TooSlow(Exception):  # noqa: N818 - what happened
    """The body did not come in time."""


def _bounded(receive: Receive) -> Receive:
    """Count a body's bytes and seconds while it is read. Raises TooLarge, TooSlow in whoever reads it."""
    got, deadline = 0, asyncio.get_running_loop().time() + BODY_SECONDS

    async def bounded() -> Message:
        nonlocal got
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            raise TooSlow from None
        got += len(message.get("body", b""))
        if got > LARGEST:
            raise TooLarge
        return message

    return bounded


def _with_headers(send: Send, *, cacheable: bool) -> Send:
    fixed = HEADERS | ({"cache-control": "public, max-age=3600"} if cacheable else {})
    raw = [(name.encode(), value.encode()) for name, value in fixed.items()]

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = {name.lower() for name, _ in raw}
            message["headers"] = [*raw, *((n, v) for n, v in message.get("headers", []) if n.lower() not in own)]
        await send(message)

    return sent


async def _refuse(send: Send, status: int, text: bytes) -> None:
    head = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": text})
