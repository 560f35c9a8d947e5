"""The way of a login over real sockets: admitted, refused, late, or never decided."""

import asyncio
import socket

import pytest

from gateway.core.authority import Ended, Report, Started
from gateway.core.reason import Reason, public_text
from gateway.core.session import Limits
from gateway.net.spec import Patience
from tests.blackbox.net_rig import BAD, GOOD, Judge, engine, gateway, until


async def test_a_good_login_reaches_the_engine_without_its_code_and_then_everything_passes():
    async with engine() as there, gateway(there.address) as here:
        reader, writer = await here.login()

        writer.write(b"order 1\n")

        assert await reader.readline() == b"order 1\n"
        assert there.got == b"LOGIN ann\norder 1\n"
        await until(lambda: here.judge.of(Started))
        assert here.judge.of(Started)[0].upstream == there.address


async def test_a_chunk_that_needs_the_dialect_goes_through_it():
    async with engine() as there, gateway(there.address) as here:
        reader, writer = await here.login()

        writer.write(b"shout\n")

        assert await reader.readline() == b"SHOUT\n"


async def test_orders_sent_together_with_the_login_wait_for_the_engines_answer_and_keep_their_order():
    async with engine() as there, gateway(there.address, judge=(judge := Judge())) as here:
        judge.gate.clear()
        reader, writer = await here.connect()
        writer.write(GOOD + b"order 1\n")
        await until(lambda: judge.attempts)
        writer.write(b"order 2\n")
        await asyncio.sleep(0.05)
        judge.gate.set()

        assert await reader.readexactly(3 + 16) == b"OK\norder 1\norder 2\n"
        assert there.got == b"LOGIN ann\norder 1\norder 2\n"


@pytest.mark.req("BY-2")
async def test_not_a_byte_of_a_refused_login_reaches_the_engine():
    async with engine() as there, gateway(there.address) as here:
        reader, writer = await here.connect()
        writer.write(BAD + b"order 1\n")

        assert await reader.read() == f"NO {public_text(Reason.BAD_CODE)}\n".encode()
        assert there.got == b""
        assert not there.writers
        assert [note.value for note in here.judge.notes] == [b"refused"]


async def test_the_no_arrives_whole_although_the_client_went_on_sending():
    async with engine() as there, gateway(there.address) as here:
        reader, writer = await here.connect()
        writer.write(BAD + bytes(300_000))

        assert await reader.read() == f"NO {public_text(Reason.BAD_CODE)}\n".encode()


@pytest.mark.req("BY-1")
async def test_a_farewell_that_could_not_be_committed_is_not_sent():
    async with engine() as there, gateway(there.address, judge=Judge(stores=False)) as here:
        reader, writer = await here.connect()
        writer.write(BAD)

        assert await reader.read() == b""


async def test_a_first_line_that_is_no_login_is_closed_without_a_byte_and_reported():
    async with engine() as there, gateway(there.address) as here:
        reader, writer = await here.connect()
        writer.write(b"GET / HTTP/1.1\r\n\r\n")

        assert await reader.read() == b""
        await until(lambda: here.judge.of(Report))
        assert here.judge.reasons() == [Reason.NOT_A_LOGIN]
        assert here.judge.of(Report)[0].origin.address == "127.0.0.1"


async def test_a_login_that_drips_in_byte_by_byte_ends_at_the_deadline():
    async with engine() as there, gateway(there.address, limits=Limits(login=0.5)) as here:
        reader, writer = await here.connect()

        async def drip():
            while True:
                writer.write(b"L")
                await asyncio.sleep(0.1)

        dripping = asyncio.create_task(drip())
        assert await asyncio.wait_for(reader.read(), 10) == b""
        dripping.cancel()
        assert here.judge.reasons() == [Reason.LOGIN_TIMEOUT]


async def test_an_authority_that_fails_is_a_no():
    async with engine() as there, gateway(there.address, judge=Judge(fails=True)) as here:
        reader, writer = await here.connect()
        writer.write(GOOD)

        assert await reader.read() == b""
        assert there.got == b""


async def test_an_authority_that_never_answers_is_a_no_and_its_late_yes_is_given_back():
    judge, patience = Judge(), Patience(verify=0.2, commit=1, linger=1)
    async with engine() as there, gateway(there.address, judge=judge, patience=patience) as here:
        judge.gate.clear()
        reader, writer = await here.connect()
        writer.write(GOOD)
        assert await reader.read() == b""

        judge.gate.set()

        await until(lambda: judge.of(Ended))
        assert [(e.session, e.reason) for e in judge.of(Ended)] == [("s1", Reason.CLIENT_LEFT)]
        assert there.got == b""


@pytest.mark.parametrize("how", ["close", "half-close", "reset"])
async def test_a_client_that_leaves_while_it_is_checked_is_noticed_and_its_late_yes_is_given_back(how):
    async with engine() as there, gateway(there.address) as here:
        here.judge.gate.clear()
        _, writer = await here.connect()
        writer.write(GOOD)
        await until(lambda: here.judge.attempts)
        match how:
            case "close":
                writer.close()
            case "half-close":
                writer.write_eof()
            case "reset":
                writer.transport.abort()
        await until(lambda: here.connections == 0)
        assert not here.judge.of(Ended)

        here.judge.gate.set()

        await until(lambda: here.judge.of(Ended))
        assert here.judge.of(Ended)[0].reason is Reason.CLIENT_LEFT
        assert not there.writers


async def test_a_client_that_floods_while_it_is_checked_is_not_read_without_bound():
    async with engine() as there, gateway(there.address) as here:
        here.judge.gate.clear()
        _, writer = await here.connect()
        writer.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        writer.write(GOOD)
        await until(lambda: here.judge.attempts)
        writer.write(bytes(32_000_000))
        await asyncio.sleep(0.3)

        (connection,) = here.server.services.table
        assert len(connection._client.held) < 1_000_000
        assert writer.transport.get_write_buffer_size() > 10_000_000
        writer.transport.abort()
