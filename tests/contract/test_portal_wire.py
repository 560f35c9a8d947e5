"""What comes over the wire to the portal: bodies that are too much, requests that never end, garbage (TW-8)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest

from gateway.portal import server, shield
from gateway.portal.server import Port, running
from tests.contract.portal_rig import Browser, Web
from tests.contract.test_portal_abuse import state

GET = b"GET /sign-in HTTP/1.1\r\nHost: portal.example\r\n"


@pytest.fixture
async def visitor(web: Web) -> Browser:
    browser = web.browser()
    await browser.get("/sign-in")
    return browser


def multipart(parts: int, size: int, *, file: bool = False) -> tuple[bytes, dict[str, str]]:
    name = b'name="f%d"; filename="x"' if file else b'name="f%d"'
    body = b"".join(
        b"--b\r\nContent-Disposition: form-data; " + name % number + b"\r\n\r\n" + b"x" * size + b"\r\n"
        for number in range(parts)
    )
    return body + b"--b--\r\n", {"Content-Type": "multipart/form-data; boundary=b"}


@pytest.mark.req("TW-8")
@pytest.mark.parametrize("size", [4097, 10_000, 1_000_000, 3_000_000])
async def test_a_field_that_is_too_long_is_refused(web: Web, visitor: Browser, size: int):
    before = await state(web)
    page = await visitor.send("/sign-in", {"user": "tom", "password": "x" * size})
    assert page.status in {400, 413, 422}
    assert "x" * 100 not in page.answer.text
    assert await state(web) == before


@pytest.mark.req("TW-8")
@pytest.mark.parametrize(
    ("parts", "size", "file"),
    [(5000, 1, False), (65, 1, False), (5000, 1, True), (1, 1, True), (1, 2_000_000, False), (200_000, 0, False)],
    ids=["thousands", "one too many", "files", "a file where none goes", "a large one", "a bomb"],
)
async def test_a_body_of_too_many_parts_is_refused(web: Web, visitor: Browser, parts: int, size: int, file: bool):
    before = await state(web)
    body, headers = multipart(parts, size, file=file)
    answer = await visitor.client.post("/sign-in", content=body, headers=headers)
    assert answer.status_code in {400, 403, 413, 422}
    assert await state(web) == before


@pytest.mark.req("TW-8")
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"--b\r\n"), ("multipart/form-data; boundary=" + "b" * 5000, b"--b"), ("multipart/form-data; boundary=b", b"--b"),
        ("multipart/form-data; boundary=b", b"--b\r\n" + b"X: y\r\n" * 20000), ("application/x-www-form-urlencoded", b"a=1&" * 100),
        ("application/x-www-form-urlencoded", b"%" * 4000), ("application/json", b"{}"), ("", b"\x00\xff"), ("text/plain", b"csrf=x"),
        ("multipart/form-data; boundary=b; charset=utf-7", b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n"),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="\xff\xfe"\r\n\r\n\xff\r\n--b--\r\n'),
    ],
)  # fmt: skip
async def test_a_body_that_is_no_form_is_refused(web: Web, visitor: Browser, kind: str, body: bytes):
    before = await state(web)
    answer = await visitor.client.post("/sign-in", content=body, headers={"Content-Type": kind})
    assert answer.status_code in {400, 403, 413, 422}
    assert await state(web) == before


@pytest.mark.req("TW-8")
async def test_more_than_any_page_takes_is_not_read(web: Web, visitor: Browser):
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b"a" * 1_000_000

    for path, kind, status, most in (
        ("/sign-in", "application/x-www-form-urlencoded", 413, 2), ("/sign-in", "multipart/form-data; boundary=b", 413, 2),
        ("/people/import", "multipart/form-data; boundary=b", 303, 0),
        ("/api/v1/tokens", "application/json", 413, 2), ("/api/v1/imports", "application/json", 401, 0),
    ):  # fmt: skip
        sent = 0
        body, headers = _cut(endless(), 40), {"Content-Type": kind}
        answer = await visitor.client.post(path, content=body, headers=headers, follow_redirects=False)
        assert (answer.status_code, sent <= most) == (status, True), (path, sent)


async def _cut(chunks: AsyncIterator[bytes], most: int) -> AsyncIterator[bytes]:
    for _ in range(most):
        yield await anext(chunks)


@pytest.mark.req("TW-8")
@pytest.mark.parametrize("path", ["/sign-in", "/api/v1/tokens"])
async def test_a_body_that_does_not_come_is_not_waited_for(web: Web, monkeypatch, path: str):
    monkeypatch.setattr(shield, "BODY_SECONDS", 0.05)
    sent: list[dict] = []

    async def never() -> dict:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: dict) -> None:
        sent.append(message)

    kind = b"application/json" if "api" in path else b"application/x-www-form-urlencoded"
    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "scheme": "https",
        "http_version": "1.1", "client": ("192.0.2.7", 1), "server": ("portal.example", 443),
        "headers": [(b"host", b"portal.example"), (b"content-type", kind), (b"content-length", b"10")],
    }  # fmt: skip
    await asyncio.wait_for(web.app(scope, never, send), 30)
    assert sent[0]["status"] == 408


# ── the real server ──


async def talk(where: tuple[str, int], *pieces: bytes) -> bytes:
    """Send the pieces one after the other, and return everything that comes until the server closes."""
    reader, writer = await asyncio.open_connection(*where)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.02)
        return await asyncio.wait_for(reader.read(), 60)
    except ConnectionError:
        return b""
    finally:
        writer.close()


CLOSE = b"Connection: close\r\n\r\n"


@pytest.mark.req("TW-8")
@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200, 400), (b"\xff" * 5000, 400), (b"SSH-2.0-x\r\n\r\n", 400),
        (b"GET /sign-in HTTP/0.9\r\n\r\n", 421), (b"G\x00T / HTTP/1.1\r\n\r\n", 400),
        (GET + b"X: " + b"a" * 100_000 + b"\r\n" + CLOSE, 431), (GET + b"X: y\r\n" * 20_000 + CLOSE, 431), (GET + b"X y\r\n" + CLOSE, 400),
        (GET + b"X : y\r\n" + CLOSE, 400), (GET + b" folded: x\r\n" + CLOSE, 421), (GET + b"Host: evil.example\r\n" + CLOSE, 400),
        (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: portal.example\r\n" + CLOSE, 431),
        (b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n" + CLOSE, 421), (b"GET /sign-in HTTP/1.1\r\n" + CLOSE, 400),
        (b"POST /sign-in HTTP/1.1\r\nHost: portal.example\r\nContent-Length: 5\r\nContent-Length: 6\r\n" + CLOSE + b"abcdef", 400),
        (b"POST /sign-in HTTP/1.1\r\nHost: portal.example\r\nContent-Length: -1\r\n" + CLOSE, 400),
        (b"POST /sign-in HTTP/1.1\r\nHost: portal.example\r\nTransfer-Encoding: chunked, identity\r\n" + CLOSE + b"0\r\n\r\n", 400),
    ],
)  # fmt: skip
async def test_what_is_no_request_is_refused_and_the_line_closed(web: Web, sent: bytes, status: int):
    async with running(web.app, Port("127.0.0.1", 0, None)) as where:
        got = await talk(where, sent)
    assert got.partition(b"\r\n")[0].split(b" ")[1:2] in ([str(status).encode()], []), got[:200]
    assert got.count(b"HTTP/1.1 ") <= 1
    assert b"sign-in" not in got


@pytest.mark.req("TW-8")
async def test_what_is_hidden_behind_a_request_is_no_request(web: Web):
    """Request smuggling: what has both lengths, or more body than it says, ends the line (RFC 9112 §6.3)."""
    hidden = b"GET /static/portal.css HTTP/1.1\r\nHost: portal.example\r\n\r\n"
    head = b"POST /sign-in HTTP/1.1\r\nHost: portal.example\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    async with running(web.app, Port("127.0.0.1", 0, None)) as where:
        both = await talk(where, head + hidden)
        garbage = await talk(where, GET + b"\r\n" + b"\x00garbage\r\n\r\n" + hidden)
        pipelined = await talk(where, GET + b"\r\n" + GET + CLOSE)
    assert b"text/css" not in both
    assert (garbage.count(b"HTTP/1.1 200"), b"text/css" in garbage) == (1, False)
    assert pipelined.count(b"HTTP/1.1 200") == 2


@pytest.mark.req("TW-8")
@pytest.mark.parametrize(
    "first", [b"", GET + b"\r\n", (GET + b"\r\n") * 3], ids=["at once", "behind a good one", "behind several"]
)
async def test_a_request_that_does_not_end_is_not_waited_for(web: Web, monkeypatch, first: bytes):
    """Slow-loris, on a new line and on one that was good before."""
    monkeypatch.setattr(server, "HEADERS_SECONDS", 0.3)
    async with running(web.app, Port("127.0.0.1", 0, None)) as where:
        got = await talk(where, first, *[b"GET /sign-in HTTP/1.1\r\nHost: portal.example\r\n", *[b"X: y\r\n"] * 3])
    assert got.count(b"HTTP/1.1 200") == first.count(b"GET")


@pytest.mark.req("TW-8")
async def test_many_who_do_nothing_shut_nobody_out_for_long(web: Web, monkeypatch):
    monkeypatch.setattr(server, "HEADERS_SECONDS", 0.3)
    monkeypatch.setattr(server, "CONNECTIONS", 10)
    async with running(web.app, Port("127.0.0.1", 0, None)) as where:
        lines = [await asyncio.open_connection(*where) for _ in range(20)]
        for reader, writer in lines:
            writer.write(b"GET / HTTP/1.1\r\n")
            with contextlib.suppress(ConnectionError):
                await asyncio.wait_for(reader.read(), 60)
            writer.close()
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"http://{where[0]}:{where[1]}/sign-in", headers={"Host": "portal.example"})
    assert answer.status_code == 200
