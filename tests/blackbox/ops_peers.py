"""Peers for the operations tests: an exchange for many clients at one time, and a client that may use TLS.

The sessions are the toy ones, with their own codec. It must not import the gateway.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import Self

from tests.blackbox.fix_bytes import Framer, Message
from tests.blackbox.people import PASSWORD, Person
from tests.blackbox.toy_peers import PATIENCE, ToyFixInitiator, fill_fields
from tests.blackbox.toy_session import ToySession

_CHUNK = 65536


class Exchange:
    """An engine for any SenderCompID. Invariants: `sessions` outlive connections; `logons` is every Logon that came."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.port = 0
        self.connections = 0
        self.logons: list[Message] = []
        self.sessions: dict[str, ToySession] = {}
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls, backlog=512)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await self._server.wait_closed()

    def orders(self, sender: str) -> list[str]:
        """Return the ClOrdIDs that came from a client."""
        return [message[11] for message in self.sessions[sender].taken]

    async def push(self, sender: str) -> None:
        """Send a client an ExecutionReport that it did not ask for."""
        report = self.sessions[sender].message("8", [(37, "none"), (17, "unasked"), (150, "0"), (39, 0), (55, "DEMO")])
        for writer in list(self._writers):
            writer.write(report)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something to come true; it is looked at after every chunk."""
        try:
            async with asyncio.timeout(PATIENCE), self._changed:
                await self._changed.wait_for(condition)
        except TimeoutError:
            raise AssertionError(f"never; sessions {list(self.sessions)}") from None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        framer, session = Framer(), None
        with contextlib.suppress(OSError):
            while chunk := await reader.read(_CHUNK):
                for message in framer.feed(chunk):
                    session = self._session(message)
                    writer.write(b"".join(self._answers(session, message)))
                await writer.drain()
                await self._notify()
        self._writers.discard(writer)
        if session is not None:
            session.disconnected()
        writer.close()
        await self._notify()

    def _session(self, message: Message) -> ToySession:
        begin, sender, target = message[8], message[49], message[56]
        return self.sessions.setdefault(sender, ToySession(target, sender, begin))

    def _answers(self, session: ToySession, message: Message) -> list[bytes]:
        taken = len(session.taken)
        answers = []
        if message.type == "A":
            self.logons.append(message)
            answers.append(session.logon_answer(message))
        answers += session.receive(message)
        return answers + [session.message("8", fill_fields(order)) for order in session.taken[taken:]]

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


class Client(ToyFixInitiator):
    """A trading client of a person; `local` is the address it comes from, `tls` how it speaks."""

    def __init__(
        self,
        port: int,
        person: Person,
        sender: str = "",
        *,
        tls: ssl.SSLContext | None = None,
        local: str = "127.0.0.1",
    ) -> None:
        super().__init__(port, ToySession(sender or person.sender, "EXCHANGE"))
        self.person = person
        self._tls = tls
        self._local = local

    async def connect(self) -> None:
        """Open a connection, with TLS where it was asked for; nothing is sent yet."""
        reader, self._writer = await asyncio.open_connection(
            "127.0.0.1",
            self.port,
            local_addr=(self._local, 0),
            ssl=self._tls,
            server_hostname="localhost" if self._tls else None,
        )
        self.raw.clear()
        self.closed = False
        self._reader = asyncio.create_task(self._read(reader))

    async def log_in(self, code: str | None = None) -> str:
        """Send a Logon with a code, the one of now if none is given; returns "A", "5" or "" (closed without a word)."""
        code = self.person.code() if code is None else code
        return await self.logon([(553, self.person.name), (554, PASSWORD), (20030, code)])

    @property
    def text(self) -> str:
        """The last Logout's Text(58)."""
        return next((message.get(58) for message in reversed(self.session.admin) if message.type == "5"), "")

    @property
    def certificate(self) -> bytes:
        """The gateway's certificate on this connection."""
        assert self._writer is not None
        return self._writer.get_extra_info("ssl_object").getpeercert(binary_form=True)

    async def trade(self, cl_ord_id: str) -> None:
        """Send an order and wait for its ExecutionReport."""
        await self.order(cl_ord_id)
        await self.until(lambda: f"exec-{cl_ord_id}" in self.exec_ids)

    async def be_ended(self) -> None:
        """Wait until the gateway has closed the line."""
        await self.until(lambda: self.closed)
