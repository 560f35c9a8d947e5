"""What the operations tests are made of: a configuration, a user made by hand, commands that may fail, a database.

They drive the gateway as an operator does: `gateway serve`, its commands, its signals. It must not import the gateway.
"""

import asyncio
import base64
import contextlib
import json
import os
import secrets
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from tests.blackbox.floor import Floor
from tests.blackbox.gateway_process import COMMAND, PATIENCE, GatewayProcess
from tests.blackbox.people import PASSWORD, Person

SERVER = os.environ.get("GATEWAY_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")
SQLITE = "sqlite:///{folder}/gateway.db"
WITHIN_STEP = 'totp.reuse = "within_step"'
_CONFIG = """\
{top}
[store]
url = "{store}"
{store_more}
[admin]
address = "{admin}"
[argon2]
time_cost = 1
memory_cost = 8192
[shutdown]
grace = {grace}
[policy]
refusal_floor = 0.05
{policy}
[[listener]]
name = "orders"
address = "127.0.0.1:{port}"
{listener}
[[route]]
name = "exchange"
upstream = ["127.0.0.1:{engine}"]
{route}
"""


def config(
    engine: int,
    *,
    store: str = SQLITE,
    store_more: str = "",
    policy: str = WITHIN_STEP,
    listener: str = "plain = true",
    route: str = "plain = true",
    grace: float = 0,
    top: str = "",
) -> str:
    """Return a configuration with one listener and one engine; each part can be replaced."""
    parts = {"top": top, "store_more": store_more, "policy": policy, "listener": listener, "route": route}
    text = _CONFIG.replace("{grace}", str(grace)).replace("{engine}", str(engine)).replace("{store}", store)
    for name, part in parts.items():
        text = text.replace("{%s}" % name, part)
    return text


# ── commands ──


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


async def command(folder: Path, *arguments: str, stdin: str = "", **environment: str) -> Done:
    """Run the executable in a folder, to whatever end it comes."""
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, *arguments),
        cwd=folder,
        env={**os.environ, "COLUMNS": "200", **environment},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            out, err = await process.communicate(stdin.encode())
    except TimeoutError:
        process.kill()
        raise AssertionError(f"{arguments} does not end\n{await process.communicate()}") from None
    assert process.returncode is not None
    return Done(process.returncode, out.decode(), err.decode())


async def add_user(gateway: GatewayProcess, name: str, *comp_ids: str, options: tuple[str, ...] = ()) -> Person:
    """Make a user and its authenticator with the gateway's own commands."""
    named = [option for comp_id in comp_ids for option in ("--comp-id", comp_id)]
    await gateway.run("user", "add", name, *named, *options, "--password-stdin", stdin=PASSWORD + "\n")
    made = json.loads(await gateway.run("totp", "enroll", name, "--confirmed", "--json"))
    return Person(name, made["secret"], 30, comp_ids[0])


async def live(gateway: GatewayProcess) -> list[dict[str, Any]]:
    """Return the session table as an operator sees it."""
    return json.loads(await gateway.run("sessions", "--json"))


async def audit_is_whole(gateway: GatewayProcess) -> int:
    """Check the audit chain; returns how many rows it has."""
    found = json.loads(await gateway.run("audit", "verify", "--json"))
    assert found["intact"], found
    return found["rows"]


def tell(gateway: GatewayProcess, number: signal.Signals) -> None:
    """Send the running gateway a signal, and wait for nothing."""
    os.kill(gateway.pid, number)


async def eventually(condition: Callable[[], object], what: str = "it", *, within: float = PATIENCE) -> None:
    """Wait, bounded, for something that other processes do."""
    try:
        async with asyncio.timeout(within):
            while not condition():  # noqa: ASYNC110  a bounded poll
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"{what} never happened") from None


async def status(gateway: GatewayProcess, path: str, wanted: int) -> None:
    """Wait, bounded, until an admin page answers with this status."""
    try:
        async with asyncio.timeout(PATIENCE):
            while await gateway.get(path) != wanted:  # noqa: ASYNC110  a bounded poll
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"{path} never said {wanted}\n{gateway.report()}") from None


async def never_ready(floor: Floor, text: str, *arguments: str, name: str = "gateway") -> Done:
    """Run `gateway serve` with a configuration that must not come up; returns how it ended."""
    gateway = GatewayProcess(floor.folder / name, text)
    return await command(gateway.folder, "serve", "--config", str(gateway.config_file), *arguments)


# ── PostgreSQL ──


@dataclass(frozen=True)
class Database:
    """A database of the test's own; `url(port)` leads there, by way of a relay where a port is given."""

    name: str
    master_key: str

    @property
    def port(self) -> int:
        return urlsplit(SERVER).port or 5432

    def url(self, port: int = 0) -> str:
        server = urlsplit(SERVER)
        account = server.netloc.rpartition("@")[0]
        host = f"{account}@127.0.0.1" if account else "127.0.0.1"
        return f"postgresql://{host}:{port or self.port}/{self.name}"

    @property
    def environment(self) -> dict[str, str]:
        return {"GATEWAY_STORE__MASTER_KEY": self.master_key}


@contextlib.asynccontextmanager
async def database() -> AsyncIterator[Database]:
    """Make a database and drop it afterwards."""
    here = Database(f"gateway_test_{secrets.token_hex(8)}", base64.b64encode(secrets.token_bytes(32)).decode())
    await _administer(f"CREATE DATABASE {here.name}")
    try:
        yield here
    finally:
        await _administer(f"DROP DATABASE {here.name} WITH (FORCE)")


async def _administer(statement: str) -> None:
    try:
        connection = await asyncpg.connect(SERVER, timeout=10)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        pytest.fail(f"PostgreSQL is needed at {SERVER} (GATEWAY_TEST_POSTGRES): {error}", pytrace=False)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
