"""The sidecar (BY-10): an algorithm that knows no codes logs in through `gateway attach`, a real gateway and QuickFIX."""

import asyncio
import contextlib
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pyotp
import pytest

from tests.blackbox.attach_process import AttachProcess
from tests.blackbox.counterparties import Algo, Engine
from tests.blackbox.floor import Floor
from tests.blackbox.gated import config, gateway_of
from tests.blackbox.gateway_process import PATIENCE, GatewayProcess
from tests.blackbox.ledger import closed
from tests.blackbox.net_certificates import Authority
from tests.blackbox.people import PASSWORD, People, Person
from tests.blackbox.toy_peers import ToyFixInitiator
from tests.blackbox.toy_session import ToySession

ONCE = 'totp.reuse = "never"\n'


def uri(who: Person, secret: str = "") -> str:
    return f"otpauth://totp/Exchange:{who.name}?secret={secret or who.secret}&period={who.period}"


async def venue_of(
    floor: Floor, people: People, who: Person, *, listener: str = "", tls: bool = False
) -> tuple[Engine, GatewayProcess]:
    """Start an exchange and a gateway before it; a code is good once."""
    engine = await floor.engine("--target", who.sender)
    text = config(engine.port, policy=ONCE, listener=listener)
    return engine, await gateway_of(floor, people, text.replace("plain = true\n", "", 1) if tls else text)


async def codeless(floor: Floor, port: int, who: Person, *options: str, name: str = "algo") -> Algo:
    """Start an algorithm that has a password and no idea of codes."""
    arguments = ("--sender", who.sender, "--logon-timeout", "30", *options)
    return await floor.algo(port, *arguments, user=who.name, password=PASSWORD, wait=True, name=name)


def failures(gateway: GatewayProcess) -> list[str]:
    return [line["reason"] for line in gateway.seen(event="login", outcome="refused")]


def visible(pid: int, *names: str) -> str:
    """What other programs may read of a process; where they may not, nothing."""
    shown = ""
    for name in names:
        with contextlib.suppress(PermissionError):
            shown += Path(f"/proc/{pid}/{name}").read_bytes().decode(errors="replace")
    return shown


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(2 * PATIENCE):
        while not condition():  # noqa: ASYNC110  a bounded poll
            await asyncio.sleep(0.05)


@pytest.mark.req("BY-10")
async def test_an_unmodified_client_logs_in_and_its_orders_flow_exactly_once(floor: Floor, people: People) -> None:
    who = people.quick
    engine, gateway = await venue_of(floor, people, who)
    async with AttachProcess(floor.folder, gateway.port, uri(who), "--plain") as attach:
        algo = await codeless(floor, attach.port, who)

        await algo.logon()
        await engine.send(3)
        await algo.orders(5)

        books = await closed(algo, engine)
        assert books.orders.total() == 6
        assert (books.to_client_difference, books.to_engine_difference) == (0, 0)
        assert failures(gateway) == []


@pytest.mark.req("BY-10")
async def test_without_the_sidecar_the_same_client_is_refused(floor: Floor, people: People) -> None:
    _, gateway = await venue_of(floor, people, people.quick)
    algo = await codeless(floor, gateway.port, people.quick)

    await algo.ask("logon")

    assert (await gateway.until(event="login", outcome="refused"))["reason"] == "missing_code"


@pytest.mark.req("BY-10")
async def test_a_reconnect_in_the_same_step_waits_for_the_next_and_no_failure_is_counted(
    floor: Floor, people: People
) -> None:
    who = people.quick
    engine, gateway = await venue_of(floor, people, who)
    async with AttachProcess(floor.folder, gateway.port, uri(who), "--plain") as attach:
        algo = await codeless(floor, attach.port, who)
        await algo.logon()
        await algo.orders(1)

        for times in (2, 3, 4):
            await algo.ask("drop")  # QuickFIX is back within a second
            await algo.until("logon")
            await attach.until("attach_accepted", times)
        await algo.orders(1, prefix="late")

        books = await closed(algo, engine)
        assert books.in_order
        assert attach.seen("attach_held")
        assert failures(gateway) == []
        assert len(await gateway.logins(4, outcome="admitted")) == 4


@pytest.mark.req("BY-10", "BY-3")
async def test_with_a_wrong_key_a_reconnect_storm_does_not_lock_the_account(floor: Floor, people: People) -> None:
    """The client comes back every second; the sidecar tries once a step, then less and less."""
    who = people.quick
    engine, gateway = await venue_of(floor, people, who)
    wrong = uri(who, pyotp.random_base32())
    async with AttachProcess(floor.folder, gateway.port, wrong, "--plain", "--max-wait", "1") as attach:
        algo = await codeless(floor, attach.port, who)
        await algo.ask("logon")
        await until(lambda: len(attach.seen("attach_refused")) >= 3)
        await algo.kill()
        sent, closed_ones = len(attach.seen("attach_sent")), len(attach.seen("attach_closed"))
        pauses = [line["seconds"] for line in attach.seen("attach_refused")]

    assert len(pauses) == len(failures(gateway)) == sent
    assert pauses == sorted(pauses)
    assert pauses[2] > 1.5 * pauses[1] >= 1.5 * who.period
    assert closed_ones > sent
    assert "locked" not in failures(gateway)
    async with AttachProcess(floor.folder, gateway.port, uri(who), "--plain") as attach:
        other = await codeless(floor, attach.port, who, "--reset-on-logon", name="again")
        await other.logon()
        await attach.until("attach_accepted")
    assert engine.seen("logon")


