"""Logins that follow one another on one connection, each held apart from the next; and what a slow client costs."""

import asyncio
import contextlib
import resource
from dataclasses import replace

import pytest

from gateway.core.authority import Ended, Order, Report
from gateway.core.reason import Reason
from gateway.core.session import Limits
from gateway.net.spec import CrowdLimits
from tests.blackbox.net_club import Club, Post, club, say, venue
from tests.blackbox.net_rig import FAST, Judge, gateway, until


@pytest.fixture
async def there():
    async with venue() as one:
        yield one


async def test_one_login_after_another_on_one_connection_each_is_a_session_of_its_own(there):
    async with club(there) as here:
        reader, writer = await here.connect()
        for number in (1, 2, 3):
            assert await say(writer, reader, b"LOGIN ann good\n") == b"OK\n"
            assert await say(writer, reader, b"order %d\n" % number) == b"order %d\n" % number
            assert list(here.server.services.live) == [f"s{number}"]
            writer.write(b"LOGOUT\n")
            await until(lambda: not here.server.services.live)

        await until(lambda: len(here.judge.of(Ended)) == 3)
        kinds = [(type(one).__name__, one.session) for one in here.judge.records]
        assert kinds == [(kind, f"s{number}") for number in (1, 2, 3) for kind in ("Started", "Ended")]
        assert {one.reason for one in here.judge.of(Ended)} == {Reason.LOGOUT}
        assert len(there.writers) == 1


async def test_a_login_behind_a_logout_is_judged_when_the_logout_is_on_record(there):
    async with club(there, judge=Judge(ended_fails=2)) as here:
        reader, writer = await here.connect()
        await say(writer, reader, b"LOGIN ann good\n")

        assert await say(writer, reader, b"LOGOUT\nLOGIN ann good\n") == b"OK\n"

        assert here.judge.ended_fails == 0
        assert [one.session for one in here.judge.of(Ended)] == ["s1"]


@pytest.mark.req("BY-2", "M7-10", "M7-12")
async def test_after_the_logout_nothing_takes_the_short_cut(there):
    post = Post()
    async with club(there, courier=post) as here:
        reader, writer = await here.connect()
        await say(writer, reader, b"LOGIN ann good\n")
        writer.write(b"LOGOUT\n")
        await until(lambda: not here.server.services.live)

        writer.write(b"order 1\norder 2\n")

        await until(lambda: len(post.posted) == 2)
        assert post.posted == [("engine", b"login first")] * 2
        assert there.got == ["LOGIN ann", "LOGOUT"]
        await until(lambda: here.judge.of(Report))
        assert [one.reason for one in here.judge.of(Report)] == [Reason.NOT_LOGGED_IN]


class LateOnce(Judge):
    """Judges the first login only when it is let."""

    def __post_init__(self):
        super().__post_init__()
        self.let = asyncio.Event()

    async def verify(self, attempt):
        verdict = await super().verify(attempt)
        if len(self.attempts) == 1:
            await self.let.wait()
        return verdict


@pytest.mark.req("SF-4", "M7-12")
async def test_a_yes_that_comes_during_the_next_session_is_freed_and_that_session_can_still_be_ended(there):
    judge, post = LateOnce(), Post()
    async with club(there, judge=judge, courier=post, patience=replace(FAST, verify=0.2)) as here:
        reader, writer = await here.connect()
        writer.write(b"LOGIN ann good\n")
        await until(lambda: post.posted)
        assert await say(writer, reader, b"LOGIN ann good\n") == b"OK\n"

        judge.let.set()
        await until(lambda: judge.of(Ended))
        assert [one.session for one in judge.of(Ended)] == ["s1"]
        assert list(here.server.services.live) == ["s2"]

        judge.kicks.put_nowait(Order("s2", Reason.KICKED))
        await until(lambda: not here.server.services.live)
        assert there.got[-1] == "END ann"


@pytest.mark.req("M7-11")
async def test_a_refusal_goes_by_the_courier_and_the_next_code_is_taken(there):
    post = Post()
    async with club(there, courier=post) as here:
        reader, writer = await here.connect()
        writer.write(b"LOGIN ann bad\n")
        await until(lambda: post.posted)

        assert post.posted == [("engine", b"NO bad_code")]
        assert await say(writer, reader, b"LOGIN ann good\n") == b"OK\n"
        assert there.got == ["LOGIN ann"]


