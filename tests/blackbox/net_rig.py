"""A gateway speaking the toy protocol on real sockets, an engine that counts bytes, and an authority that can be told how to fail."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from gateway.core.authority import Ended, Order, Report, Seen, Started
from gateway.core.login import Admitted, Attempt, Memory, Note, Refused, Verdict
from gateway.core.reason import Reason, public_text
from gateway.core.route import Route
from gateway.core.session import Limits
from gateway.net.server import Server
from gateway.net.spec import Courier, ListenerSpec, Patience, UpstreamSpec, UpstreamTlsSpec
from gateway.observe.journal import Journal
from tests.toy import Toy

GOOD = b"LOGIN ann good\n"
BAD = b"LOGIN ann bad\n"


async def until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Wait, bounded, for something that another task does."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the condition is of another object
            await asyncio.sleep(0.01)


@dataclass
class Judge:
    """Admits the code "good"; keeps what it is told."""

    idle: float = 60
    lifetime: float = 600
    attempts: list[Attempt] = field(default_factory=list)
    records: list[Started | Ended | Report] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    sightings: list[Seen] = field(default_factory=list)
    kicks: asyncio.Queue[Order | Exception] = field(default_factory=asyncio.Queue)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    fails: bool = False
    stores: bool = True
    ended_fails: int = 0

    def __post_init__(self) -> None:
        self.gate.set()

    async def verify(self, attempt: Attempt) -> Verdict:
        self.attempts.append(attempt)
        await self.gate.wait()
        if self.fails:
            raise RuntimeError("the store is away")
        memory = Memory(attempt.login.stream)
        if attempt.login.code and attempt.login.code.reveal() == b"good":
            return Admitted(f"s{len(self.attempts)}", attempt.login.user, self.idle, self.lifetime, memory)
        return Refused(Reason.BAD_CODE, public_text(Reason.BAD_CODE), memory=memory)

    async def remember(self, note: Note) -> bool:
        self.notes.append(note)
        return self.stores

    async def started(self, started: Started) -> None:
        await asyncio.sleep(0)
        self.records.append(started)

    async def seen(self, sightings: Sequence[Seen]) -> None:
        self.sightings += sightings

    async def ended(self, ended: Ended) -> None:
        if self.ended_fails:
            self.ended_fails -= 1
            raise OSError("the store is away")
        self.records.append(ended)

    async def report(self, report: Report) -> None:
        self.records.append(report)

    async def orders(self) -> AsyncIterator[Order]:
        while True:
            order = await self.kicks.get()
            if isinstance(order, Exception):
                raise order
            yield order

    async def ready(self) -> bool:
        return True

    def of(self, kind: type) -> list:
        return [record for record in self.records if isinstance(record, kind)]

    def reasons(self) -> list[Reason]:
        return [record.reason for record in self.records if not isinstance(record, Started)]


class Engine:
    """Answers a login with OK and then echoes, unless told otherwise; `got` is every byte that ever reached it."""

    def __init__(self, answer: bytes = b"OK\n", *, echo: bool = True) -> None:
        self.answer, self.echo = answer, echo
        self.got = b""
        self.writers: list[asyncio.StreamWriter] = []
        self.reading = asyncio.Event()
        self.reading.set()
        self.address = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        try:
            self.got += await reader.readline()
            writer.write(self.answer)
            while await self.reading.wait() and (data := await reader.read(65536)):
                self.got += data
                if self.echo:
                    writer.write(data)
                    await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    @property
    def gone(self) -> bool:
        return all(writer.is_closing() for writer in self.writers)


@contextlib.asynccontextmanager
async def engine(answer: bytes = b"OK\n", *, echo: bool = True, tls=None, limit: int = 65536) -> AsyncIterator[Engine]:
    one = Engine(answer, echo=echo)
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0, ssl=tls, limit=limit)
    one.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield one
    finally:
        server.close()
        one.reading.set()
        for writer in one.writers:
            writer.transport.abort()
        await until(lambda: one.gone)


@dataclass
class Rig:
    server: Server
    judge: Judge
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def port(self) -> int:
        return self.server.listeners[0].address[1]

    async def connect(self, **keys) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, **keys)
        self.writers.append(writer)
        return reader, writer

    async def login(self, line: bytes = GOOD, **keys) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await self.connect(**keys)
        writer.write(line)
        assert await reader.readline() == b"OK\n"
        return reader, writer

    @property
    def connections(self) -> int:
        return len(self.server.services.table)


FAST = Patience(verify=5, commit=2, linger=1, record=5)


@contextlib.asynccontextmanager
async def gateway(
    *addresses: str,
    judge: Judge | None = None,
    patience: Patience = FAST,
    upstream_tls: UpstreamTlsSpec | None = None,
    limits: Limits = Limits(),  # noqa: B008 - a frozen value
    connect: float = 2,
    dialect: Callable[[], Toy] = Toy,
    courier: Courier | None = None,
    **listener,
) -> AsyncIterator[Rig]:
    judge = judge or Judge()
    route = Route("engine", addresses)
    keys = {"plain": "tls" not in listener} | listener
    spec = ListenerSpec("front", "127.0.0.1", 0, lambda _origin: dialect(), (route,), limits=limits, **keys)
    upstream = UpstreamSpec("engine", addresses, upstream_tls, connect=connect)
    server = Server([spec], [upstream], judge, Journal(), patience=patience, courier=courier)
    server.start()
    rig = Rig(server, judge)
    try:
        yield rig
    finally:
        for writer in rig.writers:
            writer.transport.abort()
        await server.stop(0)
        assert not server.services.live
        assert not server.services.table
