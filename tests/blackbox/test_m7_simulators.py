"""The M7 simulators by themselves: exchange and API application on a private RabbitMQ, with nothing between them."""

from pathlib import Path

import pytest

from tests.blackbox.broker import Vhost, open_vhost
from tests.blackbox.m7_peers import LIBRARIES, client_of, exchange_on, own_broker

each_library = pytest.mark.parametrize("library", LIBRARIES)
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


async def test_a_vhost_is_laid_out_for_its_clients(vhost: Vhost) -> None:
    await vhost.welcome("trader", "somebody-else")

    assert await vhost.waiting() == 0
    names = {exchange["name"] for exchange in await vhost.get("exchanges")}
    assert {"m7.requestExchange.trader", "m7.requestExchange.somebody-else"} <= names


@each_library
async def test_an_application_logs_in_orders_and_logs_out(vhost: Vhost, library: str) -> None:
    async with exchange_on(vhost) as exchange, client_of(vhost, "trader", "--library", library) as client:
        login = await client.log_in()
        order = await client.order("A-1")
        await client.until("broadcast", message="OrdrExeRprt")
        logout = await client.log_out()

        assert [login["message"], order["message"], logout["message"]] == ["UserRprt", "AckResp", "AckResp"]
        account = await exchange.account("trader")
        assert (account["logins"], account["logouts"], account["orders"]) == (1, 1, ["A-1"])
        assert account["session"] == ""
        notes = await client.notes()
        assert (notes["acknowledged"], notes["refused"]) == (["A-1"], [])


@each_library
async def test_an_order_before_the_login_is_refused_and_counted(vhost: Vhost, library: str) -> None:
    async with exchange_on(vhost) as exchange, client_of(vhost, "trader", "--library", library) as client:
        answer = await client.order("too-early")

        assert answer["message"] == "ErrResp"
        assert (await exchange.account("trader"))["early"] == ["too-early"]


@each_library
async def test_a_code_that_reaches_the_exchange_is_seen_but_never_shown(vhost: Vhost, library: str) -> None:
    async with (
        exchange_on(vhost) as exchange,
        client_of(vhost, "trader", "--library", library, totp_secret=SECRET) as client,
    ):
        await client.ask("code", value="123456")
        await client.log_in(force="n")

        seen = await exchange.until("request", message="LoginReq")
        assert (await exchange.account("trader"))["codes"] == 1
        assert seen["attributes"]["authVerificationCode"] == "(present)"
        assert seen["attributes"]["force"] == "false"
        assert "123456" not in str(exchange.events + client.events)


@each_library
@pytest.mark.parametrize("mode", ["--polls", "--direct", "--no-confirms"])
async def test_answers_come_by_basic_get_and_direct_reply_to_and_without_confirms(
    vhost: Vhost, library: str, mode: str
) -> None:
    async with exchange_on(vhost) as exchange, client_of(vhost, "trader", "--library", library, mode) as client:
        await client.ask("login")
        await exchange.until("session-opened")
        if mode == "--polls":
            while not (await client.ask("poll"))["found"]:
                pass

        assert (await client.until("response"))["message"] == "UserRprt"


@each_library
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_packed_bodies_are_understood_both_ways(vhost: Vhost, library: str, encoding: str) -> None:
    async with (
        exchange_on(vhost) as exchange,
        client_of(vhost, "trader", "--library", library, "--encoding", encoding) as client,
    ):
        await exchange.behave(encoding=encoding)

        assert (await client.log_in())["message"] == "UserRprt"
        assert (await exchange.until("request"))["encoding"] == encoding


async def test_a_second_login_needs_force(vhost: Vhost) -> None:
    async with (
        exchange_on(vhost),
        client_of(vhost, "trader") as first,
        client_of(vhost, "trader", "--suffix", "2") as second,
    ):
        await first.log_in()

        assert (await second.log_in(force="n"))["message"] == "ErrResp"
        assert (await second.log_in(force="y"))["message"] == "UserRprt"


