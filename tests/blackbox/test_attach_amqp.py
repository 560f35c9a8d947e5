"""The sidecar (BY-10) over AMQP: unmodified libraries that know no codes log in through `gateway attach`, a gateway and RabbitMQ."""

import asyncio
import gzip

import pyotp
import pytest

from tests.blackbox import amqp_m7 as m7
from tests.blackbox.amqp_app import App
from tests.blackbox.amqp_clients import LIBRARIES
from tests.blackbox.amqp_floor import NEVER, Market
from tests.blackbox.attach_process import AttachProcess
from tests.blackbox.gateway_process import PATIENCE, GatewayProcess
from tests.blackbox.people import PASSWORD, Person

PYTHON = pytest.mark.parametrize("library", ["aio-pika", "pika"])


def sidecar(
    market: Market, who: Person, *arguments: str, secret: str = "", venue: str = "m7", port: int = 0
) -> AttachProcess:
    """A sidecar before the gateway started last, or before another port."""
    key = f"otpauth://totp/Exchange:{who.name}?secret={secret or who.secret}&period={who.period}"
    options = ("--plain", "--protocol", "amqp", "--venue", venue, *arguments)
    return AttachProcess(market.floor.folder, port or market.last.port, key, *options)


async def log_in(app: App) -> m7.Read:
    """Send a LoginReq that says nothing of a code; return the answer, good or bad."""
    answer = await app.ask(m7.login(app.person.name, None), m7.INQUIRY)
    app.session = answer["sessionId"]
    return answer


def failures(gateway: GatewayProcess) -> list[str]:
    return [line["reason"] for line in gateway.seen(event="login", outcome="refused")]


@PYTHON
@pytest.mark.req("BY-10", "M7-2")
async def test_an_unmodified_client_logs_in_and_trades(market: Market, library: str) -> None:
    gateway = await market.gateway(policy=NEVER)
    who = market.people.quick
    async with sidecar(market, who) as attach:
        app = await market.app(who, library, port=attach.port)

        answer = await log_in(app)
        answers = [(await app.order(name)).name for name in ("one", "two", "three")]
        await market.exchange.broadcast(who.name, m7.order("news"))
        news = await app.told("OrdrEntry")
        bye = await app.log_out()

        assert (answer.name, answer["usrId"], bye.name) == ("UserRprt", who.name, "AckResp")
        assert answers == ["AckResp"] * 3
        assert news["clOrdrId"] == "news"
        assert market.exchange.orders(who.name) == ["one", "two", "three"]
        assert m7.CODE.encode() not in market.exchange.of("LoginReq")[0].body
        assert (await attach.until("attach_accepted"))["level"] == "info"
        assert failures(gateway) == []


@PYTHON
@pytest.mark.req("BY-10")
async def test_without_the_sidecar_the_same_client_is_refused(market: Market, library: str) -> None:
    gateway = await market.gateway()
    app = await market.app(market.people.quick, library)

    assert (await log_in(app)).name == "ErrResp"

    assert failures(gateway) == ["missing_code"]


@PYTHON
@pytest.mark.req("BY-10", "M7-10")
async def test_each_login_has_a_code_of_its_own_on_one_connection_and_on_the_next(market: Market, library: str) -> None:
    gateway = await market.gateway(policy=NEVER)
    who = market.people.quick
    async with sidecar(market, who) as attach:
        for _ in range(2):
            app = await market.app(who, library, port=attach.port, heartbeat=2)
            for _ in range(2):
                assert (await log_in(app)).name == "UserRprt"
                assert (await app.order("order")).name == "AckResp"
                await app.log_out()
            await app.line.close()

        assert attach.seen("attach_held")
    assert failures(gateway) == []
    assert len(await gateway.logins(4, outcome="admitted")) == 4


@pytest.mark.req("BY-10")
async def test_on_the_wire_both_sides_see_the_same_bytes_but_for_the_login(market: Market) -> None:
    await market.gateway(policy=NEVER)
    who = market.people.quick
    behind = await market.floor.wire(market.last.port)
    async with sidecar(market, who, port=behind.port) as attach:
        before = await market.floor.wire(attach.port)
        hand = await market.hand(who, port=before.port)
        login = hand.request(m7.login(who.name, None), "login", m7.INQUIRY)

        await hand.peer.trickle(login)
        assert (await hand.answer("login")).name == "UserRprt"
        for number in range(20):
            await hand.trade(f"order-{number}")

        sent, came = bytes(before.forth.seen), bytes(behind.forth.seen)
        at, rest = sent.index(login), len(sent) - sent.index(login) - len(login)
        assert came[:at] == sent[:at]
        assert came[len(came) - rest :] == sent[at + len(login) :]
        assert came.count(m7.CODE.encode()) == 1
        assert bytes(before.back.seen) == bytes(behind.back.seen)


