"""The courier against a real RabbitMQ: what it takes on is accepted by the broker, or not said to be."""

import asyncio
import contextlib
import logging
import secrets
import ssl

import aio_pika
import pytest
from aio_pika.exceptions import DeliveryError
from structlog.testing import capture_logs

from gateway.core.secret import Secret
from gateway.courier.couriers import Couriers
from gateway.courier.spec import CourierSpec
from gateway.net.spec import UpstreamTlsSpec
from gateway.observe.journal import Journal
from gateway.protocols.amqp.parcel import Parcel
from tests.blackbox.net_certificates import Authority
from tests.blackbox.relay import Wire

BROKER = 5672


@contextlib.asynccontextmanager
async def courier(*ports, **keys):
    keys = {"user": "guest", "password": Secret("guest"), "connect": 2.0} | keys
    one = Couriers([CourierSpec("m7", tuple(f"127.0.0.1:{port}" for port in ports), "/", **keys)], Journal())
    try:
        yield one
    finally:
        await one.close()


@pytest.fixture
async def channel():
    connection = await aio_pika.connect(port=BROKER)
    async with connection:
        yield await connection.channel()


def parcel(queue, body=b"<ErrResp/>", **keys):
    return Parcel("", queue, body, **keys).encode()


def fresh():
    return f"test.courier.{secrets.token_hex(6)}"


async def got(queue):
    async with asyncio.timeout(10):
        while (message := await queue.get(fail=False, no_ack=True)) is None:  # noqa: ASYNC110 - the broker sets no event
            await asyncio.sleep(0.02)
    return message


async def test_a_parcel_arrives_with_the_properties_it_was_written_with(channel):
    queue = await channel.declare_queue(fresh(), exclusive=True)
    async with courier(BROKER) as ours:
        await ours.post(
            "m7",
            parcel(
                queue.name,
                content_type="x-m7/request",
                correlation_id="7",
                app_id="algo",
                reply_to="r",
                user_id="guest",
            ),
        )

        message = await got(queue)
        assert message.body == b"<ErrResp/>"
        assert (message.content_type, message.correlation_id) == ("x-m7/request", "7")
        assert (message.app_id, message.reply_to, message.user_id) == ("algo", "r", "guest")


async def test_an_answer_that_overtook_the_clients_own_declare_waits_for_the_queue(channel):
    name = fresh()
    async with courier(BROKER) as ours:
        posting = asyncio.create_task(ours.post("m7", parcel(name)))
        await asyncio.sleep(0.2)
        assert not posting.done()

        queue = await channel.declare_queue(name, exclusive=True)

        await asyncio.wait_for(posting, 10)
        assert (await got(queue)).body == b"<ErrResp/>"
        assert await queue.get(fail=False) is None


async def test_an_answer_that_nobody_wants_is_given_up():
    async with courier(BROKER) as ours:
        with pytest.raises(DeliveryError):
            await asyncio.wait_for(ours.post("m7", parcel(fresh())), 20)


async def test_a_message_that_need_not_be_routed_is_done_when_the_broker_confirms_it():
    async with courier(BROKER) as ours:
        await asyncio.wait_for(ours.post("m7", parcel(fresh(), mandatory=False)), 20)


@pytest.mark.req("M7-12")
async def test_a_will_is_tried_until_its_exchange_and_queue_are_there_and_holds_up_no_other(channel):
    exchange_name, queue_name = fresh(), fresh()
    other = await channel.declare_queue(fresh(), exclusive=True)
    async with courier(BROKER) as ours:
        will = Parcel(exchange_name, "key", b"<LogoutReq/>").encode()
        delivering = asyncio.create_task(ours.deliver("m7", will))
        await asyncio.sleep(0.2)
        await asyncio.gather(*(ours.post("m7", parcel(other.name, b"%d" % number)) for number in range(40)))
        assert {(await got(other)).body for _ in range(40)} == {b"%d" % number for number in range(40)}
        assert not delivering.done()

        exchange = await channel.declare_exchange(exchange_name, auto_delete=True)
        await asyncio.sleep(0.2)
        assert not delivering.done()
        queue = await channel.declare_queue(queue_name, exclusive=True)
        await queue.bind(exchange, "key")

        await asyncio.wait_for(delivering, 20)
        assert (await got(queue)).body == b"<LogoutReq/>"


