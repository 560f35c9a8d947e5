"""The harness proves itself: algorithm and exchange directly, with nothing between them that could lose a message."""

import asyncio
import sys
from pathlib import Path

import pytest

from tests.blackbox.counterparties import ROOT, stored_numbers
from tests.blackbox.floor import Floor
from tests.blackbox.ledger import closed, settled
from tests.blackbox.relay import Wire

VERSIONS = ["FIX.4.2", "FIX.4.4", "FIX.5.0SP2"]
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
PUBLIC_SPECS = ROOT / ".venv" / "share" / "quickfix"


@pytest.mark.parametrize("version", VERSIONS)
async def test_an_order_is_filled(floor: Floor, version: str) -> None:
    engine = await floor.engine("--begin-string", version, "--fills", "2")
    algo = await floor.algo(engine.port, "--begin-string", version)
    await algo.until("logon")

    await algo.order("A-1")

    assert (await engine.until("order"))["cl_ord_id"] == "A-1"
    statuses = [(await algo.until("report"))["ord_status"] for _ in range(3)]
    assert statuses == ["0", "1", "2"]
    assert (await settled(algo, engine)).to_client_difference == 0


async def test_messages_of_both_sides_wait_while_off_line_and_arrive_once(floor: Floor) -> None:
    engine = await floor.engine()
    algo = await floor.algo(engine.port)
    await algo.until("logon")
    await algo.orders(3)
    await settled(algo, engine)
    await algo.logout()

    await engine.send(4)
    await algo.order("waiting-1", "waiting-2")
    await algo.logon()

    books = await closed(algo, engine)
    assert books.orders["waiting-1"] == books.orders["waiting-2"] == 1
    assert len(books.reports) == 3 * 2 + 4 + 2 * 2 + 2
    assert (books.to_client_difference, books.to_engine_difference) == (0, 0)


async def test_killed_processes_go_on_from_their_file_stores(floor: Floor) -> None:
    engine = await floor.engine()
    algo = await floor.algo(engine.port)
    await algo.until("logon")
    await algo.order("before")
    before = await settled(algo, engine)

    await algo.kill()
    await engine.until("disconnect")
    await engine.kill()
    await engine.start()
    await engine.send(2)
    await algo.start()
    await algo.until("logon")

    books = await settled(algo, engine)
    assert books.algo.next_target > before.algo.next_target
    assert len(books.reports) == 2 + 2


async def test_a_line_cut_with_reports_in_flight_loses_none(floor: Floor) -> None:
    engine = await floor.engine()
    async with Wire(engine.port) as wire:
        algo = await floor.algo(wire.port)
        await algo.until("logon")
        await engine.until("logon")
        wire.back.hold()
        await algo.order("in-flight")
        await wire.back.until(b"in-flight")

        wire.cut()
        await algo.until("logon")

        books = await settled(algo, engine)
    assert books.orders["in-flight"] == 1
    assert len(books.reports) == 2


async def test_a_dropped_line_is_no_logout(floor: Floor) -> None:
    engine = await floor.engine()
    algo = await floor.algo(engine.port)
    await algo.until("logon")

    await algo.drop()
    await engine.until("disconnect")

    assert engine.seen("logout") == []
    assert not (await algo.state()).logged_on


async def test_a_reset_in_the_middle_of_a_session_starts_numbers_again(floor: Floor) -> None:
    engine = await floor.engine()
    algo = await floor.algo(engine.port)
    await algo.until("logon")
    await algo.orders(3)
    await settled(algo, engine)

    engine.forget("logon-received")
    await algo.ask("reset")
    await engine.until("logon-received", seq="1", session="ALGO")
    await algo.order("after")

    books = await settled(algo, engine)
    assert (books.algo.next_sender, books.algo.next_target) == (3, 4)


async def test_a_logon_with_reset_starts_numbers_again(floor: Floor) -> None:
    engine = await floor.engine()
    algo = await floor.algo(engine.port)
    await algo.until("logon")
    await algo.orders(3)
    await settled(algo, engine)
    await algo.logout()

    await algo.logon(reset=True)

    books = await settled(algo, engine)
    assert (books.algo.next_sender, books.engine.next_sender) == (2, 2)


async def test_the_engine_refuses_a_wrong_password_in_its_own_words(floor: Floor, tmp_path: Path) -> None:
    right = tmp_path / "password"
    right.write_text("right\n")
    engine = await floor.engine("--require-password", "--password-file", str(right))
    algo = await floor.algo(engine.port, user="alice", password="wrong")

    assert (await algo.until("logout"))["text"].endswith("Invalid Username or Password")


