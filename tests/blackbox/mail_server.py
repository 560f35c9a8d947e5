"""A real SMTP server that keeps what it is given, and a real HTTP receiver; both come and go on ports of their own."""

import asyncio
import contextlib
import json
import ssl
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from tests.blackbox.net_certificates import Pair
from tests.blackbox.ports import free_port

PATIENCE = 60.0  # seconds; a bound for a slow machine, never a measure
USER, PASSWORD = "gateway", "mail-Server-pass-33"


def server_context(pair: Pair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return context


@dataclass
class Mailbox:
    """A mail server. `pair`: it speaks TLS, by STARTTLS or (`implicit`) from the first byte; `auth`: it wants a login.

    `refuse(recipient)` may return an answer such as "550 no such user" for RCPT.
    """

    pair: Pair | None = None
    implicit: bool = False
    auth: bool = False
    refuse: Callable[[str], str | None] = lambda _recipient: None
    port: int = field(default_factory=free_port)
    mails: list[EmailMessage] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    envelopes: list[tuple[str, str]] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    connections: int = 0
    _server: asyncio.Server | None = None
    _open: set[SMTP] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        context = server_context(self.pair) if self.pair else None
        outer = context if self.implicit else None
        self._server = await loop.create_server(lambda: self._session(context), "127.0.0.1", self.port, ssl=outer)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for session in self._open:
            if session.transport is not None:
                session.transport.abort()
        self._open.clear()
        await asyncio.sleep(0)

    def _session(self, context: ssl.SSLContext | None) -> SMTP:
        starttls = context if not self.implicit else None
        with warnings.catch_warnings(action="ignore"):  # it does not know that TLS may be around it
            session = SMTP(
                self,
                hostname="mail.test",
                tls_context=starttls,
                require_starttls=starttls is not None,
                auth_required=self.auth,
                auth_require_tls=starttls is not None,
                authenticator=self._login if self.auth else None,
                loop=asyncio.get_running_loop(),
            )
        self._open.add(session)
        self.connections += 1
        return session

    def _login(self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, given: Any) -> AuthResult:
        right = (given.login, given.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=right, handled=right)  # who did not handle it lets the server say 535

    async def handle_RCPT(self, _server, _session, envelope: Envelope, address: str, _options) -> str:  # noqa: N802 - aiosmtpd's
        refused = self.refuse(address)
        if refused is None:
            envelope.rcpt_tos.append(address)
        return refused or "250 OK"

    async def handle_DATA(self, _server, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        content = bytes(envelope.content)
        self.raw.append(content)
        self.mails.append(BytesParser(EmailMessage, policy=default).parsebytes(content))
        self.envelopes.append((str(envelope.mail_from), ",".join(envelope.rcpt_tos)))
        self.encrypted.append(session.ssl is not None or self.implicit)
        return "250 OK"

    async def until(self, count: int, *, to: str = "", subject: str = "") -> list[EmailMessage]:
        """Wait until so many mails came (to somebody, with those words in the subject)."""

        def found() -> list[EmailMessage]:
            return [one for one in self.mails if to in one["To"] and subject in one["Subject"]]

        try:
            async with asyncio.timeout(PATIENCE):
                while len(found()) < count:  # noqa: ASYNC110  a bounded poll
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"not {count} mails but {[str(one['Subject']) for one in self.mails]}") from None
        return found()


@dataclass
class Posted:
    """What one POST brought."""

    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> dict[str, Any]:
        return json.loads(self.body)


@dataclass
class Receiver:
    """An HTTP server that takes POSTs. `answers` are its status lines, the last one for ever."""

    answers: list[str] = field(default_factory=lambda: ["204 No Content"])
    pair: Pair | None = None
    port: int = field(default_factory=free_port)
    posts: list[Posted] = field(default_factory=list)
    _server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        context = server_context(self.pair) if self.pair else None
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=context)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            self.posts.append(Posted(headers, await reader.readexactly(int(headers["content-length"]))))
            status = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
        writer.close()

    async def until_event(self, event: str) -> Posted:
        """Wait until an event of that name came."""
        async with asyncio.timeout(PATIENCE):
            while not (found := [post for post in self.posts if post.data["event"] == event]):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return found[0]
