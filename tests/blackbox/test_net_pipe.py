"""After admission: every byte both ways, bounded memory, and an end that both sides notice."""

import asyncio
import hashlib
import random
import ssl

import pytest

from gateway.core.authority import Ended, Order
from gateway.core.reason import Reason, public_text
from gateway.net.spec import TlsSpec, UpstreamTlsSpec
from tests.blackbox.net_certificates import Authority
from tests.blackbox.net_rig import GOOD, Judge, engine, gateway, until


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


def client_tls(ca, pair=None):
    context = ssl.create_default_context(cafile=ca.ca)
    if pair:
        context.load_cert_chain(pair.certificate, pair.key)
    return context


def engine_tls(ca):
    pair = ca.issue("engine")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return context


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_megabytes_both_ways_arrive_byte_for_byte_across_the_change_to_the_pipe(ca, secure):
    """Early bytes included: the first of them leave in the login's own segment. The lower-case alphabet has no "shout"."""
    dice = random.Random(7)  # seeded: a failure can be run again
    data = dice.randbytes(4_000_000).replace(b"shout", b"_____")
    there_keys, listener, keys = {}, {}, {}
    if secure:
        front = ca.issue("front")
        there_keys = {"tls": engine_tls(ca)}
        listener = {"tls": TlsSpec(front.certificate, front.key), "upstream_tls": UpstreamTlsSpec(ca.ca)}
        keys = {"ssl": client_tls(ca)}
    async with engine(**there_keys) as there, gateway(there.address, **listener) as here:
        reader, writer = await here.connect(**keys)

        async def send():
            writer.write(GOOD + data[:1000])
            at = 1000
            while at < len(data):
                size = dice.choice((1, 7, 177, 1448, 16_384, 70_000))
                writer.write(data[at : at + size])
                at += size
                await writer.drain()
                if dice.random() < 0.1:
                    await asyncio.sleep(0)

        sending = asyncio.create_task(send())
        assert await reader.readexactly(3) == b"OK\n"
        back = await asyncio.wait_for(reader.readexactly(len(data)), 60)
        await sending

        assert hashlib.sha256(data).digest() == hashlib.sha256(back).digest()
        assert there.got == b"LOGIN ann\n" + data


@pytest.mark.parametrize("slow", ["client", "engine"])
async def test_a_slow_reader_slows_the_writer_and_the_gateway_keeps_little(slow):
    async with engine(echo=False, limit=1024) as there, gateway(there.address) as here:
        _, writer = await here.login()
        await until(lambda: there.writers)
        (connection,) = here.server.services.table
        if slow == "engine":
            there.reading.clear()
            source, sink = writer, connection._upstream
        else:
            source, sink = there.writers[0], connection._client
        for _ in range(600):
            source.write(bytes(65536))
        await asyncio.sleep(0.5)

        assert sink.transport.get_write_buffer_size() < 1_000_000
        assert source.transport.get_write_buffer_size() > 10_000_000
        source.transport.abort()


@pytest.mark.req("M7-10", "M7-12")
async def test_when_the_client_drops_the_engine_is_closed_and_the_end_recorded():
    async with engine() as there, gateway(there.address) as here:
        _, writer = await here.login()

        writer.transport.abort()

        await until(lambda: here.judge.of(Ended))
        await until(lambda: there.gone)
        assert [(e.reason, e.value) for e in here.judge.of(Ended)] == [(Reason.CLIENT_LOST, b"over")]


async def test_when_the_engine_closes_its_last_bytes_still_reach_the_client():
    async with engine() as there, gateway(there.address) as here:
        reader, _ = await here.login()

        there.writers[0].write(b"goodbye\n")
        there.writers[0].close()

        assert await reader.read() == b"goodbye\n"
        await until(lambda: here.judge.reasons() == [Reason.UPSTREAM_LOST])


async def test_a_client_that_closes_its_half_has_its_last_bytes_delivered():
    async with engine() as there, gateway(there.address) as here:
        _, writer = await here.login()

        writer.write(bytes(500_000) + b"last\n")
        writer.write_eof()

        await until(lambda: there.gone)
        assert there.got.endswith(b"last\n")


