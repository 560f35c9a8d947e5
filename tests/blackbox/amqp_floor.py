"""Where an AMQP test plays: a vhost with M7's exchange behind, gateways before it, and applications or raw peers in front.

`Market` starts them and ends them. It must not import the gateway.
"""

import dataclasses
import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

from tests.blackbox import amqp_bytes as amqp
from tests.blackbox import amqp_m7 as m7
from tests.blackbox.amqp_app import App
from tests.blackbox.amqp_clients import LIBRARIES
from tests.blackbox.amqp_exchange import Exchange
from tests.blackbox.amqp_lines import DIRECT_REPLY, Address, Line
from tests.blackbox.amqp_peer import Peer, peer
from tests.blackbox.broker import SERVICE, Vhost
from tests.blackbox.floor import Floor
from tests.blackbox.gateway_process import GatewayProcess
from tests.blackbox.ops_peers import Client as FixClient
from tests.blackbox.ops_peers import Exchange as FixExchange
from tests.blackbox.people import PASSWORD, People, Person
from tests.blackbox.ports import free_port

SAME_CODE_AGAIN = 'totp.reuse = "within_step"\n'
NEVER = 'totp.reuse = "never"\n'
_CONFIG = """\
profile = "{profile}"
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
grace = 0
[policy]
refusal_floor = 0.05
{policy}
[[listener]]
name = "api"
protocol = "amqp"
venue = "{venue}"
routes = ["venue"]
address = "127.0.0.1:{port}"
{listener}
[[route]]
name = "venue"
upstream = ["127.0.0.1:{broker}"]
{route}
{service}
{more}
"""
_SERVICE = """\
[route.service]
user = "{user}"
password = "{password}"
vhost = "{vhost}"
"""
_FIX = """\
[[listener]]
name = "orders"
routes = ["engine"]
address = "127.0.0.1:{fix}"
plain = true
[[route]]
name = "engine"
upstream = ["127.0.0.1:{engine}"]
plain = true
"""
SQLITE = "sqlite:///{folder}/gateway.db"


@dataclasses.dataclass(frozen=True)
class FixDoor:
    """A FIX listener beside the AMQP one, and the engine behind it. `config` goes into the gateway's as `more`."""

    port: int
    engine: FixExchange

    @property
    def config(self) -> str:
        return _FIX.replace("{fix}", str(self.port)).replace("{engine}", str(self.engine.port))

    def client(self, person: Person, sender: str = "") -> FixClient:
        """Return a FIX client of that person; `async with` it."""
        return FixClient(self.port, person, sender)


class Market:
    """Everything around a gateway that speaks AMQP. `exchange` is open from the start; gateways are started by name.

    `own_exchange` False: the test brings an exchange of its own, as two of them would share the requests.
    """

    def __init__(self, floor: Floor, people: People, vhost: Vhost, *, own_exchange: bool = True) -> None:
        self.floor = floor
        self.people = people
        self.vhost = vhost
        self.exchange = Exchange(vhost)
        self._stack = AsyncExitStack()
        self._last: GatewayProcess | None = None
        self._own_exchange = own_exchange

    async def __aenter__(self) -> Self:
        if self._own_exchange:
            await self._stack.enter_async_context(self.exchange)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    # ── gateways ──

    def config(
        self,
        *,
        policy: str = SAME_CODE_AGAIN,
        listener: str = "plain = true",
        route: str = "plain = true",
        broker: int = 0,
        venue: str = "m7",
        profile: str = "default",
        store: str = SQLITE,
        store_more: str = "",
        top: str = "",
        more: str = "",
    ) -> str:
        """Return a gateway's configuration; `broker` is a port (a relay's), else the broker's own."""
        service = _SERVICE
        for name, part in {"user": SERVICE, "password": PASSWORD, "vhost": self.vhost.name}.items():
            service = service.replace("{%s}" % name, part)
        parts = {
            "policy": policy,
            "listener": listener,
            "route": route,
            "broker": str(broker or self.vhost.broker.amqp),
            "venue": venue,
            "profile": profile,
            "store": store,
            "store_more": store_more,
            "service": service,
            "top": top,
            "more": more,
        }
        text = _CONFIG
        for name, part in parts.items():
            text = text.replace("{%s}" % name, part)
        return text

    async def gateway(
        self, *arguments: str, name: str = "gateway", environment: dict[str, str] | None = None, **config
    ) -> GatewayProcess:
        """Start a gateway that knows everybody (on SQLite)."""
        self.people.move_in(self.floor.folder / name)
        self._last = await self.floor.gateway(self.config(**config), *arguments, name=name, **(environment or {}))
        return self._last

    async def fix_door(self) -> FixDoor:
        """Open a FIX engine for a gateway that shall speak both."""
        return FixDoor(free_port(), await self._stack.enter_async_context(FixExchange()))

    @property
    def last(self) -> GatewayProcess:
        """The gateway started last."""
        assert self._last is not None
        return self._last

    @property
    def trader(self) -> Person:
        return self.people.trader

    # ── who comes in front ──

    def address(self, person: Person, port: int = 0, **other: object) -> Address:
        """Where a client finds the gateway started last (or another port), as this person."""
        address = Address(port or self.last.port, person.name, PASSWORD, self.vhost.name)
        return dataclasses.replace(address, **other)

    async def app(
        self,
        person: Person | None = None,
        library: str = "aio-pika",
        *,
        line: Line | None = None,
        port: int = 0,
        ca: Path | None = None,
        heartbeat: int = 0,
        **options: object,
    ) -> App:
        """Return an application whose queues are open, not logged in yet."""
        person = person or self.trader
        line = line or LIBRARIES[library]()
        app = App(line, person, self.address(person, port, ca=ca, heartbeat=heartbeat), **options)
        self._stack.push_async_callback(line.close)
        await app.open()
        return app

    async def wire(self, port: int = 0, context: ssl.SSLContext | None = None) -> Peer:
        """Return a raw connection on which nothing was said yet."""
        return await self._stack.enter_async_context(peer(port or self.last.port, context))

    async def hand(self, person: Person | None = None, *, port: int = 0, **options) -> "Hand":
        """Return an M7 client written by hand, its answer queue open, not logged in yet."""
        hand = Hand(await self.wire(port), person or self.trader, self.vhost.name)
        await hand.open(**options)
        return hand

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the exchange's books show that."""
        await self.exchange.until(condition)


