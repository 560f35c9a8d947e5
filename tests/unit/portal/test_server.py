"""What listens for browsers lets nobody keep it waiting: not with a request, not with a later one, not by reading nothing."""

import asyncio
import contextlib
import ssl

import pytest

from gateway.portal import server
from gateway.portal.server import Port, running

PATIENCE = 30.0  # seconds; a bound for a slow machine, never a measure
SOON = 0.2
REQUEST = b"GET / HTTP/1.1\r\nHost: portal.example\r\n"
LARGE = bytes(1024 * 1024)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEADERS_SECONDS", SOON)
    monkeypatch.setattr(server, "ANSWER_SECONDS", SOON)


async def hello(_scope, _receive, send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


@contextlib.asynccontextmanager
async def connected(app=hello):
    async with running(app, Port("127.0.0.1", 0, None)) as address:
        reader, writer = await asyncio.open_connection(*address)
        try:
            yield reader, writer
        finally:
            writer.close()


async def dribbled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send a header that never ends, a byte at a time, until the other side has had enough."""
    end = asyncio.ensure_future(reader.read())
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(PATIENCE):
            while not end.done():
                writer.write(b"x")
                await asyncio.wait([end], timeout=SOON / 10)
            await end


async def test_a_request_that_never_ends_is_not_waited_for():
    async with connected() as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nX-Slow: ")
        await dribbled(reader, writer)


async def test_nor_is_a_second_one_on_the_same_connection():
    async with connected() as (reader, writer):
        writer.write(REQUEST + b"\r\n")
        assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200")
        writer.write(b"GET / HTTP/1.1\r\nX-Slow: ")
        await dribbled(reader, writer)


async def test_several_requests_on_one_connection_are_answered():
    async with connected() as (reader, writer):
        for _ in range(5):
            writer.write(REQUEST + b"\r\n")
            assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200")


async def test_who_does_not_read_its_answer_loses_its_connection():
    let_go = asyncio.Event()

    async def long_answer(_scope, _receive, send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(200):
            await send({"type": "http.response.body", "body": LARGE, "more_body": True})
        let_go.set()

    async with connected(long_answer) as (_, writer):
        writer.write(REQUEST + b"\r\n")
        async with asyncio.timeout(PATIENCE):
            await let_go.wait()


async def test_a_tls_handshake_that_never_ends_is_not_waited_for():
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    async with running(hello, Port("127.0.0.1", 0, tls)) as address:
        reader, writer = await asyncio.open_connection(*address)
        async with asyncio.timeout(PATIENCE):
            assert await reader.read() == b""
        writer.close()


@pytest.mark.parametrize("believed", ["127.0.0.0/8", "192.0.2.0/24"])
async def test_whose_forwarded_address_is_believed_is_known_on_a_socket_for_both_families_too(believed: str):
    """There the system writes an IPv4 address as ::ffff:127.0.0.1."""
    clients = []

    async def app(scope, receive, send) -> None:
        clients.append(scope["client"][0])
        await hello(scope, receive, send)

    async with running(app, Port("::", 0, None, forwarded_from=(believed,))) as (_, number):
        reader, writer = await asyncio.open_connection("127.0.0.1", number)
        writer.write(REQUEST + b"X-Forwarded-For: 198.51.100.66, 203.0.113.9\r\n\r\n")
        await reader.readuntil(b"hello")
        writer.close()
    assert clients == ["203.0.113.9" if believed.startswith("127") else "127.0.0.1"]
