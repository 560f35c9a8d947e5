"""The commands as an operator's scripts use them: JSON that can be relied on, exit codes, and a running gateway that obeys."""

import asyncio
import json
import os
import stat

import pytest

from tests.blackbox.gateway_process import COMMAND, PATIENCE, GatewayProcess
from tests.blackbox.ops_peers import Client, Exchange
from tests.blackbox.ops_rig import add_user, command, config, live
from tests.blackbox.people import PASSWORD

OK, FAILED, USAGE, NOT_FOUND = 0, 1, 2, 3
USER = {
    *("name", "organisation", "enabled", "locked", "locked_until", "revoked", "failures", "method", "second_factor"),
    *("enrolled", "must_change", "password_changed", "valid_from", "valid_until", "comp_ids", "certificates", "routes"),
    *("devices", "created", "groups", "role", "role_until", "email", "phone", "channel"),
}
SESSION = {
    *("id", "user", "protocol", "process", "target", "version", "address", "port", "certificate", "listener"),
    *("route", "upstream", "node", "opened", "started", "last_business", "lease_until"),
}


@pytest.mark.req("TW-12", "CQ-6", "HK-7")
async def test_what_scripts_read_of_a_running_gateway(floor):
    async with Exchange() as exchange:
        gateway = await floor.gateway(config(exchange.port))
        person = await add_user(gateway, "trader", "ALGO")
        async with Client(gateway.port, person) as client:
            assert await client.log_in() == "A"
            await client.trade("one")

            (session,) = await live(gateway)
            user = json.loads(await gateway.run("user", "show", "trader", "--json"))
            users = json.loads(await gateway.run("user", "list", "--json"))

        assert session.keys() == SESSION
        assert (session["user"], session["process"], session["target"]) == ("trader", "ALGO", "EXCHANGE")
        assert (session["address"], session["upstream"]) == ("127.0.0.1", f"127.0.0.1:{exchange.port}")
        assert session["opened"] <= session["started"] < session["lease_until"]
        assert user.keys() == USER
        assert users == [user]
        assert (user["enrolled"], user["comp_ids"], user["failures"]) == (True, ["ALGO"], 0)


@pytest.mark.req("M7-4", "M7-6", "HK-6", "TW-3", "TW-5")
@pytest.mark.parametrize("act", ["reset", "passwd"])
async def test_new_credentials_end_the_live_session_and_the_old_ones_are_worth_nothing(floor, act):
    async with Exchange() as exchange:
        gateway = await floor.gateway(config(exchange.port))
        person = await add_user(gateway, "trader", "ALGO")
        async with Client(gateway.port, person) as client:
            assert await client.log_in() == "A"

            if act == "reset":
                await gateway.run("totp", "reset", "trader", "--proof", "called back")
            else:
                await gateway.run("user", "passwd", "trader", "--password-stdin", stdin="another-Horse-8-staple\n")

            await client.be_ended()
            await gateway.until(event="session_ended", reason="right_removed")
            assert await client.log_in() != "A"
            refused = {"reset": "not_enrolled", "passwd": "bad_password"}[act]
            await gateway.until(event="login", reason=refused)


@pytest.mark.req("TW-5", "HK-6")
async def test_an_unlocked_user_logs_in_again(floor):
    async with Exchange() as exchange:
        gateway = await floor.gateway(config(exchange.port, policy="lockout.threshold = 1"))
        person = await add_user(gateway, "trader", "ALGO")
        async with Client(gateway.port, person) as client:
            await client.log_in(person.wrong_code())
            assert await client.log_in() == "5"
            await gateway.until(event="login", reason="locked")
            assert json.loads(await gateway.run("user", "show", "trader", "--json"))["locked"]

            await gateway.run("user", "unlock", "trader", "--proof", "showed a passport")

            assert await client.log_in() == "A"


async def test_what_does_not_exist_is_3_and_what_is_wrong_is_2(floor):
    folder = GatewayProcess(floor.folder / "gateway", config(1)).folder
    nobody = ("show", "disable", "enable")

    codes = [(await command(folder, "user", name, "nobody")).code for name in nobody]
    assert codes == [NOT_FOUND] * 3
    assert (await command(folder, "user", "unlock", "nobody", "--proof", "x")).code == NOT_FOUND
    assert (await command(folder, "totp", "reset", "nobody", "--proof", "x")).code == NOT_FOUND
    assert (await command(folder, "kick", "nothing")).code == NOT_FOUND
    assert (await command(folder, "user", "unlock", "nobody")).code == USAGE
    assert (await command(folder, "user", "add", "somebody")).code == USAGE
    assert (await command(folder, "user", "list", "--colour")).code == USAGE
    assert (await command(folder, "nonsense")).code == USAGE
    assert (await command(folder, "audit", "verify", "--head", "junk")).code == USAGE


async def test_what_is_refused_is_1_and_changes_nothing(floor):
    folder = GatewayProcess(floor.folder / "gateway", config(1)).folder
    weak = await command(folder, "user", "add", "trader", "--password-stdin", stdin="short\n")
    good = await command(folder, "user", "add", "trader", "--password-stdin", stdin=PASSWORD + "\n")
    again = await command(folder, "user", "add", "trader", "--password-stdin", stdin=PASSWORD + "\n")

    assert (weak.code, good.code, again.code) == (FAILED, OK, FAILED)
    assert len((await command(folder, "user", "list", "--json")).data) == 1
    assert "short" not in weak.err


@pytest.mark.req("TW-11", "TW-10")
async def test_the_first_start_makes_a_key_and_a_database_that_nobody_else_can_read(floor):
    gateway = await floor.gateway(config(1))

    files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in gateway.folder.glob("gateway.db*")}

    await gateway.until(event="master_key_created")
    assert {"gateway.db", "gateway.db.key"} <= files.keys()
    assert {name: oct(mode) for name, mode in files.items() if mode & 0o077} == {}


async def test_the_output_of_a_command_can_be_piped_into_one_that_stops_reading(floor):
    folder = GatewayProcess(floor.folder / "gateway", config(1)).folder
    reading, writing = os.pipe()
    os.close(reading)
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, "check-config"), cwd=folder, stdout=writing, stderr=asyncio.subprocess.PIPE
    )
    os.close(writing)

    _, err = await asyncio.wait_for(process.communicate(), PATIENCE)

    assert err == b""