@pytest.mark.req("BY-10", "BY-3")
async def test_with_a_wrong_key_a_client_that_asks_at_once_again_is_held_back_more_and_more(market: Market) -> None:
    """It asks on the same connection, which stays open; what the ErrResp says of waiting is obeyed."""
    gateway = await market.gateway(policy=NEVER)
    who = market.people.quick
    async with sidecar(market, who, "--max-wait", "600", secret=pyotp.random_base32()) as attach:
        app = await market.app(who, port=attach.port)

        answers = [await log_in(app) for _ in range(3)]
        pauses = [(await attach.until("attach_refused", number))["seconds"] for number in (1, 2, 3)]

    assert [one.name for one in answers] == ["ErrResp"] * 3
    assert all("retry with a new code in" in one["err"] for one in answers)
    assert 0 < pauses[0] <= pauses[1] < pauses[2]
    assert len(failures(gateway)) == 3
    assert "locked" not in failures(gateway)


@pytest.mark.req("BY-10", "BY-3")
async def test_a_client_that_comes_back_before_the_back_off_is_over_is_not_let_through(market: Market) -> None:
    gateway = await market.gateway(policy=NEVER)
    who = market.people.quick
    async with sidecar(market, who, "--max-wait", "1", secret=pyotp.random_base32()) as attach:
        app = await market.app(who, port=attach.port)
        assert (await log_in(app)).name == "ErrResp"
        contacts = len(gateway.seen(event="contact_refused"))

        with pytest.raises(Exception, match=r"(?i)clos|connect|reset|lost|eof"):
            await log_in(await market.app(who, port=attach.port))

        await attach.until("attach_closed")
        assert failures(gateway) == ["bad_code"]
        assert len(gateway.seen(event="contact_refused")) == contacts


@PYTHON
@pytest.mark.req("BY-10", "M7-2")
async def test_a_compressed_login_keeps_its_compression(market: Market, library: str) -> None:
    await market.gateway(policy=NEVER)
    who = market.people.quick
    async with sidecar(market, who) as attach:
        app = await market.app(who, library, port=attach.port, gzip=True)

        assert (await log_in(app)).name == "UserRprt"

    (login,) = market.exchange.requests[:1]
    assert m7.CODE.encode() not in gzip.decompress(login.body)


@PYTHON
@pytest.mark.req("BY-10", "CQ-7")
async def test_the_code_goes_behind_the_password_where_the_venue_has_it_there(market: Market, library: str) -> None:
    gateway = await market.gateway(venue="amqp-password", policy=NEVER)
    who = market.trader
    async with sidecar(market, who, venue="amqp-password") as attach:
        line = LIBRARIES[library]()
        await line.connect(market.address(who, port=attach.port))
        await attach.until("attach_accepted")
        await line.close()

    assert failures(gateway) == []
    assert len(await gateway.logins(1, outcome="admitted")) == 1


@pytest.mark.req("BY-10")
async def test_a_password_that_is_wrong_is_told_by_the_gateway_and_obeyed(market: Market) -> None:
    gateway = await market.gateway(venue="amqp-password", policy=NEVER)
    who = market.trader
    async with sidecar(market, who, venue="amqp-password") as attach:
        line = LIBRARIES["aio-pika"]()
        with pytest.raises(Exception, match=r"(?i)403|ACCESS_REFUSED|auth|closed"):
            await line.connect(market.address(who, port=attach.port, password="not-" + PASSWORD))
        await line.close()

        assert (await attach.until("attach_refused"))["seconds"] > 0
    assert failures(gateway) == ["bad_password"]


@pytest.mark.req("BY-10")
async def test_a_broker_that_is_down_closes_the_client_and_is_tried_less_and_less(market: Market) -> None:
    gateway = await market.gateway(policy=NEVER)
    who = market.people.quick
    async with sidecar(market, who) as attach:
        await gateway.terminate()
        pauses = []
        for number in (1, 2, 3):
            with pytest.raises(Exception, match=r"(?i)clos|connect|reset|lost|eof"):
                await market.app(who, port=attach.port)
            pauses.append((await attach.until("attach_unreachable", number))["seconds"])
        await gateway.start()

        async with asyncio.timeout(PATIENCE):
            app = await market.app(who, port=attach.port)
            answer = await log_in(app)

    assert pauses == sorted(pauses)
    assert pauses[2] > 2 * pauses[0]
    assert answer.name == "UserRprt"


@pytest.mark.req("BY-10", "TW-10")
async def test_the_key_its_codes_and_the_password_are_in_no_line(market: Market) -> None:
    await market.gateway(policy=NEVER)
    who = market.people.quick
    async with sidecar(market, who) as attach:
        app = await market.app(who, port=attach.port)
        codes = {who.code()}
        assert (await log_in(app)).name == "UserRprt"
        codes.add(who.code())
        await app.log_out()
        await app.line.close()

    said = str([{key: value for key, value in line.items() if key != "timestamp"} for line in attach.lines])
    assert not [hidden for hidden in (who.secret, PASSWORD, *codes) if hidden in said]
