"""Clients from anywhere in the world: behind a load balancer that says where they are (PROXY protocol v2, X-Forwarded-For).

It must not import the gateway.
"""

import asyncio
import fcntl
import itertools
import json
import shutil
import socket
import struct
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import httpx
from lxml import html

from tests.blackbox.floor import Floor
from tests.blackbox.gateway_process import GatewayProcess, Line
from tests.blackbox.ops_peers import Client, Exchange
from tests.blackbox.ops_rig import add_user, config
from tests.blackbox.people import PASSWORD, Person
from tests.blackbox.ports import free_port

HONG_KONG, BERLIN, TOKYO = "202.14.67.4", "85.214.132.117", "133.243.3.1"
NOBODYS = "203.0.113.{}".format
"""Addresses of no country (RFC 5737)."""
BALANCED = 'plain = true\nproxy_protocol_from = ["127.0.0.1/32"]'
ROOM = "lockout.threshold = 50\nlockout.address_budget = 10000\n"
"""What is not tested here must not be in the way."""
_PORTAL = """\
[portal]
url = "https://portal.example"
address = "127.0.0.1:{number}"
plain = true
forwarded_from = ["127.0.0.1/32"]
"""


CROWD = 10
SENDERS = 20
"""SenderCompIDs of each: as many sessions at one time."""


def settle(folder: Path) -> list[Person]:
    """Make ten traders, or read who was made by another worker of the same test run."""
    folder.mkdir(parents=True, exist_ok=True)
    known = folder / "crowd.json"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not known.exists():
            known.write_text(json.dumps([asdict(one) for one in asyncio.run(_make(folder))]))
    return [Person(**one) for one in json.loads(known.read_text())]


def _move_in(crowd: Path, folder: Path) -> list[Person]:
    """Copy their database and its key into a gateway's folder."""
    people = settle(crowd)
    folder.mkdir(parents=True, exist_ok=True)
    for file in crowd.glob("gateway.db*"):
        shutil.copy(file, folder / file.name)
    return people


async def _make(folder: Path) -> list[Person]:
    gateway = GatewayProcess(folder, config(1))
    for _ in range(2):  # two at a time; one store is made first
        await gateway.run("sessions", "--json")
    made: list[Person] = []
    for first in range(0, CROWD, 2):
        pair = [f"trader{number}" for number in (first, first + 1)]
        made += await asyncio.gather(*(add_user(gateway, name, *senders(name)) for name in pair))
    return made


def senders(name: str) -> list[str]:
    return [f"{name.upper()}-{number}" for number in range(SENDERS)]


def header(address: str) -> bytes:
    """A PROXY protocol v2 header for TCP over IPv4, from that address."""
    addresses = socket.inet_aton(address) + socket.inet_aton("127.0.0.1") + struct.pack("!HH", 40000, 1)
    return b"\r\n\r\n\x00\r\nQUIT\n\x21\x11" + struct.pack("!H", len(addresses)) + addresses


class FromAfar(Client):
    """A FIX client whose connection comes by way of the load balancer."""

    def __init__(self, port: int, person: Person, address: str, sender: str = "") -> None:
        super().__init__(port, person, sender)
        self._from = address

    async def connect(self) -> None:
        await super().connect()
        await self.send(header(self._from))


@dataclass
class Watched:
    """A gateway with detection on, a FIX engine behind it, its portal, and ten traders."""

    gateway: GatewayProcess
    exchange: Exchange
    portal: int
    people: list[Person]
    _visits: Iterator[int] = field(default_factory=itertools.count)

    def _from(self, person: Person, address: str) -> FromAfar:
        """A client of that person with a session of its own, so that each begins with sequence number 1."""
        return FromAfar(self.gateway.port, person, address, senders(person.name)[next(self._visits) % SENDERS])

    async def logs_in(self, person: Person, address: str, code: str | None = None) -> bool:
        """Log in over FIX from an address, stay a moment, and leave."""
        async with self._from(person, address) as client:
            entered = await client.log_in(code) == "A"
            if entered:
                await client.logout()
            return entered

    async def told(self, person: Person, address: str, code: str | None = None) -> str:
        """Log in over FIX where it is refused; return what the client reads."""
        async with self._from(person, address) as client:
            assert await client.log_in(code) == "5", self.gateway.report()
            return client.text

    async def signs_in(self, person: Person, address: str, code: str | None = None, password: str = PASSWORD) -> bool:
        """Sign in to the portal as a browser behind the load balancer does."""
        base = f"http://127.0.0.1:{self.portal}"
        host = {"host": "portal.example", "x-forwarded-for": address, "x-forwarded-proto": "https"}
        async with httpx.AsyncClient(base_url=base, headers=host, timeout=60) as browser:
            page = await browser.get("/sign-in")
            (form,) = [one for one in html.fromstring(page.text).forms if one.action == "/sign-in"]
            fields = dict(form.form_values()) | {"user": person.name, "password": password}
            fields["code"] = person.code() if code is None else code
            cookies = "; ".join(one.split(";")[0] for one in page.headers.get_list("set-cookie"))
            answer = await browser.post(
                "/sign-in", data=fields, headers={"cookie": cookies, "origin": "https://portal.example"}
            )
            assert answer.status_code in {303, 403}, (answer.status_code, answer.text)
            return answer.status_code == 303

    async def alerts(self, *options: str) -> list[dict]:
        return json.loads(await self.gateway.run("alerts", "list", "--json", *options))

    async def found(self) -> list[tuple[str, str, int]]:
        """Rule, subject and count of the alerts that nobody has acknowledged, the latest first."""
        return [(one["rule"], one["subject"], one["count"]) for one in await self.alerts()]

    async def acknowledge(self) -> None:
        for alert in await self.alerts():
            await self.gateway.run("alerts", "acknowledge", alert["id"])

    def warned(self, rule: str) -> list[Line]:
        return self.gateway.seen(event="alert", rule=rule)

    async def counted(self, rule: str, outcome: str) -> float:
        """Return what the metric says."""
        wanted = f'gateway_alerts_total{{outcome="{outcome}",rule="{rule}"}} '
        lines = (await self.gateway.page("/metrics")).splitlines()
        return sum(float(line.removeprefix(wanted)) for line in lines if line.startswith(wanted))


@asynccontextmanager
async def watched(
    floor: Floor, crowd: Path, detection: str, *, policy: str = "", listener: str = BALANCED
) -> AsyncIterator[Watched]:
    """Start everything; `crowd` is the folder of the ten, `detection` the table of that name."""
    number, people = free_port(), await asyncio.to_thread(_move_in, crowd, floor.folder / "gateway")
    async with Exchange() as exchange:
        text = config(exchange.port, listener=listener, policy=ROOM + policy)
        gateway = await floor.gateway(text + _PORTAL.format(number=number) + detection)
        yield Watched(gateway, exchange, number, people)


async def calm(person: Person) -> None:
    """Wait for a time that is not just before the next code."""
    if person.seconds_left() < 10:
        await asyncio.sleep(person.seconds_left() + time.time() % 0.1)
