"""What a test knows of an AMQP library: an address to connect to, an inbox, and the face that all libraries get.

It must not know any library.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol

from tests.blackbox.gateway_process import PATIENCE

DIRECT_REPLY = "amq.rabbitmq.reply-to"
Properties = Mapping[str, str]


@dataclass(frozen=True)
class Address:
    """Where a client connects to, and as whom; `ca` (a PEM file) asks for TLS."""

    port: int
    user: str
    password: str
    vhost: str
    ca: Path | None = None
    heartbeat: int = 0

    @property
    def context(self) -> ssl.SSLContext | None:
        return ssl.create_default_context(cafile=str(self.ca)) if self.ca else None


@dataclass(frozen=True)
class Message:
    """What a library handed over."""

    queue: str
    body: bytes
    correlation_id: str = ""
    content_encoding: str = ""


@dataclass
class Inbox:
    """What arrived at a client, in order. Invariant: `until` never returns the same message twice."""

    messages: list[Message] = field(default_factory=list)
    closed: str | None = None
    """Why the connection ended; None while it lives."""

    def __post_init__(self) -> None:
        self._taken: set[int] = set()
        self._changed = asyncio.Condition()

    async def put(self, message: Message) -> None:
        async with self._changed:
            self.messages.append(message)
            self._changed.notify_all()

    async def end(self, text: str) -> None:
        async with self._changed:
            self.closed = self.closed or text
            self._changed.notify_all()

    async def until(self, fits: Callable[[Message], bool], *, within: float = PATIENCE) -> Message:
        """Wait for the next message that fits."""
        try:
            async with asyncio.timeout(within), self._changed:
                while (at := self._find(fits)) is None:
                    assert self.closed is None, f"closed: {self.closed}; came: {self.messages}"
                    await self._changed.wait()
                self._taken.add(at)
                return self.messages[at]
        except TimeoutError:
            raise AssertionError(f"no such message within {within} s; came: {self.messages}") from None

    async def until_closed(self, *, within: float = PATIENCE) -> str:
        """Wait until the connection has ended; returns why, as the library has it."""
        try:
            async with asyncio.timeout(within), self._changed:
                await self._changed.wait_for(lambda: self.closed is not None)
        except TimeoutError:
            raise AssertionError(f"still open; came: {self.messages}") from None
        return str(self.closed)

    def _find(self, fits: Callable[[Message], bool]) -> int | None:
        free = (at for at in range(len(self.messages)) if at not in self._taken)
        return next((at for at in free if fits(self.messages[at])), None)


class Line(Protocol):
    """One connection. `publish` returns when the broker (or whoever stands before it) has confirmed; errors are the library's."""

    library: ClassVar[str]
    inbox: Inbox

    async def connect(self, address: Address) -> None: ...
    async def declare(self, name: str, *, exclusive: bool) -> None: ...
    async def consume(self, name: str) -> None: ...
    async def get(self, name: str) -> Message | None: ...
    async def publish(self, exchange: str, key: str, body: bytes, properties: Properties) -> None: ...
    async def close(self) -> None: ...
