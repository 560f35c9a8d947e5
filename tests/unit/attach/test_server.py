"""The sidecar's sockets, on the loop it runs on: who gets in, and how it ends. Whole logins are in tests/blackbox/test_attach.py."""

import asyncio
import base64
import io
import json
from dataclasses import replace

import pytest
import uvloop

from gateway.attach.key import parse_key
from gateway.attach.passage import Patience
from gateway.attach.server import AttachSpec, Server
from gateway.net.leg import HOLD
from gateway.net.spec import StartError, UpstreamSpec
from gateway.observe.journal import Journal
from gateway.observe.log import configure
from gateway.protocols.fix.venue import Venue
from tests.fixbytes import from_engine, logon, message, read

KEY = parse_key(base64.b32encode(b"12345678901234567890").decode(), "test")
PLAIN = logon(code=None)
FIX = Venue()


def spec(upstream: int, port: int = 0, venue=FIX, **keys) -> AttachSpec:
    return AttachSpec("127.0.0.1", port, UpstreamSpec("attach", (f"127.0.0.1:{upstream}",)), venue, KEY, **keys)


class Engine:
    """Takes one connection at a time and answers its Logon with `answer`; keeps what it read."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.read = b""
        self.gone = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if not self.read:
                writer.write(self.answer)
            self.read += data
        self.gone.set()
        writer.close()


@pytest.fixture
def log() -> io.StringIO:
    out = io.StringIO()
    configure(out=out)
    return out


def events(log: io.StringIO) -> list[str]:
    return [json.loads(line)["event"] for line in log.getvalue().splitlines()]


def played(scenario) -> None:
    """Run it on uvloop, whose transports are not asyncio's own."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(scenario, 60))


async def closed(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionError:
        return b""


@pytest.mark.req("BY-10")
def test_a_logon_goes_up_with_a_code_and_large_messages_pass_both_ways(log):
    big = message("D", 2, (58, "x" * 300_000))

    async def scenario():
        engine = Engine(from_engine("A", 1) + big)
        async with await asyncio.start_server(engine.serve, "127.0.0.1", 0) as upstream:
            server = Server(spec(upstream.sockets[0].getsockname()[1]), Journal())
            reader, writer = await asyncio.open_connection(*await server.start())
            writer.write(PLAIN)
            down = await reader.readexactly(len(from_engine("A", 1) + big))
            writer.write(big * 5)
            writer.write_eof()
            await closed(reader)
            await engine.gone.wait()
            writer.close()
            await server.stop(0)

            assert down == from_engine("A", 1) + big
            first = engine.read[: len(engine.read) - 5 * len(big)]
            assert engine.read[len(first) :] == big * 5
            assert len(read(first)[20030]) == 6
            assert server.count == 0

    played(scenario())


@pytest.mark.req("BY-10")
def test_more_clients_than_allowed_are_closed(log):
    async def scenario():
        server = Server(spec(9, connections=2), Journal())
        where = await server.start()
        lines = [await asyncio.open_connection(*where) for _ in range(3)]

        assert await closed(lines[2][0]) == b""
        assert server.count == 2
        await server.stop(0)
        assert [await closed(reader) for reader, _ in lines] == [b""] * 3
        assert server.count == 0
        for _, writer in lines:
            writer.close()

    played(scenario())
    assert "attach_full" in events(log)


@pytest.mark.req("BY-10")
def test_a_waiting_client_is_closed_at_a_stop_and_leaves_the_queue(log):
    async def scenario():
        engine = Engine(from_engine("A", 1))
        async with await asyncio.start_server(engine.serve, "127.0.0.1", 0) as upstream:
            server = Server(spec(upstream.sockets[0].getsockname()[1], patience=Patience(hold=300)), Journal())
            where = await server.start()
            first, second = [await asyncio.open_connection(*where) for _ in range(2)]
            for _, writer in (first, second):
                writer.write(PLAIN)
            await first[0].readexactly(len(from_engine("A", 1)))

            await server.stop(0)

            assert await closed(second[0]) == b""
            for _, writer in (first, second):
                writer.close()

    played(scenario())
    assert events(log).count("attach_sent") == 1


@pytest.mark.req("BY-10")
def test_what_comes_behind_a_waiting_logon_is_read_no_further_than_a_bound_and_arrives_in_order(log):
    quick = parse_key(f"otpauth://totp/me?secret={base64.b32encode(b'12345678901234567890').decode()}&period=5", "test")
    behind = b"".join(message("D", number, (58, "x" * 3000)) for number in range(2, 2000))

    async def scenario():
        engine, first = Engine(from_engine("A", 1)), Engine(from_engine("A", 1))
        engines = iter((first, engine))
        async with await asyncio.start_server(lambda r, w: next(engines).serve(r, w), "127.0.0.1", 0) as upstream:
            server = Server(replace(spec(upstream.sockets[0].getsockname()[1]), key=quick), Journal())
            where = await server.start()
            one, two = [await asyncio.open_connection(*where) for _ in range(2)]
            one[1].write(PLAIN)
            await one[0].readexactly(len(from_engine("A", 1)))
            two[1].write(PLAIN + behind)
            held = [0]
            while not engine.read:
                held.append(max(len(client.client.held) for client in server._post.table))
                await asyncio.sleep(0.02)
            await two[1].drain()
            while not engine.read.endswith(behind[-4000:]):  # noqa: ASYNC110  a bounded poll
                await asyncio.sleep(0.02)
            for _, writer in (one, two):
                writer.close()
            await server.stop(0)

            assert engine.read.endswith(behind)
            assert HOLD <= max(held) < 20 * HOLD < len(behind)

    played(scenario())


@pytest.mark.req("BY-10")
def test_an_exposed_address_is_said_at_every_start(log):
    async def scenario():
        server = Server(spec(9, exposed=True), Journal())
        await server.start()
        await server.stop(0)

    played(scenario())
    assert events(log) == ["attach_exposed", "attach_listening"]


def test_a_port_that_is_taken_is_said_in_one_line(log):
    async def scenario():
        server = Server(spec(9), Journal())
        _, port = await server.start()
        with pytest.raises(StartError, match=f"can't listen on 127.0.0.1:{port}"):
            await Server(spec(9, port), Journal()).start()
        await server.stop(0)

    played(scenario())
