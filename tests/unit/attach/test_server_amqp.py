"""The sidecar's sockets over AMQP: a lot of bytes both ways through both looks. Whole logins are in tests/blackbox/test_attach_amqp.py."""

import asyncio

import pytest

from gateway.attach.server import Server
from gateway.observe.journal import Journal
from tests.blackbox import amqp_bytes as amqp
from tests.unit.attach.amqp.talks import VENUE, handshake, login
from tests.unit.attach.amqp.test_broker import GOOD, answer
from tests.unit.attach.test_server import Engine, played, spec
from tests.unit.protocols.amqp.talk import deliver, order, start, tune

ORDERS = b"".join(order("x" * size, 1 + size % 3) for size in range(3500))
NEWS = b"".join(deliver(2, b"y" * size) for size in range(3500))


@pytest.mark.req("BY-10")
@pytest.mark.parametrize("answered", [False, True])
def test_orders_and_news_pass_around_a_login_byte_by_byte_the_same(answered):
    down = start() + tune() + NEWS + (answer(GOOD) if answered else b"") + NEWS
    before, after = b"".join(handshake()) + ORDERS, ORDERS + amqp.connection_close()

    async def scenario():
        broker = Engine(down)
        async with await asyncio.start_server(broker.serve, "127.0.0.1", 0) as upstream:
            server = Server(spec(upstream.sockets[0].getsockname()[1], venue=VENUE), Journal())
            reader, writer = await asyncio.open_connection(*await server.start())
            writer.write(before + login(correlation_id="c1") + after)
            came = await reader.readexactly(len(down))
            while not broker.read.endswith(after):  # noqa: ASYNC110  a bounded poll
                await asyncio.sleep(0.02)
            writer.close()
            await server.stop(0)

            assert came == down
            assert broker.read.startswith(before)
            assert b'code="' in broker.read[len(before) : -len(after)]

    played(scenario())
