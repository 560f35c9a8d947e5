"""Two firms at one gateway and one listener, each with terms of its own (CQ-8): `gateway serve`, and what clients see."""

import json
from typing import Any

import pytest

from tests.blackbox.fix_peers import credentials, toy
from tests.blackbox.floor import Floor
from tests.blackbox.gated import SAME_CODE_AGAIN, config, gateway_of
from tests.blackbox.gateway_process import GatewayProcess
from tests.blackbox.people import People, Person

pytestmark = pytest.mark.req("CQ-8")

FIRMS = """\
[[organisation]]
name = "ACME"
[organisation.policy]
lockout.threshold = 2
sessions.idle = "2 s"
[[organisation]]
name = "ZEN"
[organisation.policy]
lockout.threshold = 4
lockout.scope = "account+source"
"""


async def between(floor: Floor, people: People) -> GatewayProcess:
    """A gateway in front of an exchange; `trader` and `quick` are ACME's, `other` is ZEN's."""
    targets = [option for who in (people.trader, people.other, people.quick) for option in ("--target", who.sender)]
    engine = await floor.engine(*targets)
    gateway = await gateway_of(floor, people, config(engine.port, policy=SAME_CODE_AGAIN, more=FIRMS))
    for who, firm in ((people.trader, "ACME"), (people.quick, "ACME"), (people.other, "ZEN")):
        await joins(gateway, who, firm)
    return gateway


async def joins(gateway: GatewayProcess, who: Person, firm: str) -> None:
    await gateway.run("user", "change", who.name, "--organisation", firm)


async def live(gateway: GatewayProcess) -> set[str]:
    return {one["user"] for one in json.loads(await gateway.run("sessions", "--json"))}


async def shown(gateway: GatewayProcess, who: Person) -> dict[str, Any]:
    return dict(json.loads(await gateway.run("user", "show", who.name, "--json")))


@pytest.mark.req("SF-10")
async def test_each_firms_sessions_idle_as_long_as_it_says_and_a_user_who_changes_its_firm_follows(
    floor: Floor, people: People
) -> None:
    gateway = await between(floor, people)
    async with toy(gateway.port, people.other) as zen, toy(gateway.port, people.trader) as acme:
        assert await zen.logon(credentials(people.other)) == "A"
        assert await acme.logon(credentials(people.trader)) == "A"
        await gateway.until(event="session_ended", user="trader", reason="idle")
        await acme.until(lambda: acme.closed)
        assert await live(gateway) == {"other"}

        await joins(gateway, people.trader, "ZEN")
        async with toy(gateway.port, people.quick) as last:
            assert await acme.logon(credentials(people.trader)) == "A"
            assert await last.logon(credentials(people.quick)) == "A"
            await gateway.until(event="session_ended", user="quick", reason="idle")
            assert await live(gateway) == {"other", "trader"}, "the older sessions have another firm's time"


@pytest.mark.req("M7-11", "TW-5")
async def test_each_firm_locks_after_its_own_number_of_failures(floor: Floor, people: People) -> None:
    gateway = await between(floor, people)
    for who in (people.trader, people.other):
        async with toy(gateway.port, who) as client:
            for number in range(3):
                assert await client.logon(credentials(who, who.wrong_code(number))) == "5"

    locked = [(await shown(gateway, who))["locked"] for who in (people.trader, people.other)]
    async with toy(gateway.port, people.trader) as acme, toy(gateway.port, people.other) as zen:
        assert await acme.logon(credentials(people.trader)) == "5"
        assert await zen.logon(credentials(people.other)) == "A"

    assert locked == [True, False]
    assert await gateway.until(event="login", user="trader", reason="locked")


async def test_what_a_firm_has_weaker_than_the_profile_is_refused_with_its_path(floor: Floor, people: People) -> None:
    engine = await floor.engine()
    weak = config(engine.port, more=FIRMS.replace('"2 s"', '"31 min"'), profile="sfc-vatp", policy="")
    people.move_in(floor.folder / "gateway")
    with pytest.raises(AssertionError, match=r"organisation\.ACME\.policy\.sessions\.idle: 1860: must be at most 1800"):
        await floor.gateway(weak)
