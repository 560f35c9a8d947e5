"""A trading application of M7 over any of the AMQP libraries: opens its queues, logs in, trades, and keeps what it was told.

It must not know that there is a gateway before it.
"""

import gzip
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from tests.blackbox import amqp_m7 as m7
from tests.blackbox.amqp_lines import DIRECT_REPLY, Address, Line, Message
from tests.blackbox.people import Person

_suffixes = itertools.count(1)


@dataclass
class App:
    """One application. `replies` says how it gets its answers: "consume", "get" (polling) or "direct" reply-to."""

    line: Line
    person: Person
    address: Address
    replies: str = "consume"
    gzip: bool = False
    session: str = ""
    """The exchange's id of the session, once logged in."""
    queue: str = field(default="", init=False)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1), init=False)

    async def open(self) -> None:
        """Connect and set up the queues, as every M7 client does before its login."""
        await self.line.connect(self.address)
        await self.line.declare(m7.broadcasts_of(self.person.name), exclusive=False)
        await self.line.consume(m7.broadcasts_of(self.person.name))
        self.queue = DIRECT_REPLY
        if self.replies != "direct":
            self.queue = m7.answers_of(self.person.name, f"{self.line.library}-{next(_suffixes)}")
            await self.line.declare(self.queue, exclusive=True)
        if self.replies != "get":
            await self.line.consume(self.queue)

    async def send(self, body: bytes, key: str = m7.MANAGEMENT, **other: str) -> str:
        """Publish a request; returns its correlation id once the broker has confirmed it."""
        number = f"{self.person.name}-{next(self._numbers)}"
        properties = {
            "content_type": m7.TYPE,
            "reply_to": self.queue,
            "correlation_id": number,
            "user_id": self.person.name,
            "app_id": self.person.sender,
            **({"content_encoding": "gzip"} if self.gzip else {}),
            **other,
        }
        exchange = m7.exchange_of(self.person.name)
        await self.line.publish(exchange, key, gzip.compress(body) if self.gzip else body, properties)
        return number

    async def ask(self, body: bytes, key: str = m7.MANAGEMENT, **other: str) -> m7.Read:
        """Publish a request and wait for its answer."""
        return m7.read((await self.answer(await self.send(body, key, **other))).body)

    async def answer(self, number: str) -> Message:
        """Wait for the answer to a request."""
        if self.replies != "get":
            return await self.line.inbox.until(lambda message: message.correlation_id == number)
        while (got := await self.line.get(self.queue)) is None or got.correlation_id != number:
            assert self.line.inbox.closed is None, self.line.inbox.closed
        return got

    async def log_in(self, code: str | None = None, *, force: bool | None = None) -> m7.Read:
        """Send a LoginReq with a code (a good one unless given); returns the answer, good or bad."""
        answer = await self.ask(m7.login(self.person.name, code or self.person.code(), force=force), m7.INQUIRY)
        self.session = answer["sessionId"]
        return answer

    async def logged_in(self, *, force: bool | None = None) -> "App":
        """Log in and insist on it."""
        answer = await self.log_in(force=force)
        assert answer.name == "UserRprt", answer
        return self

    async def order(self, name: str) -> m7.Read:
        """Send an order; returns the answer."""
        return await self.ask(m7.order(name))

    async def log_out(self) -> m7.Read:
        return await self.ask(m7.logout(self.session), m7.INQUIRY)

    async def told(self, name: str) -> m7.Read:
        """Wait for a broadcast of that name."""
        mine = m7.broadcasts_of(self.person.name)
        message = await self.line.inbox.until(lambda one: one.queue == mine and m7.read(one.body).name == name)
        return m7.read(message.body)

    def at(self, port: int) -> Address:
        """The same address at another port."""
        return replace(self.address, port=port)
