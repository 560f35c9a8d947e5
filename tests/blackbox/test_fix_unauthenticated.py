"""Nothing of a client that has not logged in reaches the exchange, whatever it sends (BY-2); the log has the true reason."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from tests.blackbox.fix_bytes import SOH, Field, build, parse
from tests.blackbox.fix_peers import Guarded, credentials, guarded, logon, toy
from tests.blackbox.gateway_process import PATIENCE
from tests.blackbox.people import People, Person

pytestmark = pytest.mark.asyncio(loop_scope="module")

POLICY = """\
totp.reuse = "within_step"
lockout.threshold = 100
lockout.address_budget = 100000
"""
OLD = (dt.datetime.now(dt.UTC) - dt.timedelta(minutes=3)).strftime("%Y%m%d-%H:%M:%S")
Make = Callable[[Person], bytes]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory, people: People) -> AsyncIterator[Guarded]:
    """One gateway for all of them: no contact leaves anything behind that another could see."""
    async with guarded(tmp_path_factory.mktemp("gateway"), people, policy=POLICY) as both:
        yield both
        assert both.gateway.stderr == []
        assert both.gateway.seen(event="failed") == []


async def contact(place: Guarded, raw: bytes) -> bytes:
    """Send bytes and return all that came back before the gateway closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", place.gateway.port)
    try:
        writer.write(raw)
        async with asyncio.timeout(PATIENCE):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


def reached(place: Guarded) -> tuple[bytes, int]:
    """What the exchange has seen so far: bytes and connections."""
    return bytes(place.engine.received), place.engine.connections


def good(person: Person) -> list[Field]:
    return credentials(person)


def broken(raw: bytes, old: bytes, new: bytes) -> bytes:
    assert old in raw
    return raw.replace(old, new, 1)


def wrong_checksum(raw: bytes) -> bytes:
    return raw[:-4] + b"%03d" % ((int(raw[-4:-1]) + 1) % 256) + SOH


CONTACTS: dict[str, tuple[str, Make]] = {
    "unknown target": ("no_route", lambda who: logon(good(who), head=[(56, "NOWHERE")])),
    "no SenderCompID": ("wrong_comp_id", lambda who: logon(good(who), head=[(49, "")])),
    "no TargetCompID": ("wrong_comp_id", lambda who: logon(good(who), head=[(56, "")])),
    "doubled SenderCompID": ("wrong_comp_id", lambda who: logon([(49, "ALGO"), *good(who)])),
    "unsupported BeginString": ("unsupported_version", lambda who: logon(good(who), begin="FIX.4.1")),
    "stale SendingTime": ("stale_sending_time", lambda who: logon(good(who), head=[(52, OLD)])),
    "no SendingTime": ("stale_sending_time", lambda who: logon(good(who), head=[(52, "")])),
    "an order": ("not_a_login", lambda who: logon([(11, "A-1")], head=[(35, "D")])),
    "a heartbeat": ("not_a_login", lambda who: logon([], head=[(35, "0")])),
    "wrong CheckSum": ("garbled", lambda who: wrong_checksum(logon(good(who)))),
    "wrong BodyLength": (
        "garbled",
        lambda who: broken(logon(good(who)), b"\x019=1", b"\x019=2") + logon(good(who)) * 2,
    ),
    "no BodyLength": ("garbled", lambda who: b"8=FIX.4.4\x0135=A\x0134=1\x01"),
    "HTTP": ("garbled", lambda who: b"GET / HTTP/1.1\r\nHost: exchange\r\n\r\n"),
    "TLS": ("garbled", lambda who: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64)),
    "zeros": ("garbled", lambda who: bytes(100)),
    "a field of 1 MB": ("too_large", lambda who: logon([*good(who), (58, "x" * 1_000_000)])),
    "doubled user": ("garbled", lambda who: logon([(553, "root"), *good(who)])),
    "doubled password": ("garbled", lambda who: logon([(554, "x"), *good(who)])),
    "doubled code": ("garbled", lambda who: logon([(20030, "000000"), *good(who)])),
    "doubled MsgSeqNum": ("garbled", lambda who: logon([(34, 9), *good(who)])),
    "a data field longer than the message": ("garbled", lambda who: logon([*good(who), (95, 9999), (96, "x")])),
    "NUL in the user": ("garbled", lambda who: logon([(553, b"tra\x00der"), *good(who)[1:]])),
    "no MsgSeqNum": ("garbled", lambda who: logon(good(who), head=[(34, "")])),
}


@pytest.mark.req("BY-2")
@pytest.mark.parametrize("name", CONTACTS)
async def test_a_contact_is_closed_without_a_byte(place: Guarded, name: str) -> None:
    reason, make = CONTACTS[name]
    after, before = len(place.gateway.lines), reached(place)

    answer = await contact(place, make(place.people.trader))

    assert answer == b""
    await place.gateway.until(after=after, event="contact_refused", reason=reason)
    assert reached(place) == before


IMITATION = b"\x00\x0135=A\x01\xff"


