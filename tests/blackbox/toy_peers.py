"""Peers by hand on real sockets: a client with a ToySession, and an exchange that counts every byte it gets.

`ToyFixInitiator` is the client that need not count a Logout; `CountingEngine` proves that nothing reached the exchange
(BY-2), and may answer or stay silent. They must not hide anything: what came is kept as it came.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Self

from tests.blackbox.fix_bytes import Field, Framer, Message, now
from tests.blackbox.toy_session import ToySession

PATIENCE = 60.0  # seconds; a bound for a slow machine, never a measure
_CHUNK = 65536


class ToyFixInitiator:
    """A client whose session outlives its connections. Invariant: `raw` is every byte of this connection's answer."""

    def __init__(self, port: int, session: ToySession) -> None:
        self.port = port
        self.session = session
        self.raw = bytearray()
        self.closed = False
        self._changed = asyncio.Condition()
        self._writer: asyncio.StreamWriter | None = None
        self._reader: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.drop()

    async def connect(self) -> None:
        """Open a connection; nothing is sent yet."""
        reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.raw.clear()
        self.closed = False
        self._reader = asyncio.create_task(self._read(reader))

    async def send(self, raw: bytes) -> None:
        """Send bytes as they are, a message or not."""
        assert self._writer is not None
        self._writer.write(raw)
        await self._writer.drain()

    async def logon(self, fields: Sequence[Field] = (), *, reset: bool = False) -> str:
        """Connect, send a Logon; returns "A" when logged on, "5" when told why not, "" when closed without a word."""
        await self.connect()
        told = len(self.session.admin)
        await self.send(self.session.logon(fields, reset=reset))
        await self.until(lambda: self.session.logged_on or self.closed)
        types = [message.type for message in self.session.admin[told:]]
        return next((found for found in types if found in {"A", "5"}), "")

    async def order(self, *cl_ord_ids: str) -> None:
        """Send one NewOrderSingle for each id."""
        for cl_ord_id in cl_ord_ids:
            await self.send(self.session.message("D", order_fields(cl_ord_id)))

    async def logout(self) -> None:
        """Send a Logout and wait for the other side to close, or close after its answer."""
        told = len(self.session.admin)
        self.session.logged_on = False  # its Logout is an answer then, not to be answered again
        await self.send(self.session.message("5"))
        await self.until(lambda: self.closed or any(message.type == "5" for message in self.session.admin[told:]))
        await self.drop()

    async def drop(self) -> None:
        """Close the connection without a word."""
        if self._writer is not None:
            self._writer.transport.abort()
        if self._reader is not None:
            await self._reader

    async def until(self, condition: Callable[[], bool], *, within: float = PATIENCE) -> None:
        """Wait for something to come true; it is looked at after every chunk that comes in."""
        try:
            async with asyncio.timeout(within), self._changed:
                await self._changed.wait_for(condition)
        except TimeoutError:
            raise AssertionError(f"not within {within} s; received {bytes(self.raw)!r}") from None

    @property
    def exec_ids(self) -> Counter[str]:
        """How often each ExecID was taken in."""
        return Counter(message[17] for message in self.session.taken)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        framer = Framer()
        with contextlib.suppress(OSError):
            while chunk := await reader.read(_CHUNK):
                self.raw += chunk
                for message in framer.feed(chunk):
                    await self._answer(message)
                await self._notify()
        if self._writer is not None:
            self._writer.close()
        self.closed = True
        self.session.disconnected()
        await self._notify()

    async def _answer(self, message: Message) -> None:
        for answer in self.session.receive(message):
            with contextlib.suppress(OSError):
                await self.send(answer)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


class CountingEngine:
    """An exchange on a loopback port. Invariants: `received` is every byte of every connection, in order of arrival."""

    def __init__(self, session: ToySession, *, answers: bool = True) -> None:
        self.session = session
        self.answers = answers
        self.received = bytearray()
        self.connections = 0
        self.messages: list[Message] = []
        self.port = 0
        self._resetting = False
        self._changed = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    def cut(self) -> None:
        """Break every connection without a word."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def push(self, msg_type: str, fields: Sequence[Field]) -> None:
        """Send a message of one's own on the open connection."""
        await self.send(self.session.message(msg_type, fields))

    async def reset(self) -> None:
        """Begin the numbers again in mid-session; the client's next Logon is the answer, and not answered."""
        self._resetting = True
        await self.send(self.session.logon(reset=True))

    async def send(self, raw: bytes) -> None:
        """Send bytes as they are on every open connection."""
        for writer in list(self._writers):
            writer.write(raw)
            await writer.drain()

    async def until(self, condition: Callable[[], bool], *, within: float = PATIENCE) -> None:
        """Wait for something to come true; it is looked at after every chunk and every connection."""
        try:
            async with asyncio.timeout(within), self._changed:
                await self._changed.wait_for(condition)
        except TimeoutError:
            raise AssertionError(f"not within {within} s; received {bytes(self.received)!r}") from None

    @property
    def cl_ord_ids(self) -> Counter[str]:
        """How often each ClOrdID was taken in."""
        return Counter(message[11] for message in self.session.taken)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        framer = Framer()
        with contextlib.suppress(OSError):
            await self._notify()
            while chunk := await reader.read(_CHUNK):
                self.received += chunk
                if self.answers:
                    await self._answer(framer.feed(chunk), writer)
                await self._notify()
        self._writers.discard(writer)
        self.session.disconnected()
        writer.close()
        await self._notify()

    async def _answer(self, messages: list[Message], writer: asyncio.StreamWriter) -> None:
        for message in messages:
            self.messages.append(message)
            taken = len(self.session.taken)
            answers = []
            if message.type == "A" and not self._resetting:
                answers.append(self.session.logon_answer(message))
            self._resetting &= message.type != "A"
            answers += self.session.receive(message)
            answers += [self.session.message("8", fill_fields(order)) for order in self.session.taken[taken:]]
            writer.write(b"".join(answers))
            await writer.drain()

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def order_fields(cl_ord_id: str) -> list[Field]:
    """Return the body of a NewOrderSingle."""
    return [(11, cl_ord_id), (21, 1), (55, "DEMO"), (54, 1), (60, now()), (38, 100), (40, 2), (44, 10)]


def fill_fields(order: Message) -> list[Field]:
    """Return the body of the ExecutionReport that fills an order."""
    exec_id = f"exec-{order[11]}"
    return [
        (37, order[11]),
        (11, order[11]),
        (17, exec_id),
        (150, "F"),
        (39, 2),
        (55, "DEMO"),
        (54, 1),
        (151, 0),
        (14, 100),
        (6, 10),
    ]
