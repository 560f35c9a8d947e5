"""Codes over AMQP: a wrong one is answered with an ErrResp and counts, a right one afterwards is good, none is ever forwarded."""

import pytest

from tests.blackbox import amqp_m7 as m7
from tests.blackbox.amqp_floor import NEVER


async def refused(hand, code, number="login", **other) -> m7.Read:
    """Log in with a code that must be refused; returns the ErrResp."""
    await hand.peer.send(hand.request(m7.login("trader", code), number, m7.INQUIRY, **other))
    answer = await hand.answer(number)
    assert answer.name == "ErrResp", answer
    return answer


@pytest.mark.req("M7-11", "M7-2", "TW-5")
@pytest.mark.parametrize("direct", [False, True], ids=["reply queue", "direct reply-to"])
async def test_a_wrong_code_is_answered_with_an_auth_error_and_a_right_one_then_works(market, direct):
    gateway = await market.gateway()
    hand = await market.hand(direct=direct)

    answer = await refused(hand, market.trader.wrong_code())

    assert answer["err"].startswith("Auth error: ")
    await gateway.until(event="login", outcome="refused", reason="bad_code")
    await hand.logged_in(number="again")
    await hand.trade("one")
    assert market.exchange.names() == ["LoginReq", "OrdrEntry"]


@pytest.mark.req("M7-11", "M7-1")
@pytest.mark.parametrize(
    ("code", "reason"), [(None, "missing_code"), ("", "missing_code"), ("1234567", "bad_code"), ("abcdef", "bad_code")]
)
async def test_a_login_without_a_proper_code_is_refused_and_never_forwarded(market, code, reason):
    gateway = await market.gateway()
    hand = await market.hand()

    await refused(hand, code)

    await gateway.until(event="login", outcome="refused", reason=reason)
    assert market.exchange.requests == []
    await hand.logged_in(number="again")


@pytest.mark.req("M7-8")
async def test_the_code_of_the_interval_that_just_ended_is_refused_under_m7(market):
    gateway = await market.gateway(profile="m7-6.16", policy="")
    hand = await market.hand()

    await refused(hand, market.trader.code(-1))

    await gateway.until(event="login", outcome="refused", reason="stale_code")
    assert market.exchange.requests == []


@pytest.mark.req("M7-9")
@pytest.mark.parametrize("over", ["one connection", "two connections"])
async def test_within_its_30_s_a_code_logs_in_twice_where_the_policy_says_so(market, over):
    await market.gateway()
    hand = await market.hand()
    code = market.trader.code()
    await hand.logged_in(code=code)

    if over == "one connection":
        await hand.peer.send(hand.request(m7.logout(""), "bye", m7.INQUIRY))
        await hand.answer("bye")
        again = hand
    else:
        again = await market.hand()

    assert (await again.log_in(code, "again", force=True)).name == "UserRprt"


@pytest.mark.req("M7-9", "BY-8")
async def test_a_burnt_code_is_refused_where_codes_are_for_one_use(market):
    gateway = await market.gateway(policy=NEVER)
    hand = await market.hand()
    code = market.trader.code()
    await hand.logged_in(code=code)
    await hand.peer.send(hand.request(m7.logout(""), "bye", m7.INQUIRY))
    await hand.answer("bye")

    await refused(hand, code, "again")

    await gateway.until(event="login", outcome="refused", reason="replayed_code")
    assert market.exchange.names() == ["LoginReq", "LogoutReq"]


@pytest.mark.req("BY-3", "M7-11")
async def test_the_same_wrong_code_sent_again_and_again_counts_once(market):
    gateway = await market.gateway()
    hand = await market.hand()
    wrong = market.trader.wrong_code()

    for number in range(8):
        await refused(hand, wrong, f"try-{number}")

    assert [line["reason"] for line in await gateway.logins(8)] == ["bad_code", *["repeated"] * 7]
    await hand.logged_in(number="good")


@pytest.mark.req("M7-11", "TW-5", "SF-8")
async def test_five_wrong_codes_over_fix_and_amqp_together_lock_the_account_on_both(market):
    door = await market.fix_door()
    gateway = await market.gateway(more=door.config)
    hand = await market.hand()

    for number in range(5):
        wrong = market.trader.wrong_code(number)
        if number % 2:
            async with door.client(market.trader) as fix:
                assert await fix.log_in(wrong) != "A"
        else:
            await refused(hand, wrong, f"try-{number}")

    await refused(hand, market.trader.code(), "good")
    async with door.client(market.trader) as fix:
        assert await fix.log_in() != "A"
    await gateway.until(event="login", reason="locked", protocol="amqp")
    await gateway.until(event="login", reason="locked", protocol="fix")
    assert [line["reason"] for line in await gateway.logins(7)] == [*["bad_code"] * 5, "locked", "locked"]
    assert market.exchange.requests == []
    assert door.engine.logons == []


@pytest.mark.req("M7-11")
async def test_under_m7_five_wrong_codes_revoke_the_user_until_somebody_unlocks(market):
    gateway = await market.gateway(profile="m7-6.16", policy="")
    hand = await market.hand()
    for number in range(5):
        await refused(hand, market.trader.wrong_code(number), f"try-{number}")
    await refused(hand, market.trader.code(), "locked")
    await gateway.until(event="login", reason="locked")

    await gateway.run("user", "unlock", "trader", "--proof", "called back")

    await hand.logged_in(number="good")


@pytest.mark.req("M7-11", "TW-12")
async def test_what_the_peer_reads_of_a_refusal_does_not_tell_a_wrong_code_from_a_locked_account(market):
    await market.gateway(policy="lockout.threshold = 1\n")
    hand = await market.hand()

    wrong = await refused(hand, market.trader.wrong_code())
    locked = await refused(hand, market.trader.code(), "locked")

    assert wrong["err"].partition(";")[0] == locked["err"].partition(";")[0]
    assert wrong["errCode"] == locked["errCode"]


@pytest.mark.req("M7-3", "CQ-2")
async def test_a_user_without_an_authenticator_is_told_so_where_the_code_is_mandatory(market):
    gateway = await market.gateway(policy='second_factor = "mandatory"\n')
    await market.vhost.welcome("trader", "quick", "other", "bare")
    hand = await market.hand(market.people.bare)

    await hand.peer.send(hand.request(m7.login("bare", "123456"), "login", m7.INQUIRY))

    assert "authenticator" in (await hand.answer("login"))["err"]
    await gateway.until(event="login", reason="not_enrolled")
    assert market.exchange.requests == []
