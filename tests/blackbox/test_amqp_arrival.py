"""A code over AMQP is judged by the time its last byte came (BY-4), whatever it waited for: the store, another login, the exchange.

`quick` has codes of 5 s, and the policy takes none of the interval that just ended: a code that waited that long is good only
by its arrival.
"""

import asyncio
import contextlib
import dataclasses
import json

import asyncpg
import pytest

from tests.blackbox.ops_rig import add_user, database, eventually

M7_CODES = 'totp.window = 0\ntotp.reuse = "within_step"\n'


@pytest.fixture
async def store():
    """A PostgreSQL database that can be kept waiting."""
    async with database() as place:
        yield place


@pytest.fixture
async def busy(market, store):
    """A gateway on it, and `quick` as its user; gives `hold`, within which no user is read."""
    gateway = await market.gateway(
        store=store.url(),
        store_more='statement_timeout = "14 s"',
        policy=M7_CODES,
        environment=store.environment,
    )
    person = await add_user(gateway, "quick", "QUICK")
    made = json.loads(await gateway.run("totp", "enroll", "quick", "--period", "5", "--confirmed", "--json"))
    person = dataclasses.replace(person, secret=made["secret"], period=5)
    return gateway, person, lambda: held(store)


@contextlib.asynccontextmanager
async def held(store):
    """Keep the users' table for ourselves; gives a function that waits until somebody wants it."""
    connection = await asyncpg.connect(store.url())
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'users'::regclass"

    async def wanted() -> None:
        async with asyncio.timeout(30):
            while not await connection.fetchval(waiting):  # noqa: ASYNC110  a bounded poll
                await asyncio.sleep(0.02)

    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
            yield wanted
    finally:
        await connection.close()


async def fresh(person) -> str:
    """Return a code that is good for another while."""
    while person.seconds_left() < 4:  # noqa: ASYNC110  a code lasts 5 s
        await asyncio.sleep(0.05)
    return person.code()


async def outlive(person, code: str) -> None:
    """Wait until that code's interval is over."""
    while person.code() == code:  # noqa: ASYNC110  a code lasts 5 s
        await asyncio.sleep(0.05)


@pytest.mark.req("BY-4", "M7-8")
async def test_a_code_that_waited_for_the_store_is_good_if_it_was_when_it_came(market, busy):
    _, quick, hold = busy
    hand = await market.hand(quick)
    code = await fresh(quick)

    async with hold() as wanted:
        await hand.peer.send(hand.login(code))
        await wanted()
        await outlive(quick, code)

    assert (await hand.answer("login")).name == "UserRprt"
    await hand.trade("one")


@pytest.mark.req("BY-4", "M7-8")
async def test_a_code_that_became_right_while_it_waited_is_still_wrong(market, busy):
    gateway, quick, hold = busy
    hand = await market.hand(quick)
    now = await fresh(quick)

    async with hold() as wanted:
        await hand.peer.send(hand.login(quick.code(1)))
        await wanted()
        await outlive(quick, now)

    assert (await hand.answer("login")).name == "ErrResp"
    await gateway.until(event="login", outcome="refused", reason="bad_code")
    assert market.exchange.requests == []


@pytest.mark.req("BY-4", "M7-11")
@pytest.mark.parametrize("sent", ["in one", "one after the other"])
async def test_a_good_code_behind_a_wrong_one_is_judged_by_its_own_arrival(market, busy, sent):
    """An application that got no answer in its time asks again, with a new code, on the same connection."""
    gateway, quick, hold = busy
    hand = await market.hand(quick)
    code = await fresh(quick)
    first, second = hand.login(quick.wrong_code(), "first"), hand.login(code, "second")

    async with hold() as wanted:
        await hand.peer.send(first + second if sent == "in one" else first)
        await wanted()
        if sent != "in one":
            await hand.peer.trickle(second, 50)
        await outlive(quick, code)

    assert (await hand.answer("first")).name == "ErrResp"
    assert (await hand.answer("second")).name == "UserRprt"
    await gateway.until(event="login", outcome="refused", reason="bad_code")
    assert market.exchange.names() == ["LoginReq"]


@pytest.mark.req("BY-4", "M7-8")
@pytest.mark.parametrize("sent", ["in one", "one after the other"])
async def test_a_code_that_became_right_behind_a_wrong_one_is_still_wrong(market, busy, sent):
    gateway, quick, hold = busy
    hand = await market.hand(quick)
    now = await fresh(quick)
    first, second = hand.login(quick.wrong_code(), "first"), hand.login(quick.code(1), "second")

    async with hold() as wanted:
        await hand.peer.send(first + second if sent == "in one" else first)
        await wanted()
        if sent != "in one":
            await hand.peer.send(second)
        await outlive(quick, now)

    assert (await hand.answer("second")).name == "ErrResp"
    assert [line["reason"] for line in await gateway.logins(2)] == ["bad_code", "bad_code"]
    assert market.exchange.requests == []


@pytest.mark.req("BY-4", "M7-10")
async def test_a_login_behind_one_that_the_exchange_refuses_late_is_judged_by_its_own_arrival(market):
    await market.gateway(policy=M7_CODES)
    quick, exchange = market.people.quick, market.exchange
    hand = await market.hand(quick)
    exchange.answers_logins.clear()
    exchange.refuses = "not now"
    code = await fresh(quick)

    await hand.peer.send(hand.login(code, "first"))
    await market.until(lambda: exchange.names() == ["LoginReq"])
    await hand.peer.send(hand.login(code, "second"))
    await outlive(quick, code)
    exchange.answers_logins.set()
    exchange.answers_logins.clear()
    assert (await hand.answer("first"))["err"] == "not now"
    exchange.refuses = ""
    exchange.answers_logins.set()

    assert (await hand.answer("second")).name == "UserRprt"
    assert exchange.names() == ["LoginReq", "LoginReq"]


@pytest.mark.req("BY-4")
async def test_a_login_of_which_the_last_byte_is_late_is_judged_by_that(market):
    gateway = await market.gateway(policy=M7_CODES)
    quick = market.people.quick
    hand = await market.hand(quick)
    code = await fresh(quick)
    login = hand.login(code)

    await hand.peer.send(login[:-1])
    await outlive(quick, code)
    await hand.peer.send(login[-1:])

    assert (await hand.answer("login")).name == "ErrResp"
    await gateway.until(event="login", outcome="refused", reason="stale_code")


@pytest.mark.req("BY-4", "M7-9")
async def test_in_a_storm_of_logins_that_outlives_its_code_none_is_refused_for_it(market, busy):
    gateway, quick, hold = busy
    hands = [await market.hand(quick) for _ in range(8)]
    code = await fresh(quick)

    async with hold() as wanted:
        for hand in hands:
            await hand.peer.send(hand.login(code))
        await wanted()
        await outlive(quick, code)

    await eventually(lambda: len(gateway.seen(event="login")) == len(hands), "every verdict")
    assert {line["outcome"] for line in gateway.seen(event="login")} == {"admitted"}