async def test_a_courier_that_fails_ends_nothing(there):
    async with club(there) as here:  # there is none: every post raises
        reader, writer = await here.connect()
        writer.write(b"order\nLOGIN ann bad\nLOGIN ann good\n")

        assert await asyncio.wait_for(reader.readline(), 10) == b"OK\n"


async def test_a_logged_out_connection_counts_as_pending_again(there):
    crowd = CrowdLimits(pending_per_address=1)
    async with club(there, crowd=crowd) as here:
        reader, writer = await here.connect()
        await say(writer, reader, b"LOGIN ann good\n")
        await here.login(b"LOGIN ann good\n")
        writer.write(b"LOGOUT\n")
        await until(lambda: len(here.server.services.live) == 1)

        with contextlib.suppress(ConnectionError):
            turned_away, _ = await here.connect()
            assert await asyncio.wait_for(turned_away.read(), 10) == b""
        assert Reason.TOO_MANY_CONNECTIONS in here.judge.reasons()


async def test_a_connection_that_waits_for_its_next_login_too_long_is_closed(there):
    async with club(there, limits=Limits(login=1)) as here:
        reader, writer = await here.connect()
        await say(writer, reader, b"LOGIN ann good\n")
        writer.write(b"LOGOUT\n")

        assert await asyncio.wait_for(reader.read(), 15) == b""
        await until(lambda: Reason.LOGIN_TIMEOUT in here.judge.reasons())


async def test_what_the_upstream_says_before_and_while_a_login_is_judged_reaches_the_client(there):
    async with club(there) as here:
        reader, writer = await here.connect()
        await until(lambda: there.writers)
        there.writers[0].write(b"hello\n")
        assert await asyncio.wait_for(reader.readline(), 10) == b"hello\n"
        here.judge.gate.clear()
        writer.write(b"LOGIN ann good\n")
        await until(lambda: here.judge.attempts)

        there.writers[0].write(b"still here\n")

        assert await asyncio.wait_for(reader.readline(), 10) == b"still here\n"
        here.judge.gate.set()
        assert await asyncio.wait_for(reader.readline(), 10) == b"OK\n"


# ── memory ──


@pytest.mark.parametrize("when", ["before the login", "passing"])
async def test_a_backlog_to_a_client_that_does_not_read_costs_no_memory(there, when):
    async with club(there) as here:
        reader, writer = await here.connect(limit=1024)
        await until(lambda: there.writers)
        if when == "passing":
            await say(writer, reader, b"LOGIN ann good\n")
        await until(lambda: here.server.services.table)
        (connection,) = here.server.services.table
        source, line = there.writers[0], b"x" * 65535 + b"\n"
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

        async def backlog():
            for _ in range(2_800):  # 183 MB, at the pace at which it is taken
                source.write(line)
                await source.drain()

        flood = asyncio.create_task(backlog())
        await asyncio.sleep(1)
        assert not flood.done()
        assert connection._client.transport.get_write_buffer_size() < 1_000_000
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000

        read = 0
        while read < 2_800 * 65536:
            read += len(await asyncio.wait_for(reader.read(1 << 20), 20))
        await flood
        assert read == 2_800 * 65536
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000


# ── a dialect's own fault ──


async def test_a_dialect_that_raises_costs_its_own_connection_and_nobody_is_admitted(there):
    class Faulty(Club):
        def _line(self, side, line):
            if line == "BOOM":
                raise RuntimeError("a bug")
            return super()._line(side, line)

    async with gateway(there.address, dialect=Faulty) as here:
        reader, writer = await here.connect()
        await say(writer, reader, b"LOGIN ann good\n")
        other, other_writer = await here.connect()
        await until(lambda: len(there.writers) == 2)
        other_writer.write(b"BOOM\n")

        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(other.read(), 10) == b""
        assert await say(writer, reader, b"order\n") == b"order\n"
        await until(lambda: here.connections == 1)
