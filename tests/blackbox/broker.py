"""A private RabbitMQ for the tests, and a vhost of its own for each test, laid out as deploy/rabbitmq has it.

`.ci/services` starts one broker for the whole run and names it in GATEWAY_TEST_BROKER; without it the first test that needs
one starts it, all workers share it, and it ends with the run. It must not import the gateway.
"""

import asyncio
import fcntl
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from simulators.m7_node import Broker
from tests.blackbox.people import PASSWORD

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 30.0  # seconds; a bound for a slow machine, never a measure
BACKEND, SERVICE = "m7-backend", "gateway"
REQUESTS = "m7.backend.requests"
"""The queue of the exchange's backend: whatever reached the exchange and was not taken yet."""


def shared_broker(base: Path) -> Broker:
    """Return the run's broker. `base` is a folder that all workers of the run share."""
    if named := os.environ.get("GATEWAY_TEST_BROKER"):
        return Broker.from_json(named)
    base.mkdir(parents=True, exist_ok=True)
    known = base / "broker.json"
    with (base / "broker.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not known.exists():
            known.write_text(_start(base))
    return Broker.from_json(known.read_text())


def _start(base: Path) -> str:
    run = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
    command = [sys.executable, "-m", "simulators.m7_broker", "--json", "--until-gone", str(run)]
    with (base / "broker.out").open("w") as out:
        child = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=out)
        line = child.stdout.readline()
        child.stdout.close()
    child.returncode = 0  # it is the run's, not this worker's: nobody waits for it here
    if not line or json.loads(line)["event"] != "ready":
        pytest.fail(f"no private RabbitMQ: {line.decode()} {(base / 'broker.out').read_text()}")
    return line.decode()


@dataclass(frozen=True)
class Vhost:
    """One venue on the broker: a vhost that only this test uses. Every user's password is `PASSWORD`."""

    broker: Broker
    name: str
    folder: Path

    async def welcome(self, *clients: str, options: Sequence[str] = ()) -> None:
        """Add clients (users are the broker's, permissions this vhost's): what deploy/rabbitmq/definitions.py writes for them."""
        await asyncio.to_thread(self.settle, clients, options)

    def settle(self, clients: Sequence[str], options: Sequence[str] = ()) -> None:
        """Add clients, without an event loop."""
        passwords = self.folder / "broker-passwords"
        passwords.write_text("".join(f"{name}:{PASSWORD}\n" for name in (*clients, BACKEND, SERVICE)))
        named = [word for client in clients for word in ("--client", client)]
        program = [sys.executable, str(ROOT / "deploy" / "rabbitmq" / "definitions.py"), "--vhost", self.name]
        done = subprocess.run(
            [*program, "--passwords", str(passwords), *named, *options], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        self._define(json.loads(done.stdout))

    def _define(self, definitions: dict[str, Any]) -> None:
        """Import them, one test at a time: RabbitMQ refuses a user that another import is adding at that moment."""
        with Path(self.broker.ca).with_name("definitions.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.broker.api().define(definitions)

    def url(self, user: str, *, port: int = 0, password: str = PASSWORD) -> str:
        """Return the AMQP URL by which that user comes in; `port` is a gateway's, else the broker's own plain one."""
        return (
            f"amqp://{quote(user, safe='')}:{quote(password, safe='')}@127.0.0.1:{port or self.broker.amqp}/{self.name}"
        )

    async def get(self, path: str) -> Any:
        """Ask the management API about this vhost: `queues`, `exchanges/NAME/bindings/source` ..."""
        return await asyncio.to_thread(self._get, path)

    def _get(self, path: str) -> Any:
        kind, _, rest = path.partition("/")
        return self.broker.api().call("GET", f"{kind}/{quote(self.name, safe='')}{'/' + rest if rest else ''}")

    async def waiting(self, queue: str = REQUESTS) -> int:
        """Count the messages that lie in a queue now, by taking a passive declare's word: statistics lag."""
        return await asyncio.to_thread(self._waiting, queue)

    def _waiting(self, queue: str) -> int:
        import pika

        with pika.BlockingConnection(pika.URLParameters(self.url(BACKEND))) as connection:
            return int(connection.channel().queue_declare(queue, passive=True).method.message_count)

    async def connections(self, user: str = "") -> list[str]:
        """Return the names of the broker's connections of this vhost, of one user if named."""
        return await asyncio.to_thread(self.broker.api().connections, self.name, user)

    async def until_connections(self, count: int, user: str = "") -> list[str]:
        """Wait until the broker shows so many connections."""
        found: list[str] = []
        try:
            async with asyncio.timeout(PATIENCE):
                while len(found := await self.connections(user)) != count:  # noqa: ASYNC110  a bounded poll
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"not {count} connections of {user or 'anyone'} but {found}") from None
        return found

    async def cut(self, user: str, reason: str = "maintenance") -> None:
        """Close the user's connections with 320 CONNECTION_FORCED and that text."""
        for name in await self.connections(user):
            await asyncio.to_thread(self.broker.api().close_connection, name, reason)


def open_vhost(broker: Broker, folder: Path, clients: Sequence[str]) -> Vhost:
    """Make a vhost with these clients in it."""
    vhost = Vhost(broker, f"app-{uuid.uuid4().hex[:12]}", folder)
    vhost.settle(clients)
    return vhost
