"""What an API application needs of an AMQP library, whichever it is: a `Line`, and what it hears on it.

`m7_aio` and `m7_pika` are two libraries' lines. It must not know what the messages mean.
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from simulators import m7_messages as m7

DIRECT = "amq.rabbitmq.reply-to"
PATIENCE = 30.0  # seconds for one step of a connection


class LineError(Exception):
    """The connection could not be made or is gone; the text is the library's own."""


@dataclass(frozen=True, slots=True)
class Access:
    """How to come in. `password` is asked at each connection: a code may be its end.

    `polls`: nothing is consumed, queues are asked with basic.get. `direct`: answers come by direct reply-to. `external`: the user is
    whom the certificate names.
    """

    host: str
    port: int
    vhost: str
    user: str
    password: Callable[[], str] = field(repr=False)
    suffix: str = "1"
    app_id: str = "m7-client"
    heartbeat: int = 20
    polls: bool = False
    direct: bool = False
    confirms: bool = True
    external: bool = False
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    @property
    def responses(self) -> str:
        """The queue for the answers to this application's requests."""
        return f"m7.private.responseQueue.{self.user}.{self.suffix}"

    @property
    def broadcasts(self) -> str:
        """The queue for what nobody asked for."""
        return m7.broadcasts_of(self.user)

    @property
    def reply_to(self) -> str:
        """What requests name for their answers."""
        return DIRECT if self.direct else self.responses

    def tls(self) -> ssl.SSLContext | None:
        """Return how to check the other side and what to show it; None for a plain line."""
        if self.ca is None:
            return None
        context = ssl.create_default_context(cafile=str(self.ca))
        if self.certificate is not None:
            context.load_cert_chain(self.certificate, self.key)
        return context


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to publish."""

    exchange: str
    routing_key: str
    body: bytes = field(repr=False)
    correlation_id: str = ""
    user_id: str = ""
    app_id: str = ""
    reply_to: str = ""
    encoding: str = ""
    headers: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message that came. `polled`: it was asked for."""

    queue: str
    body: bytes = field(repr=False)
    correlation_id: str = ""
    encoding: str = ""
    headers: dict[str, object] = field(default_factory=dict)
    polled: bool = False


class Ears(Protocol):
    """What a line tells; on a thread of its own."""

    def delivered(self, delivery: Delivery) -> None:
        """Take a message."""

    def told(self, event: str, /, **fields: object) -> None:
        """Take note of `connected`, `closed`, `reconnected`, `confirmed`, `returned`, `rejected`, `unsent`, `blocked`, `unblocked`."""


class Line(Protocol):
    """One connection of one library. Each call may raise LineError; none blocks longer than `PATIENCE`."""

    def connect(self) -> None:
        """Connect, declare the own queues and consume from them (or not, where the application polls)."""

    def publish(self, messages: list[Outgoing]) -> None:
        """Hand messages over, in order, without waiting for confirms: those are told."""

    def get(self, queue: str) -> bool:
        """Ask a queue once with basic.get; say whether there was a message."""

    def renew(self, secret: str) -> None:
        """Send Connection.UpdateSecret and wait for the answer."""

    def drop(self) -> None:
        """Break the TCP connection without a word."""

    def close(self) -> None:
        """Close in order and stay away."""