@pytest.mark.req("SF-9", "SF-10")
async def test_heartbeats_do_not_keep_a_session_alive_and_the_client_is_told():
    async with engine() as there, gateway(there.address, judge=Judge(idle=1)) as here:
        reader, writer = await here.login()

        async def beat():
            while True:
                writer.write(b"heartbeat\n")
                await asyncio.sleep(0.1)

        beating = asyncio.create_task(beat())
        told = await asyncio.wait_for(reader.read(), 15)
        beating.cancel()

        assert told.replace(b"heartbeat\n", b"") == f"BYE {public_text(Reason.IDLE)}\n".encode()
        await until(lambda: here.judge.reasons() == [Reason.IDLE])


async def test_an_order_ends_one_session_also_after_the_stream_of_orders_broke():
    async with engine() as there, gateway(there.address) as here:
        first, _ = await here.login()
        second, writer = await here.login()
        here.judge.kicks.put_nowait(OSError("the store went away"))
        here.judge.kicks.put_nowait(Order("nobody's", Reason.KICKED))
        here.judge.kicks.put_nowait(Order("s1", Reason.KICKED))

        assert await asyncio.wait_for(first.read(), 10) == f"BYE {public_text(Reason.KICKED)}\n".encode()
        writer.write(b"still here\n")
        assert await second.readline() == b"still here\n"


async def test_an_end_that_the_store_does_not_take_is_told_again():
    async with engine() as there, gateway(there.address, judge=Judge(ended_fails=2)) as here:
        _, writer = await here.login()
        writer.transport.abort()

        await until(lambda: here.judge.of(Ended))
        assert here.judge.ended_fails == 0


async def test_stopping_lets_a_session_end_by_itself_within_the_grace():
    async with engine() as there, gateway(there.address) as here:
        reader, writer = await here.login()
        port = here.port
        stopping = asyncio.create_task(here.server.stop(20))
        await until(lambda: not here.server.bound)

        writer.write(b"one more\n")
        assert await reader.readline() == b"one more\n"
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        await asyncio.wait_for(stopping, 10)

        assert here.judge.reasons() == [Reason.CLIENT_LOST]


async def test_after_the_grace_the_client_is_told_why_and_everything_is_closed():
    async with engine() as there, gateway(there.address) as here:
        reader, _ = await here.login()
        stopping = asyncio.create_task(here.server.stop(0))

        assert await reader.read() == f"BYE {public_text(Reason.SHUTDOWN)}\n".encode()
        await asyncio.wait_for(stopping, 20)
        assert here.judge.reasons() == [Reason.SHUTDOWN]


@pytest.mark.req("M7-13", "TW-12")
async def test_a_client_certificate_is_part_of_where_a_login_comes_from(ca):
    front, mine = ca.issue("front2"), ca.issue("algo7")
    tls = TlsSpec(front.certificate, front.key, ca.ca, "required")
    async with engine() as there, gateway(there.address, tls=tls) as here:
        await here.login(ssl=client_tls(ca, mine))

        origin = here.judge.attempts[0].origin
        assert (origin.certificate, origin.certificate_subject) == (mine.fingerprint, "CN=algo7")


@pytest.mark.req("M7-13")
async def test_without_the_certificate_that_is_asked_for_there_is_no_login(ca):
    front = ca.issue("front3")
    tls = TlsSpec(front.certificate, front.key, ca.ca, "required")
    async with engine() as there, gateway(there.address, tls=tls) as here:
        try:
            reader, writer = await here.connect(ssl=client_tls(ca))
            writer.write(GOOD)
            assert await reader.read() == b""
        except OSError:
            pass

        await until(lambda: here.judge.reasons() == [Reason.TLS_FAILED])
        assert not here.judge.attempts


@pytest.mark.req("SF-16")
async def test_an_engine_whose_certificate_does_not_hold_is_not_spoken_to(ca, tmp_path):
    stranger = Authority(tmp_path)
    async with (
        engine(tls=engine_tls(ca)) as there,
        gateway(there.address, upstream_tls=UpstreamTlsSpec(stranger.ca)) as here,
    ):
        reader, writer = await here.connect()
        writer.write(GOOD)

        assert await reader.read() == f"NO {public_text(Reason.UPSTREAM_UNREACHABLE)}\n".encode()
        assert there.got == b""


async def test_these_tests_run_on_the_gateways_event_loop():
    assert type(asyncio.get_running_loop()).__module__ == "uvloop"
