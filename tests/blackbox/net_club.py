"""Peers of a line protocol whose connections outlive their logins, on real sockets: dialect, venue, courier."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

from gateway.core.dialect import Farewell, Pass, Side
from tests.blackbox.net_rig import gateway
from tests.unit.core.lines import ManyLogins


class Club(ManyLogins):
    """`ManyLogins` on a real line: one message a line."""

    def __init__(self):
        super().__init__()
        self.rest = {}

    def feed(self, side, data, arrived):
        *lines, self.rest[side] = (self.rest.get(side, b"") + data).split(b"\n")
        return [output for line in lines for output in super(Club, self).feed(side, line, arrived)]

    def _let_go(self, now):
        held, self.held = self.held, b""
        return super().feed(Side.CLIENT, held, self.arrived) if held else []

    def watch(self, side):
        return Look()


def _ended(method):
    """Its own words end a line too."""

    def called(*args):
        said = method(*args)
        if isinstance(said, Farewell):
            return replace(said, message=said.message and said.message + b"\n")
        return [replace(one, data=one.data + b"\n") if isinstance(one, Pass) else one for one in said]

    return called


for name in ("_line", "admitted", "renewed", "parting", "ticked", "refused", "dismissed"):
    setattr(Club, name, _ended(getattr(ManyLogins, name)))


class Look:
    """Lets everything by but the words that the dialect must see."""

    def __init__(self):
        self.business = False

    def __call__(self, chunk):
        self.business = True
        return None if any(word in chunk for word in (b"LOGOUT", b"NEW", b"QUIT", b"EVIL")) else chunk


class Post:
    """A courier that keeps what it is given; it takes a will only when `open`."""

    def __init__(self):
        self.posted, self.delivered, self.tried = [], [], 0
        self.open = asyncio.Event()
        self.open.set()

    async def post(self, route, data):
        self.posted.append((route, data))

    async def deliver(self, route, data):
        self.tried += 1
        await self.open.wait()
        self.delivered.append((route, data))

    async def close(self):
        pass


class Venue:
    """Answers LOGIN with OK (or NO), END with GONE, echoes the rest; `got` is every line that ever reached it."""

    def __init__(self, answer=b"OK\n"):
        self.answer, self.knows = answer, True
        self.got, self.writers = [], []

    async def serve(self, reader, writer):
        self.writers.append(writer)
        try:
            while line := await reader.readline():
                if line == b"beat\n":
                    continue
                self.got.append(line.strip().decode())
                if line.startswith(b"LOGIN"):
                    writer.write(self.answer)
                elif line.startswith(b"END"):
                    writer.write(b"GONE\n" if self.knows else b"")
                elif line != b"LOGOUT\n":
                    writer.write(line)
        except ConnectionError:
            pass
        writer.close()


@asynccontextmanager
async def venue():
    one = Venue()
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    one.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield one
    finally:
        server.close()
        for writer in one.writers:
            writer.transport.abort()


def club(there, **keys):
    return gateway(there.address, dialect=Club, **keys)


async def say(writer, reader, line):
    writer.write(line)
    return await asyncio.wait_for(reader.readline(), 10)