async def test_the_exchange_refuses_keeps_silent_and_answers_late_as_told(vhost: Vhost) -> None:
    async with exchange_on(vhost) as exchange, client_of(vhost, "trader") as client:
        await exchange.behave(login="refuse", text="Auth error: closed for lunch", code="42")
        refused = await client.log_in()
        await exchange.until("request", message="LoginReq")
        await exchange.behave(login="silent")
        unanswered = (await client.ask("login"))["correlation_id"]
        await exchange.until("request", message="LoginReq")
        await exchange.behave(login="accept", delay_ms=300)
        late = await client.log_in()

        assert (refused["text"], refused["code"]) == ("Auth error: closed for lunch", "42")
        assert late["message"] == "UserRprt"
        assert client.seen("response", correlation_id=unanswered) == []


async def test_a_login_that_the_schema_does_not_allow_is_refused(vhost: Vhost) -> None:
    async with exchange_on(vhost), client_of(vhost, "trader") as client:
        body = '<LoginReq xmlns="http://www.deutsche-boerse.com/m7/v6" user="trader" force="perhaps"/>'
        await client.ask("publish", key="m7.request.inquiry", body=body)

        answer = await client.until("response")
        assert answer["message"] == "ErrResp"
        assert "force" in answer["text"]


async def test_broadcasts_are_numbered_and_heartbeats_are_no_xml(vhost: Vhost) -> None:
    async with exchange_on(vhost) as exchange, client_of(vhost, "trader") as client:
        await client.log_in()
        await exchange.ask("broadcast", user="trader", count=3)
        await exchange.ask("alive", user="trader", count=2)
        for _ in range(2):
            await client.until("alive")

        notes = await client.notes()
        assert (notes["executions"], notes["alive"], notes["gaps"]) == (["1", "2", "3"], 2, 0)


@each_library
async def test_a_changed_password_closes_the_connection_with_320(vhost: Vhost, library: str) -> None:
    async with exchange_on(vhost), client_of(vhost, "trader", "--library", library) as client:
        await client.log_in()

        await client.ask("password", old="one", new="two")

        assert "PWD_CHANGE" in (await client.until("closed"))["text"]


async def test_a_logged_out_user_is_told_why(vhost: Vhost) -> None:
    async with exchange_on(vhost) as exchange, client_of(vhost, "trader") as client:
        await client.log_in()

        await exchange.ask("log-out", user="trader")

        assert (await client.until("broadcast", message="LogoutRprt"))["reason"] == "INACTIVITY"
        assert (await client.order("after"))["message"] == "ErrResp"


async def test_a_robust_connection_comes_back_by_itself_and_orders_on(vhost: Vhost) -> None:
    async with exchange_on(vhost) as exchange, client_of(vhost, "trader") as client:
        await client.log_in()

        await client.ask("drop")
        await client.until("reconnected")
        await client.order("still-here")

        assert (await exchange.account("trader"))["orders"] == ["still-here"]


@pytest.mark.parametrize("library", ["aio-pika", "pika"])
async def test_the_others_come_back_when_the_application_says_so(vhost: Vhost, library: str) -> None:
    async with exchange_on(vhost), client_of(vhost, "trader", "--library", library, "--reconnect", "0.2") as client:
        await client.until("connected")

        await client.ask("drop")
        await client.until("closed")
        await client.until("connected")

        assert (await client.log_in())["message"] == "UserRprt"


async def test_an_alarm_blocks_publishers_until_it_is_over(tmp_path: Path) -> None:
    async with own_broker(tmp_path) as node:
        vhost = open_vhost(node.broker, tmp_path, ("trader",))
        async with client_of(vhost, "trader", "--library", "pika", "--no-confirms") as client:
            await node.ask("alarm", on="y")
            await client.ask("login")  # a broker tells only who publishes
            await client.until("blocked")

            await node.ask("alarm", on="n")

            await client.until("unblocked")


async def test_a_killed_broker_is_there_again_with_its_users(tmp_path: Path) -> None:
    async with own_broker(tmp_path) as node:
        vhost = open_vhost(node.broker, tmp_path, ("trader",))
        async with client_of(vhost, "trader") as client:
            await client.until("connected")

            await node.ask("kill")

            await client.until("reconnected")