async def test_the_password_lets_in(floor: Floor, tmp_path: Path) -> None:
    right = tmp_path / "password"
    right.write_text("right\n")
    engine = await floor.engine("--require-password", "--password-file", str(right))

    algo = await floor.algo(engine.port, user="alice", password="right")

    await algo.until("logon")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        ((), {"553", "554", "20030"}),
        (("--cqg",), {"50", "95", "96", "20030"}),
        (("--code-appended",), {"553", "554"}),
        (("--code-tag", "925"), {"553", "554", "925"}),
    ],
    ids=["default", "cqg", "appended", "other-tag"],
)
async def test_a_venue_finds_its_tags(floor: Floor, version: str, layout: tuple[str, ...], expected: set[str]) -> None:
    engine = await floor.engine("--begin-string", version)

    algo = await floor.algo(
        engine.port, "--begin-string", version, *layout, user="alice", password="pw", totp_secret=SECRET
    )

    await algo.until("logon")
    logon = (await engine.until("logon-received"))["fields"]
    assert expected == logon.keys() - {"8", "9", "10", "34", "35", "49", "52", "56", "98", "108", "1137"}
    assert "pw" not in logon.values()


async def test_a_steered_code_travels(floor: Floor) -> None:
    engine = await floor.engine()
    async with Wire(engine.port) as wire:
        algo = await floor.algo(wire.port, user="alice", totp_secret=SECRET, wait=True)

        await algo.code("000000")
        await algo.logon()

        assert b"\x0120030=000000\x01" in wire.forth.seen


async def test_a_public_engine_leaves_a_logon_with_an_unknown_tag_unanswered(floor: Floor) -> None:
    engine = await floor.engine("--spec-dir", str(PUBLIC_SPECS))
    algo = await floor.algo(engine.port, "--logon-timeout", "2", user="alice", totp_secret=SECRET)

    await algo.until("disconnect")

    assert algo.seen("logout") == algo.seen("logon") == []


@pytest.mark.parametrize("behaviour", ["refuse", "silent", "close"])
async def test_the_engine_meets_a_logon_as_told(floor: Floor, behaviour: str) -> None:
    engine = await floor.engine()
    await engine.behave(behaviour, "closed for lunch")
    algo = await floor.algo(engine.port, "--logon-timeout", "2")

    await algo.until("disconnect")

    texts = [event["text"] for event in algo.seen("logout")]
    assert set(texts) == ({"Rejected Logon Attempt: closed for lunch"} if behaviour == "refuse" else set())
    assert algo.seen("logon") == []


async def test_two_sessions_of_one_engine_have_books_of_their_own(floor: Floor) -> None:
    engine = await floor.engine("--target", "ALGO1", "--target", "ALGO2")
    first = await floor.algo(engine.port, "--sender", "ALGO1", name="one")
    second = await floor.algo(engine.port, "--sender", "ALGO2", name="two")
    await first.until("logon")
    await second.until("logon")

    await first.order("of-first")
    await engine.send(2, session="ALGO2")

    assert set((await settled(first, engine)).orders) == {"of-first"}
    assert len((await settled(second, engine)).reports) == 2


async def test_an_orderly_stop_leaves_both_numbers_in_the_file_store(floor: Floor) -> None:
    engine = await floor.engine()
    algo = await floor.algo(engine.port)
    await algo.until("logon")
    await algo.order("A-1")
    await settled(algo, engine)

    await algo.stop()

    assert stored_numbers(algo.store, "FIX.4.4", "ALGO", "EXCHANGE") == (4, 5)


@pytest.mark.parametrize("module", ["simulators.fix_exchange", "simulators.fix_client"])
async def test_a_person_is_told_how_to_use_it(module: str) -> None:
    asked = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, "--help"), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asked.communicate()

    assert asked.returncode == 0
    assert b"commands on standard input" in out


def listening_addresses(sockets: set[str]) -> set[str]:
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {row[1].split(":")[0] for row in rows if row[9] in sockets and row[3] == "0A"}


async def test_the_exchange_listens_on_the_loopback_only(floor: Floor) -> None:
    engine = await floor.engine()

    assert listening_addresses(engine.sockets()) == {"0100007F"}  # 127.0.0.1, as the kernel writes it
