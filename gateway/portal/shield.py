"""What stands before every page: host, size, speed and the headers that keep other sites out (OWASP ASVS 5.0 chapter 3).

An ASGI middleware. It knows no page, no user and no store.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_SECONDS = 30.0
"""For a whole request's body: a slow one is not waited for."""
SMALL, LARGE = 64 * 1024, 8 * 1024 * 1024
"""Bytes of a body: of a form, and of one with a file, which is read of somebody who has signed in alone."""

HEAD = 16 * 1024
"""Bytes of a request's address and header fields."""

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
        if _size(scope) > HEAD:
            await _refuse(sent, 431, b"This request is too large.\n")
        elif {b"content-length", b"transfer-encoding"} <= {name for name, _ in headers}:
            await _refuse(sent, 400, b"This request says two lengths.\n")  # RFC 9112 section 6.3: smuggling
        elif [value.lower() for name, value in headers if name == b"host"] != [self._host]:
            await _refuse(sent, 421, b"This address is not the portal's.\n")
        elif scope["method"] not in {"GET", "HEAD"} and not self._ours(headers):
            await _refuse(sent, 403, b"This form was sent from another site.\n")
        else:
            await self._app(scope, _in_time(receive), sent)

    def _ours(self, headers: list[tuple[bytes, bytes]]) -> bool:
        """Say whether a change comes from our own pages; a client that is no browser sends neither header."""
        origins = [value.lower() for name, value in headers if name == b"origin"]
        sites = [value for name, value in headers if name == b"sec-fetch-site"]
        return origins in ([], [self._origin]) and sites in ([], [b"same-origin"], [b"none"])


class TooLarge(Exception):  # noqa: N818 - what happened
    """The body is larger than the page takes."""


class TooSlow(Exception):  # noqa: N818 - what happened
    """The body did not come in time."""


def _size(scope: Scope) -> int:
    """Return the bytes of a request's head."""
    fields = sum(len(name) + len(value) for name, value in scope["headers"])
    return fields + len(scope.get("raw_path") or b"") + len(scope["query_string"])


def _in_time(receive: Receive) -> Receive:
    """Bound the seconds in which a body is read. Raises TooSlow in whoever reads it."""
    deadline = asyncio.get_running_loop().time() + BODY_SECONDS

    async def in_time() -> Message:
        try:
            async with asyncio.timeout_at(deadline):
                return await receive()
        except TimeoutError:
            raise TooSlow from None

    return in_time


def at_most(receive: Receive, most: int) -> Receive:
    """Bound the bytes of a body while it is read. Raises TooLarge in whoever reads it."""
    got = 0

    async def bounded() -> Message:
        nonlocal got
        message = await receive()
        got += len(message.get("body", b""))
        if got > most:
            raise TooLarge
        return message

    return bounded


def _with_headers(send: Send, *, cacheable: bool) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            # A file that is not there is answered by a page, and that is its reader's alone.
            kept = cacheable and message["status"] in {HTTPStatus.OK, HTTPStatus.NOT_MODIFIED}
            fixed = HEADERS | ({"cache-control": "public, max-age=3600"} if kept else {})
            raw = [(name.encode(), value.encode()) for name, value in fixed.items()]
            own = {name.lower() for name, _ in raw}
            message["headers"] = [*raw, *((n, v) for n, v in message.get("headers", []) if n.lower() not in own)]
        await send(message)

    return sent


async def _refuse(send: Send, status: int, text: bytes) -> None:
    """Refuse, and end the line: what comes behind such a request is not trusted either."""
    head = {
        b"content-type": b"text/plain; charset=utf-8",
        b"content-length": b"%d" % len(text),
        b"connection": b"close",
    }
    await send({"type": "http.response.start", "status": status, "headers": list(head.items())})
    await send({"type": "http.response.body", "body": text})