@pytest.mark.req("BY-10", "TW-10")
async def test_the_key_and_its_codes_are_in_no_line_argument_or_environment(floor: Floor, people: People) -> None:
    who = people.quick
    _, gateway = await venue_of(floor, people, who)
    async with AttachProcess(floor.folder, gateway.port, "", "--plain", stdin=uri(who) + "\n") as attach:
        algo = await codeless(floor, attach.port, who)
        before = who.code()
        await algo.logon()
        codes = {before, who.code()}
        shown, limits = visible(attach.pid, "cmdline", "environ"), visible(attach.pid, "limits")
        assert await attach.end(signal.SIGTERM) == 0

    assert re.search("Max core file size +0 +0", limits)
    assert who.secret not in shown + attach.output
    assert PASSWORD not in shown + attach.output
    said = [{key: value for key, value in line.items() if key != "timestamp"} for line in attach.lines]
    assert not [code for code in codes if code in str(said)]


@pytest.mark.req("BY-10")
async def test_several_clients_at_once_get_a_step_each(floor: Floor, people: People) -> None:
    who = people.quick
    _, gateway = await venue_of(floor, people, who)
    async with AttachProcess(floor.folder, gateway.port, uri(who), "--plain") as attach:
        first = await codeless(floor, attach.port, who)
        await first.logon()
        lines = [await ToyFixInitiator(attach.port, ToySession(who.sender, "EXCHANGE")).__aenter__() for _ in range(2)]
        try:
            asked = [asyncio.create_task(line.logon([(553, who.name), (554, PASSWORD)])) for line in lines]
            await attach.until("attach_sent", 3)
            await until(lambda: len(gateway.seen(event="login")) >= 3)
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
        finally:
            for line in lines:
                await line.__aexit__(None, None, None)

    assert set(failures(gateway)) <= {"already_logged_in", "too_many_sessions"}


@pytest.mark.req("BY-10")
async def test_an_upstream_that_is_down_closes_the_client_and_is_tried_less_and_less(
    floor: Floor, people: People
) -> None:
    who = people.quick
    engine, gateway = await venue_of(floor, people, who)
    await gateway.terminate()
    async with AttachProcess(floor.folder, gateway.port, uri(who), "--plain") as attach:
        algo = await codeless(floor, attach.port, who)
        await algo.ask("logon")
        pauses = [(await attach.until("attach_unreachable", number))["seconds"] for number in (1, 2, 3)]
        assert pauses == sorted(pauses)
        assert pauses[2] > 2 * pauses[0]

        await gateway.start()

        await algo.until("logon", within=2 * PATIENCE)
        books = await closed(algo, engine)
        assert books.in_order


@pytest.mark.req("BY-10")
async def test_sigterm_ends_it_in_order_with_a_live_session(floor: Floor, people: People) -> None:
    who = people.quick
    engine, gateway = await venue_of(floor, people, who)
    async with AttachProcess(floor.folder, gateway.port, uri(who), "--plain") as attach:
        algo = await codeless(floor, attach.port, who)
        await algo.logon()
        await algo.orders(1)
        await engine.until("order")

        assert await attach.end(signal.SIGTERM) == 0

        await algo.until("disconnect")
        await gateway.until(event="session_ended")


@pytest.mark.req("BY-10", "CQ-7")
@pytest.mark.parametrize(("venue", "options"), [("cqg", ("--cqg",)), ("appended", ())])
async def test_the_code_goes_where_the_venue_wants_it(
    floor: Floor, people: People, venue: str, options: tuple[str, ...]
) -> None:
    who = people.quick
    engine, gateway = await venue_of(floor, people, who, listener=f'venue = "{venue}"')
    async with AttachProcess(floor.folder, gateway.port, uri(who), "--plain", "--venue", venue) as attach:
        algo = await codeless(floor, attach.port, who, *options)

        await algo.logon()
        await algo.orders(1)

        await closed(algo, engine)
        assert failures(gateway) == []


@pytest.mark.req("BY-10", "TW-4")
async def test_the_way_to_the_gateway_is_tls_with_both_certificates(floor: Floor, people: People) -> None:
    who, authority = people.quick, Authority(floor.folder)
    front, own = authority.issue("front"), authority.issue("trader")
    listener = (
        f'[listener.tls]\ncertificate = "{front.certificate}"\nprivate_key = "{front.key}"\n'
        f'client_certificate = "required"\nclient_ca = "{authority.ca}"'
    )
    engine, gateway = await venue_of(floor, people, who, listener=listener, tls=True)
    tls = ("--tls-ca", str(authority.ca), "--tls-certificate", str(own.certificate), "--tls-key", str(own.key))
    async with AttachProcess(floor.folder, gateway.port, uri(who), *tls) as attach:
        algo = await codeless(floor, attach.port, who)

        await algo.logon()
        await algo.orders(3)

        await closed(algo, engine)
        assert await gateway.logins(1, outcome="admitted")


@pytest.mark.req("BY-10")
async def test_a_reset_in_mid_session_passes_with_a_code_and_loses_nothing(floor: Floor, people: People) -> None:
    who = people.quick
    engine, gateway = await venue_of(floor, people, who)
    async with AttachProcess(floor.folder, gateway.port, uri(who), "--plain") as attach:
        algo = await codeless(floor, attach.port, who)
        await algo.logon()
        await algo.orders(2)
        await closed(algo, engine)

        await algo.ask("reset")
        await attach.until("attach_accepted", 2)
        await algo.orders(2, prefix="after")

        books = await closed(algo, engine, prefix="last")
        assert (books.to_client_difference, books.to_engine_difference) == (0, 0)
        assert gateway.seen(event="session_ended") == []
