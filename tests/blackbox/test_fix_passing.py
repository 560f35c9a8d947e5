"""After the login the stream is the engines' own: what one side sends is what the other gets, byte for byte."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import pytest_asyncio

from tests.blackbox.fix_bytes import SOH, Field, build, now, parse
from tests.blackbox.fix_peers import Guarded, credentials, guarded, logon
from tests.blackbox.gateway_process import PATIENCE
from tests.blackbox.people import People
from tests.blackbox.toy_peers import order_fields

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory, people: People) -> AsyncIterator[Guarded]:
    """One gateway for all of them; each test begins its numbers again (141=Y)."""
    async with guarded(tmp_path_factory.mktemp("gateway"), people) as both:
        yield both
        assert both.gateway.stderr == []
        assert both.gateway.seen(event="failed") == []


@dataclass
class Line:
    """A logged-in client by hand. The exchange has answered its Logon and says no more by itself."""

    place: Guarded
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    sent_before: int

    @property
    def arrived(self) -> bytes:
        """What the exchange got behind the Logon."""
        return bytes(self.place.engine.received[self.sent_before :])

    async def carries_up(self, raw: bytes) -> None:
        """Send bytes up and see the very same arrive."""
        begun = len(self.arrived)
        self.writer.write(raw)
        await self.writer.drain()
        await self.place.engine.until(lambda: len(self.arrived) >= begun + len(raw))
        assert self.arrived[begun:] == raw

    async def carries_down(self, raw: bytes) -> None:
        """Send bytes down and see the very same arrive."""
        await self.place.engine.send(raw)
        assert await asyncio.wait_for(self.reader.readexactly(len(raw)), PATIENCE) == raw

    async def closed_without_a_byte(self) -> None:
        """See the gateway close."""
        assert await asyncio.wait_for(self.reader.read(), PATIENCE) == b""


@asynccontextmanager
async def logged_in(place: Guarded, *, reset: bool = True) -> AsyncIterator[Line]:
    person, engine = place.people.trader, place.engine
    engine.answers = True
    session = engine.session
    if reset:
        session.next_in = session.next_out = 1
    after = len(place.gateway.lines)
    reader, writer = await asyncio.open_connection("127.0.0.1", place.gateway.port)
    writer.write(logon([*([(141, "Y")] if reset else []), *credentials(person)], head=[(34, session.next_in)]))
    assert parse(await reader.readuntil(SOH + b"10=") + await reader.readexactly(4)).type == "A"
    engine.answers = False
    await place.gateway.until(after=after, event="session_started")
    try:
        yield Line(place, reader, writer, len(engine.received))
    finally:
        writer.transport.abort()
        await place.gateway.until_recorded("session.ended", len(place.gateway.seen(event="session_started")))


def message(number: int, msg_type: str = "D", fields: list[Field] | None = None, **header: str) -> bytes:
    """A client's message."""
    body = order_fields(f"A-{number}") if fields is None else fields
    return build("FIX.4.4", [(35, msg_type), (34, number), (49, "ALGO"), (56, "EXCHANGE"), (52, now()), *body])


def off_by(raw: bytes, difference: int) -> bytes:
    """The message with a CheckSum that is wrong by so much."""
    return raw[:-4] + b"%03d" % ((int(raw[-4:-1]) + difference) % 256) + SOH


def odd_length(raw: bytes) -> bytes:
    """The message with leading zeros in BodyLength, as one venue's engine sends them; CheckSum right."""
    head, length, rest = raw.split(SOH, 2)
    padded = SOH.join([head, b"9=%07d" % int(length[2:]), rest])[:-7]
    return padded + b"10=%03d\x01" % (sum(padded) % 256)


ODDITIES = {
    "garbage": b"\x00\xfehello\x01\x01 10=000\x01",
    "wrong CheckSum": off_by(message(2), 5),
    "odd BodyLength": odd_length(message(2)),
    "glued": message(2) + message(3) + message(4, "0", []) + message(5),
    "garbage between messages": message(2) + b"8=FIX.4.4\x01garbage\x01" + message(3),
    "an unknown MsgType and an empty field": message(2, "U99", [(58, ""), (9999, "x")]),
    "SOH, NUL and an imitated trailer in a data field": message(
        2, "B", [(95, 14), (96, b"\x00\x0110=123\x01\x018=FI")]
    ),
    "a field of 1 MB": message(2, "B", [(148, "x"), (58, "y" * 1_000_000)]),
    "no MsgSeqNum": build("FIX.4.4", [(35, "D"), (11, "A-2")]),
}


