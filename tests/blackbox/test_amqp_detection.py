"""Detection over AMQP: the same rules, the same alerts, and crowds that use both protocols."""

import json

import pytest

from tests.blackbox.amqp_floor import NEVER, SAME_CODE_AGAIN, Hand, Market
from tests.blackbox.people import Person
from tests.blackbox.watched import BALANCED, BERLIN, HONG_KONG, NOBODYS, ROOM, calm, header


def table(rule: str, action: str, **limits: int) -> str:
    return f'[detection.{rule}]\naction = "{action}"\n' + "".join(f"{name} = {n}\n" for name, n in limits.items())


async def start(market: Market, detection: str, policy: str = SAME_CODE_AGAIN):
    return await market.gateway(listener=BALANCED, policy=ROOM + policy, more=detection)


async def enters(market: Market, person: Person, address: str, code: str | None = None) -> str:
    """Log in from an address; return the name of the exchange's answer, or the text of the refusal."""
    peer = await market.wire()
    await peer.send(header(address))
    hand = Hand(peer, person, market.vhost.name)
    await hand.open()
    answer = await hand.log_in(code, force=None)
    return answer.name if answer.name == "UserRprt" else answer["err"]


async def found(market: Market) -> list[tuple[str, str, int]]:
    alerts = json.loads(await market.last.run("alerts", "list", "--json"))
    return [(one["rule"], one["subject"], one["count"]) for one in alerts]


def everybody(market: Market) -> list[Person]:
    people = market.people
    return [people.trader, people.quick, people.other]


@pytest.mark.req("SF-18", "SF-20")
async def test_many_accounts_from_one_address_raise_an_alert_and_go_on(market):
    gateway = await start(market, table("crowd", "alarm", accounts=3))
    assert [await enters(market, one, NOBODYS(1)) for one in everybody(market)] == ["UserRprt"] * 3
    assert await found(market) == [("crowd", NOBODYS(1), 1)]
    await gateway.until(event="alert", rule="crowd", outcome="alarm", protocol="amqp", address=NOBODYS(1))


@pytest.mark.req("SF-18", "SF-20")
async def test_a_blocking_crowd_is_refused_in_neutral_words_and_elsewhere_all_is_well(market):
    gateway = await start(market, table("crowd", "block", accounts=3))
    first, second, third = everybody(market)
    wrong = await enters(market, first, NOBODYS(1), first.wrong_code())
    assert await enters(market, second, NOBODYS(1)) == "UserRprt"

    shut = await enters(market, third, NOBODYS(1))

    assert shut.partition(";")[0] == wrong.partition(";")[0]
    await gateway.until(event="login", outcome="refused", reason="suspicious")
    assert [request.name for request in market.exchange.requests].count("LoginReq") == 1
    assert await enters(market, third, NOBODYS(2)) == "UserRprt"


@pytest.mark.req("SF-19", "SF-20")
@pytest.mark.parametrize("action", ["alarm", "block"])
async def test_one_account_from_two_countries(market, action):
    await start(market, table("travel", action))
    await calm(market.trader)
    assert await enters(market, market.trader, HONG_KONG, market.trader.code(-1)) == "UserRprt"
    assert (await enters(market, market.trader, BERLIN) == "UserRprt") == (action == "alarm")
    assert await found(market) == [("travel", "trader", 1)]
    assert await enters(market, market.people.other, BERLIN) == "UserRprt"


@pytest.mark.req("SF-20", "SF-8")
async def test_wrong_codes_over_many_names_are_a_spray(market):
    await start(market, table("spray", "block", accounts=3))
    for number, one in enumerate(everybody(market)):
        assert await enters(market, one, NOBODYS(number), one.wrong_code()) != "UserRprt"
    assert await found(market) == [("spray", "", 1)]
    assert await enters(market, market.trader, NOBODYS(0)) != "UserRprt"
    assert await enters(market, market.trader, NOBODYS(9)) == "UserRprt"


@pytest.mark.req("BY-8")
async def test_a_second_use_of_a_code_raises_an_alert(market):
    gateway = await start(market, "", NEVER)
    code = market.trader.code()
    assert await enters(market, market.trader, NOBODYS(1), code) == "UserRprt"
    assert await enters(market, market.trader, NOBODYS(2), code) != "UserRprt"
    assert await found(market) == [("replay", "trader", 1)]
    await gateway.until(event="alert", rule="replay", address=NOBODYS(2), user="trader")


@pytest.mark.req("SF-18", "SF-20")
async def test_a_crowd_that_uses_both_protocols_is_one_crowd(market):
    door = await market.fix_door()
    detection = door.config + table("crowd", "block", accounts=3)
    await market.gateway(policy=ROOM + SAME_CODE_AGAIN, more=detection)
    trader, quick, other = everybody(market)
    async with door.client(trader) as fix:
        assert await fix.log_in() == "A"
    hand = await market.hand(quick)
    assert (await hand.log_in()).name == "UserRprt"
    hand = await market.hand(other)
    assert (await hand.log_in()).name == "ErrResp"
    async with door.client(other) as fix:
        assert await fix.log_in() == "5"
    assert [subject for _, subject, _ in await found(market)] == ["127.0.0.1"]