@pytest.mark.req("M7-12")
async def test_a_will_is_delivered_when_the_broker_confirms_it_and_no_sooner(channel):
    queue = await channel.declare_queue(fresh(), exclusive=True)
    async with Wire(BROKER) as wire, courier(wire.port) as ours:
        await ours.post("m7", parcel(queue.name))
        await got(queue)
        wire.back.hold()
        delivering = asyncio.create_task(ours.deliver("m7", parcel(queue.name, b"will")))
        assert (await got(queue)).body == b"will"
        await asyncio.sleep(0.1)
        assert not delivering.done()

        wire.back.release()

        await asyncio.wait_for(delivering, 10)
        assert await queue.get(fail=False) is None


@pytest.mark.req("M7-12")
async def test_a_broker_that_is_away_and_comes_back_gets_its_wills(channel):
    queue = await channel.declare_queue(fresh(), exclusive=True)
    async with Wire(BROKER) as wire, courier(wire.port) as ours:
        await ours.post("m7", parcel(queue.name))
        await got(queue)
        wire.target_port = 1  # nobody is there
        wire.cut()
        wills = [b"will %d" % number for number in range(5)]
        delivering = asyncio.gather(*(ours.deliver("m7", parcel(queue.name, will)) for will in wills))
        await asyncio.sleep(0.5)
        assert not delivering.done()

        wire.target_port = BROKER

        await asyncio.wait_for(delivering, 30)
        assert sorted([(await got(queue)).body for _ in wills]) == wills


async def test_the_second_address_is_taken_when_the_first_is_away(channel):
    queue = await channel.declare_queue(fresh(), exclusive=True)
    async with courier(1, BROKER) as ours:
        await asyncio.wait_for(ours.post("m7", parcel(queue.name)), 10)
        await got(queue)


async def test_closing_lets_what_is_under_way_go_out(channel):
    name = fresh()
    async with courier(BROKER) as ours:
        posting = asyncio.create_task(ours.post("m7", parcel(name)))
        await asyncio.sleep(0.1)
        closing = asyncio.create_task(ours.close())
        queue = await channel.declare_queue(name, exclusive=True)

        await asyncio.wait_for(asyncio.gather(posting, closing), 10)
        assert (await got(queue)).body == b"<ErrResp/>"


async def test_what_is_no_parcel_or_has_no_route_is_an_error_at_once():
    async with courier(BROKER) as ours:
        with pytest.raises(ValueError, match="parcel"):
            await ours.deliver("m7", b"{}\n")
        with pytest.raises(LookupError):
            await ours.post("fix", parcel("q"))


@pytest.mark.req("TW-10")
async def test_no_password_and_no_body_is_ever_logged(channel, caplog):
    queue = await channel.declare_queue(fresh(), exclusive=True)
    with capture_logs() as lines:
        async with courier(BROKER, password=Secret("hunter2-wrong")) as ours:
            with pytest.raises(Exception, match=r"(?i)refused|login|auth"):
                await asyncio.wait_for(ours.post("m7", parcel(queue.name, b"<secret-body/>")), 20)
        caplog.set_level(logging.DEBUG)
        async with courier(BROKER) as ours:
            await ours.post("m7", parcel(queue.name, b"<secret-body/>"))

    said = caplog.text + str(lines)
    assert "courier_failed" in said
    assert "hunter2" not in said
    assert "secret-body" not in said


@contextlib.asynccontextmanager
async def tls_relay(pair):
    """A TLS terminator in front of the broker."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pair.certificate, pair.key)
    writers = []

    async def pump(reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()

    async def serve(reader, writer):
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", BROKER)
        writers.extend((writer, far_writer))
        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()


@pytest.mark.req("SF-16")
async def test_over_tls_the_brokers_certificate_must_bear_the_configured_name(channel, tmp_path):
    ca = Authority(tmp_path)
    queue = await channel.declare_queue(fresh(), exclusive=True)
    async with tls_relay(ca.issue("broker")) as port:
        async with courier(port, tls=UpstreamTlsSpec(ca.ca, server_name="localhost")) as ours:
            await asyncio.wait_for(ours.post("m7", parcel(queue.name)), 20)
            await got(queue)
        async with courier(port, tls=UpstreamTlsSpec(ca.ca, server_name="elsewhere.example")) as ours:
            with pytest.raises(Exception, match=r"(?i)certificate"):
                await asyncio.wait_for(ours.post("m7", parcel(queue.name)), 20)
