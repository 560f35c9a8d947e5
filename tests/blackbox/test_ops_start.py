"""A gateway that can't start says so once, in one clear line, and ends with the exit code that the documentation names."""

import contextlib
import json
import re
import socket
import sqlite3

import pytest

from tests.blackbox.gateway_process import GatewayProcess
from tests.blackbox.net_certificates import Authority
from tests.blackbox.ops_rig import Done, command, config, database, never_ready
from tests.blackbox.ports import free_port

FAILED, USAGE, UNAVAILABLE = 1, 2, 4
WORKERS = pytest.mark.parametrize("workers", ["1", "2"])
"""With workers the parent, not each of them, has to say it."""


def one_line(done: Done, code: int, *words: str) -> None:
    """The command ended so, and said it in one line on standard error."""
    assert done.code == code, done
    assert done.err.count("\n") == 1, done.err
    assert done.err.startswith("gateway: "), done.err
    for word in words:
        assert word in done.err
    assert "Traceback" not in done.out + done.err


@pytest.fixture
def taken():
    """A port that somebody else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


@WORKERS
async def test_a_port_that_is_taken(floor, taken, workers):
    text = config(1).replace("{port}", str(taken))

    done = await never_ready(floor, text, "--workers", workers)

    one_line(done, FAILED, f"listener orders: can't listen on 127.0.0.1:{taken}", "Address already in use", "free the")


@WORKERS
async def test_an_admin_port_that_is_taken(floor, taken, workers):
    text = config(1).replace("{admin}", f"127.0.0.1:{taken}")

    done = await never_ready(floor, text, "--workers", workers)

    one_line(done, FAILED, f"admin: can't listen on 127.0.0.1:{taken}", "admin.address")


@WORKERS
@pytest.mark.parametrize("broken", ["certificate", "key", "ca"])
async def test_a_certificate_that_cannot_be_used(floor, tmp_path, workers, broken):
    ca = Authority(tmp_path)
    front = ca.issue("front")
    file = {"certificate": front.certificate, "key": front.key, "ca": ca.ca}[broken]
    file.write_text("not what it should be\n")
    tls = f'certificate = "{front.certificate}", private_key = "{front.key}"'
    tls += f', client_ca = "{ca.ca}", client_certificate = "required"'

    done = await never_ready(floor, config(1, listener=f"tls = {{{tls}}}"), "--workers", workers)

    one_line(done, FAILED, "TLS: can't", str(file))


async def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_its_password(floor, tmp_path):
    from cryptography.hazmat.primitives import serialization

    front = Authority(tmp_path).issue("front")
    key = serialization.load_pem_private_key(front.key.read_bytes(), None)
    locked = serialization.BestAvailableEncryption(b"a password")
    form = serialization.PrivateFormat.PKCS8
    front.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, locked))
    tls = f'certificate = "{front.certificate}", private_key = "{front.key}"'

    one_line(await never_ready(floor, config(1, listener=f"tls = {{{tls}}}")), FAILED, "the private key is encrypted")


@WORKERS
async def test_a_database_newer_than_the_program(floor, workers):
    text = config(1)
    gateway = GatewayProcess(floor.folder / "gateway", text)
    assert (await command(gateway.folder, "user", "list")).code == 0
    with contextlib.closing(sqlite3.connect(gateway.folder / "gateway.db")) as newer, newer:
        newer.execute("update alembic_version set version_num = '9999'")

    done = await command(gateway.folder, "serve", "--workers", workers)

    one_line(done, UNAVAILABLE, "was written by a newer version", "9999")


async def test_a_database_that_is_none(floor):
    gateway = GatewayProcess(floor.folder / "gateway", config(1))
    assert (await command(gateway.folder, "user", "list")).code == 0
    for rest in gateway.folder.glob("gateway.db-*"):
        rest.unlink()
    (gateway.folder / "gateway.db").write_bytes(b"this is no database" * 1000)

    one_line(await command(gateway.folder, "serve"), UNAVAILABLE, "gateway.db")


@WORKERS
async def test_a_wrong_master_key(floor, workers):
    gateway = GatewayProcess(floor.folder / "gateway", config(1))
    assert (await command(gateway.folder, "user", "list")).code == 0
    other = GatewayProcess(floor.folder / "other", config(1))
    assert (await command(other.folder, "user", "list")).code == 0
    (gateway.folder / "gateway.db.key").write_bytes((other.folder / "gateway.db.key").read_bytes())

    done = await command(gateway.folder, "serve", "--workers", workers)

    one_line(done, UNAVAILABLE, "master key", "back-up")


async def test_a_lost_master_key_is_never_replaced_by_a_new_one(floor):
    gateway = GatewayProcess(floor.folder / "gateway", config(1))
    assert (await command(gateway.folder, "user", "list")).code == 0
    (gateway.folder / "gateway.db.key").unlink()

    one_line(await command(gateway.folder, "serve"), UNAVAILABLE, "gateway.db.key")
    assert not (gateway.folder / "gateway.db.key").exists()


@WORKERS
async def test_a_database_server_that_is_not_there(floor, workers):
    port = free_port()
    url = f"postgresql://postgres@127.0.0.1:{port}/nothing"
    gateway = GatewayProcess(floor.folder / "gateway", config(1, store=url))
    key = {"GATEWAY_STORE__MASTER_KEY": "A" * 43 + "="}

    done = await command(gateway.folder, "serve", "--workers", workers, **key)

    one_line(done, UNAVAILABLE, f"PostgreSQL 127.0.0.1:{port}/nothing")


async def test_a_database_that_does_not_exist_on_a_server_that_does(floor):
    async with database() as place:
        text = config(1, store=place.url().replace(place.name, "gateway_there_is_none"))
        gateway = GatewayProcess(floor.folder / "gateway", text)

        done = await command(gateway.folder, "serve", **place.environment)

    one_line(done, UNAVAILABLE, "gateway_there_is_none")


FAULTY = """\
profle = "default"
workers = 0
[log]
level = "loud"
[[listener]]
name = "orders"
address = "nowhere"
plain = true
[[route]]
name = "exchange"
upstream = []
plain = true
[policy.totp]
window = 9
"""


@pytest.mark.parametrize("name", ["serve", "check-config"])
async def test_every_fault_of_a_configuration_is_listed_at_one_time(floor, name):
    gateway = GatewayProcess(floor.folder / "gateway", FAULTY)

    done = await command(gateway.folder, name)

    assert done.code == USAGE
    for path in ("profle", "workers", "log.level", "listener", "address", "upstream", "policy.totp.window"):
        assert path in done.err
    assert "Traceback" not in done.err


async def test_a_configuration_that_is_no_toml_is_one_line_with_its_place(floor):
    gateway = GatewayProcess(floor.folder / "gateway", "[store\nurl = 1")

    one_line(await command(gateway.folder, "serve"), USAGE, "gateway.toml", "line 1")


@pytest.mark.req("SF-9", "SF-10")
async def test_a_policy_weaker_than_its_profile_is_refused_with_the_row_it_breaks(floor):
    gateway = GatewayProcess(
        floor.folder / "gateway", config(1, top='profile = "sfc-vatp"', policy="sessions.idle = 7200")
    )

    done = await command(gateway.folder, "serve")

    assert done.code == USAGE
    assert re.search(r"policy\.sessions\.idle: 7200.*SF-10", done.err), done.err


async def test_without_a_listener_there_is_nothing_to_serve(floor):
    gateway = GatewayProcess(floor.folder / "gateway", '[store]\nurl = "sqlite:///{folder}/gateway.db"')

    done = await command(gateway.folder, "serve")

    assert done.code == USAGE
    assert "listener" in done.err
    assert (await command(gateway.folder, "user", "list")).code == 0


async def test_the_environment_counts_and_its_faults_are_named(floor):
    gateway = GatewayProcess(floor.folder / "gateway", config(1))

    good = await command(gateway.folder, "check-config", "--json", GATEWAY_SHUTDOWN__GRACE="40 s")
    bad = await command(gateway.folder, "check-config", GATEWAY_SHUTDOWN__GRACE="long")

    assert (good.code, json.loads(good.out)["settings"]["shutdown"]["grace"]) == (0, 40.0)
    assert bad.code == USAGE
    assert "shutdown.grace" in bad.err