class Hand:
    """An M7 client over a raw peer: every frame can be chosen. It uses channel 1 and gets its answers in `queue`."""

    def __init__(self, peer: Peer, person: Person, vhost: str) -> None:
        self.peer = peer
        self.person = person
        self.vhost = vhost
        self.queue = m7.answers_of(person.name, "hand")

    async def open(
        self,
        *,
        confirms: bool = False,
        direct: bool = False,
        password: str = PASSWORD,
        mechanism: str = "PLAIN",
        **tuning: int,
    ) -> None:
        """Handshake, channel 1, and an answer queue of its own (`direct`: RabbitMQ's direct reply-to)."""
        await self.peer.handshake(self.person.name, password, vhost=self.vhost, mechanism=mechanism, **tuning)
        await self.peer.open_channel(1, confirms=confirms)
        if direct:
            self.queue = DIRECT_REPLY
        else:
            self.queue = m7.answers_of(self.person.name, f"hand{id(self)}")
            await self.peer.send(amqp.queue_declare(1, self.queue))
            await self.peer.method("queue.declare-ok")
        await self.peer.send(amqp.consume(1, self.queue))
        await self.peer.method("basic.consume-ok")

    def request(
        self, body: bytes, number: str, key: str = m7.MANAGEMENT, *, channel: int = 1, split: int = 100_000, **other
    ) -> bytes:
        """Return the frames of a request; `other` replaces its properties."""
        exchange = other.pop("exchange", m7.exchange_of(self.person.name))
        given = {
            "content_type": m7.TYPE,
            "correlation_id": number,
            "reply_to": self.queue,
            "user_id": self.person.name,
            "app_id": self.person.sender,
            **other,
        }
        return amqp.publish(
            channel, exchange, key, body, split=split, **{name: text for name, text in given.items() if text}
        )

    def login(self, code: str | None = None, number: str = "login", *, force: bool | None = None, **other) -> bytes:
        """Return the frames of a LoginReq; a good code unless another is given."""
        body = m7.login(self.person.name, self.person.code() if code is None else code, force=force)
        return self.request(body, number, m7.INQUIRY, **other)

    def order(self, name: str, **other) -> bytes:
        """Return the frames of an order; its correlation id is its name."""
        return self.request(m7.order(name), name, **other)

    async def answer(self, number: str) -> m7.Read:
        """Wait for the answer to a request."""
        return m7.read((await self.peer.content(correlation_id=number)).body)

    async def log_in(
        self, code: str | None = None, number: str = "login", *, force: bool | None = None, **other
    ) -> m7.Read:
        """Log in and return the answer, good or bad."""
        await self.peer.send(self.login(code, number, force=force, **other))
        return await self.answer(number)

    async def logged_in(self, **other) -> "Hand":
        """Log in and insist on it."""
        answer = await self.log_in(**other)
        assert answer.name == "UserRprt", answer
        return self

    async def trade(self, name: str) -> None:
        """Send an order and wait for its answer."""
        await self.peer.send(self.order(name))
        answer = await self.answer(name)
        assert answer.name == "AckResp", answer