def wrong(person: Person, number: int = 0) -> list[Field]:
    """Credentials with a wrong code; the same ones again would only be `repeated` (BY-3)."""
    return credentials(person, person.wrong_code(number))


STRANGERS: dict[str, tuple[str, Make]] = {
    "unknown user": ("unknown_user", lambda who: logon([(553, "nobody"), *good(who)[1:]])),
    "no user": ("unknown_user", lambda who: logon(good(who)[1:])),
    "another's CompID": ("not_bound", lambda who: logon(good(who), sender="OTHER")),
    "a CompID of nobody": ("not_bound", lambda who: logon(good(who), sender="STRANGER")),
}


@pytest.mark.req("BY-2", "TW-1", "TW-12")
@pytest.mark.parametrize("name", STRANGERS)
async def test_a_stranger_is_closed_without_a_byte(place: Guarded, name: str) -> None:
    reason, make = STRANGERS[name]
    after, before = len(place.gateway.lines), reached(place)

    answer = await contact(place, make(place.people.trader))

    assert answer == b""
    await place.gateway.until(after=after, event="login", outcome="refused", reason=reason)
    assert reached(place) == before


REFUSED: dict[str, tuple[str, Make]] = {
    "wrong code": ("bad_code", lambda who: logon(wrong(who))),
    "no code": ("missing_code", lambda who: logon(good(who)[:2])),
    "wrong password": ("bad_password", lambda who: logon(credentials(who, password="wrong-Horse-7-battery"))),
    "no password": ("bad_password", lambda who: logon([good(who)[0], good(who)[2]])),
    "a code of four minutes ago": ("stale_code", lambda who: logon(credentials(who, who.code(-8)))),
    "141=Y and a wrong code": ("bad_code", lambda who: logon([(141, "Y"), *wrong(who, 1)])),
    "orders glued behind": (
        "bad_code",
        lambda who: logon(wrong(who, 2)) + logon([(11, "A-1")], head=[(35, "D"), (34, 2)]),
    ),
    "SOH and NUL in a data field": (
        "bad_code",
        lambda who: logon([*wrong(who, 3), (95, len(IMITATION)), (96, IMITATION)]),
    ),
}


@pytest.mark.req("BY-1", "BY-2", "M7-1")
@pytest.mark.parametrize("name", REFUSED)
async def test_a_known_user_is_told_and_nothing_reaches_the_exchange(place: Guarded, name: str) -> None:
    reason, make = REFUSED[name]
    after, before = len(place.gateway.lines), reached(place)

    answer = parse(await contact(place, make(place.people.trader)))

    assert answer.type == "5"
    assert (answer[49], answer[56]) == ("EXCHANGE", "ALGO")
    assert answer[58].startswith("Login refused: check user, password and one-time code")
    assert answer.get(1409) == ""
    await place.gateway.until(after=after, event="login", outcome="refused", reason=reason)
    assert reached(place) == before


@pytest.mark.req("BY-2")
async def test_a_logon_that_comes_byte_by_byte_is_judged_like_any_other(place: Guarded) -> None:
    before = reached(place)
    reader, writer = await asyncio.open_connection("127.0.0.1", place.gateway.port)
    for byte in logon(wrong(place.people.trader, 4)):
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0)
    answer = parse(await asyncio.wait_for(reader.read(), PATIENCE))
    writer.close()

    assert answer.type == "5"
    assert reached(place) == before


@pytest.mark.req("BY-2", "BY-6")
async def test_every_reason_is_counted_and_recorded(place: Guarded) -> None:
    after = len(place.gateway.lines)
    await contact(place, b"GET / HTTP/1.1\r\n\r\n")
    await contact(place, logon(wrong(place.people.other), sender="OTHER"))
    await place.gateway.until(after=after, event="login", user="other")

    page = await place.gateway.page("/metrics")
    assert 'gateway_contacts_refused_total{reason="garbled"}' in page
    assert 'gateway_logins_total{outcome="refused",reason="bad_code"}' in page
    expected = {("contact.refused", "garbled", ""), ("login.refused", "bad_code", "other")}
    async with asyncio.timeout(PATIENCE):
        while not expected <= set(place.gateway.audited()):  # noqa: ASYNC110  a bounded poll of a file
            await asyncio.sleep(0.02)
    assert "whole" in await place.gateway.run("audit", "verify")


@pytest.mark.req("BY-2")
async def test_the_good_one_gets_through_and_only_without_its_code(place: Guarded) -> None:
    person = place.people.trader
    async with toy(place.gateway.port, person) as client:
        sent = credentials(person)
        assert await client.logon(sent) == "A"
        await client.logout()

    first = next(message for message in place.engine.messages if message.type == "A")
    assert first.type == "A"
    assert (first[553], first[554]) == (person.name, sent[1][1])
    assert first.get(20030) == ""
    assert build("FIX.4.4", [(tag, value) for tag, value in first.fields if tag not in {8, 9, 10}]) == first.raw
