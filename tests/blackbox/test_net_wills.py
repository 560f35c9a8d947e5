"""The venue is told of a session's end: on its own line while there is one, else by the courier until it is accepted."""

import asyncio
from dataclasses import replace

import pytest

from gateway.core.authority import Ended, Owed, Started
from gateway.core.reason import Reason
from gateway.core.session import Limits
from tests.blackbox.net_club import Post, club, say, venue
from tests.blackbox.net_rig import FAST, until


@pytest.fixture
async def there():
    async with venue() as one:
        yield one


@pytest.mark.req("M7-10", "M7-12")
async def test_a_dropped_client_is_told_to_the_venue_on_its_own_line(there):
    async with club(there) as here:
        reader, writer = await here.connect()
        await say(writer, reader, b"LOGIN ann good\n")

        writer.transport.abort()

        await until(lambda: here.judge.of(Ended))
        assert there.got == ["LOGIN ann", "END ann"]
        assert [(one.reason, one.owed) for one in here.judge.of(Ended)] == [(Reason.CLIENT_LOST, False)]
        assert [one.will for one in here.judge.of(Started)] == [b"END ann"]
        await until(lambda: not here.connections)


@pytest.mark.req("M7-12")
async def test_a_venue_whose_line_is_lost_is_owed_the_word(there):
    async with club(there) as here:
        reader, writer = await here.connect()
        await say(writer, reader, b"LOGIN ann good\n")

        there.writers[0].transport.abort()

        assert await asyncio.wait_for(reader.read(), 10) == b"CLOSED\n"
        await until(lambda: here.judge.of(Ended))
        assert [(one.reason, one.owed) for one in here.judge.of(Ended)] == [(Reason.UPSTREAM_LOST, True)]


@pytest.mark.req("M7-12")
async def test_a_venue_that_does_not_answer_is_owed_the_word(there):
    there.knows = False
    async with club(there, limits=Limits(parting=0.2)) as here:
        reader, writer = await here.connect()
        await say(writer, reader, b"LOGIN ann good\n")
        writer.transport.abort()

        await until(lambda: here.judge.of(Ended))
        assert [(one.reason, one.owed) for one in here.judge.of(Ended)] == [(Reason.CLIENT_LOST, True)]


@pytest.mark.req("M7-12")
async def test_a_client_that_never_reads_does_not_hide_the_venues_word(there):
    async with club(there) as here:
        reader, writer = await here.connect()
        await say(writer, reader, b"LOGIN ann good\n")
        (connection,) = here.server.services.table
        for _ in range(300):
            there.writers[0].write(b"x" * 65535 + b"\n")
        await until(lambda: connection._upstream._choked)

        writer.transport.abort()

        await until(lambda: here.judge.of(Ended))
        assert [(one.reason, one.owed) for one in here.judge.of(Ended)] == [(Reason.CLIENT_LOST, False)]


@pytest.mark.req("M7-12")
async def test_a_will_is_delivered_once_and_then_settled(there):
    post = Post()
    post.open.clear()
    async with club(there, courier=post) as here:
        for _ in range(3):
            here.judge.kicks.put_nowait(Owed("dead", "engine", b"END bob"))
        await until(lambda: post.tried and here.judge.kicks.empty())
        assert not here.judge.of(Ended)

        post.open.set()

        await until(lambda: here.judge.of(Ended))
        assert post.delivered == [("engine", b"END bob")]
        assert [(one.session, one.owed) for one in here.judge.of(Ended)] == [("dead", False)]


@pytest.mark.req("M7-12")
async def test_a_will_that_could_not_be_delivered_stays_owed_and_is_taken_on_again(there):
    post = Post()
    post.open.clear()
    async with club(there, courier=post, patience=replace(FAST, will=0.1)) as here:
        here.judge.kicks.put_nowait(Owed("dead", "engine", b"END bob"))
        await until(lambda: post.tried == 1 and not here.server._janitor._delivering)
        assert not here.judge.of(Ended)

        post.open.set()
        here.judge.kicks.put_nowait(Owed("dead", "engine", b"END bob"))

        await until(lambda: here.judge.of(Ended))
        assert post.delivered == [("engine", b"END bob")]
