"""The peers by hand prove themselves: against QuickFIX where it has a side, and against each other."""

import pytest

from tests.blackbox.fix_bytes import Framer, build, parse
from tests.blackbox.floor import Floor
from tests.blackbox.toy_peers import CountingEngine, ToyFixInitiator, order_fields
from tests.blackbox.toy_session import ToySession


def client_session(*, counts_logout: bool = True) -> ToySession:
    return ToySession("ALGO", "EXCHANGE", counts_logout=counts_logout)


def engine_session() -> ToySession:
    return ToySession("EXCHANGE", "ALGO")


def test_a_message_is_read_back_with_soh_in_its_data() -> None:
    raw = build("FIX.4.4", [(35, "A"), (95, 3), (96, b"a\x01b"), (108, 30)])

    assert raw.endswith(b"10=%03d\x01" % (sum(raw[:-7]) % 256))
    assert parse(raw).fields[2:6] == ((35, b"A"), (95, b"3"), (96, b"a\x01b"), (108, b"30"))


def test_a_stream_is_cut_the_same_byte_by_byte() -> None:
    raw = build("FIX.4.4", [(35, "0"), (34, 1)]) + build("FIX.4.4", [(35, "A"), (95, 3), (96, b"\x0110")])
    framer = Framer()

    messages = [message for byte in raw for message in framer.feed(bytes([byte]))]

    assert [message.raw for message in messages] == [message.raw for message in Framer().feed(raw)]
    assert b"".join(message.raw for message in messages) == raw


async def test_quickfix_takes_the_toy_client(floor: Floor) -> None:
    engine = await floor.engine()
    async with ToyFixInitiator(engine.port, client_session()) as client:
        assert await client.logon() == "A"

        await client.order("A-1")
        await client.until(lambda: len(client.exec_ids) == 2)

        assert (await engine.state()).received == ["A-1"]


@pytest.mark.parametrize("counts_logout", [True, False])
async def test_the_toy_client_goes_on_after_an_engines_logout(floor: Floor, *, counts_logout: bool) -> None:
    engine = await floor.engine()
    async with ToyFixInitiator(engine.port, client_session(counts_logout=counts_logout)) as client:
        await client.logon()
        await client.order("A-1")
        await client.until(lambda: len(client.exec_ids) == 2)
        await engine.ask("logout", text="end of day")
        await client.until(lambda: client.closed)
        await engine.until("disconnect")
        await engine.send(3)
        await engine.ask("logon")

        assert await client.logon() == "A"
        await client.until(lambda: len(client.exec_ids) == 5)

        assert set(client.exec_ids.values()) == {1}
        assert client.session.faults == []
        assert (await engine.state()).next_sender == client.session.next_in


async def test_a_refused_toy_client_hears_why(floor: Floor) -> None:
    engine = await floor.engine("--on-logon", "refuse")
    async with ToyFixInitiator(engine.port, client_session()) as client:
        assert await client.logon() == "5"

        assert client.session.admin[-1][58].endswith("Logon refused")


async def test_an_order_lost_with_the_line_is_sent_again(floor: Floor) -> None:
    engine = await floor.engine()
    async with ToyFixInitiator(engine.port, client_session()) as client:
        await client.logon()
        client.session.message("D", order_fields("A-1"))  # counted and kept, but the line broke before it left
        await client.drop()
        await engine.until("disconnect")

        await client.logon()

        assert (await engine.until("order"))["poss_dup"] == "Y"


async def test_the_counting_engine_fills_quickfix_orders(floor: Floor) -> None:
    async with CountingEngine(engine_session()) as engine:
        algo = await floor.algo(engine.port)
        await algo.until("logon")

        await algo.order("A-1")

        assert (await algo.until("report"))["exec_id"] == "exec-A-1"
        assert engine.cl_ord_ids == {"A-1": 1}


async def test_a_silent_engine_counts_and_says_nothing() -> None:
    session = client_session()
    async with (
        CountingEngine(engine_session(), answers=False) as engine,
        ToyFixInitiator(engine.port, session) as client,
    ):
        await client.connect()
        logon = session.logon()
        await client.send(logon)
        await engine.until(lambda: len(engine.received) >= len(logon))

        assert (bytes(engine.received), bytes(client.raw)) == (logon, b"")