@pytest.mark.req("BY-5")
@pytest.mark.parametrize("name", ODDITIES)
async def test_it_passes_untouched_both_ways(place: Guarded, name: str) -> None:
    raw = ODDITIES[name]
    async with logged_in(place) as line:
        await line.carries_up(raw)
        await line.carries_up(message(9))
        await line.carries_down(raw)
        await line.carries_down(message(9))


@pytest.mark.req("BY-5")
async def test_it_passes_however_it_is_cut(place: Guarded) -> None:
    cuts = random.Random(20260101)
    raw = b"".join(
        [
            message(2),
            ODDITIES["odd BodyLength"],
            ODDITIES["wrong CheckSum"],
            ODDITIES["garbage"],
            message(3),
            message(4),
        ]
    )
    async with logged_in(place) as line:
        at = 0
        while at < len(raw):
            size = cuts.randint(1, 40)
            line.writer.write(raw[at : at + size])
            await line.writer.drain()
            await asyncio.sleep(0.001)
            at += size
        await line.carries_up(b"")
        await place.engine.until(lambda: len(line.arrived) == len(raw))

        assert line.arrived == raw


@pytest.mark.req("BY-1")
async def test_a_wrong_checksum_stays_as_wrong_where_numbers_are_mapped(place: Guarded) -> None:
    async with logged_in(place) as line:
        line.writer.write(message(2, "5", []))
        await place.engine.until(lambda: len(line.arrived) > 0)
        await place.engine.send(build("FIX.4.4", [(35, "5"), (34, 2), (49, "EXCHANGE"), (56, "ALGO"), (52, now())]))
        await line.reader.readuntil(SOH + b"10=")
    person = place.people.trader
    reader, writer = await asyncio.open_connection("127.0.0.1", place.gateway.port)
    writer.write(logon(credentials(person, person.wrong_code()), head=[(34, 3)]))
    assert parse(await asyncio.wait_for(reader.read(), PATIENCE))[34] == "3"
    writer.close()
    place.engine.session.next_in, place.engine.session.next_out = 4, 3

    async with logged_in(place, reset=False) as line:
        await place.engine.send(off_by(message(4), 5))
        got = parse(await line.reader.readuntil(SOH + b"10=") + await line.reader.readexactly(4))

    assert got[34] == "5"
    right = build("FIX.4.4", [field for field in got.fields if field[0] not in {8, 9, 10}])
    assert got.raw == off_by(right, 5)


@pytest.mark.req("BY-2", "TW-1")
@pytest.mark.parametrize("glued", [False, True], ids=["alone", "glued-behind-an-order"])
async def test_a_logon_of_another_on_a_live_line_ends_it(place: Guarded, glued: bool) -> None:
    other = place.people.other
    foreign = logon(credentials(other), head=[(34, 3), (49, "OTHER")])
    before = message(2) if glued else b""
    async with logged_in(place) as line:
        line.writer.write(before + foreign)

        await line.closed_without_a_byte()
        await place.gateway.until(event="session_ended", reason="identity_changed")
        assert b"OTHER" not in line.arrived
        assert line.arrived in {b"", before}


@pytest.mark.req("BY-2")
async def test_a_logon_in_garbage_on_a_live_line_ends_it(place: Guarded) -> None:
    async with logged_in(place) as line:
        line.writer.write(b"garbage\x01" + logon(credentials(place.people.other))[len(b"8=FIX.4.4|") :])

        await line.closed_without_a_byte()
        assert b"35=A" not in line.arrived


@pytest.mark.req("BY-2", "TW-10")
async def test_a_logon_of_the_same_on_a_live_line_passes_without_its_code(place: Guarded) -> None:
    person = place.people.trader
    async with logged_in(place) as line:
        again = logon([(141, "Y"), *credentials(person)], head=[(34, 1)])
        line.writer.write(again + message(2))
        await place.engine.until(lambda: b"\x0111=A-2\x01" in line.arrived)

        passed = parse(line.arrived[: -len(message(2))])
        assert passed.type == "A"
        assert passed.get(20030) == ""
        assert passed[141] == "Y"
