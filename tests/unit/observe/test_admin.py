import asyncio

import pytest

from gateway.observe.admin import Admin
from gateway.observe.metrics import TABLE, Metrics


@pytest.fixture
async def ask():
    state = {"ready": True}

    async def ready() -> bool:
        return state["ready"]

    metrics = Metrics()
    metrics.add("gateway_logins_total", "refused", "bad_code")
    admin = Admin(metrics, ready)
    host, port = await admin.start("127.0.0.1", 0)

    async def ask(request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(request)
        try:
            return await asyncio.wait_for(reader.read(), 20)
        except ConnectionError:
            return b""
        finally:
            writer.close()

    ask.state = state
    yield ask
    await admin.stop()


async def test_health_says_that_the_process_lives(ask):
    assert (await ask(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_readiness_is_the_authoritys(ask):
    assert (await ask(b"GET /readyz HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
    ask.state["ready"] = False
    assert (await ask(b"GET /readyz?now HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 503 ")


async def test_metrics_count_logins_by_outcome_and_reason(ask):
    page = await ask(b"GET /metrics HTTP/1.1\r\n\r\n")

    assert b'gateway_logins_total{outcome="refused",reason="bad_code"} 1.0' in page


@pytest.mark.parametrize(
    ("expected", "request_"),
    [
        (b"HTTP/1.1 405 ", b"POST /metrics HTTP/1.1\r\n\r\n"),
        (b"HTTP/1.1 404 ", b"GET /../etc/passwd HTTP/1.1\r\n\r\n"),
        (b"", b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n"),
    ],
    ids=["POST", "unknown page", "head too long"],
)
async def test_anything_else_is_refused(ask, expected, request_):
    answer = await ask(request_)

    assert answer.startswith(expected)
    assert bool(answer) == bool(expected)


@pytest.mark.req("TW-10")
def test_no_metric_has_a_label_that_names_a_person():
    assert {"outcome", "reason", "listener", "route", "call", "channel", "rule"} >= {
        label for *_, labels in TABLE for label in labels
    }
