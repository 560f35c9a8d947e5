"""The exchange's end of the broker: requests come from one queue, answers and broadcasts go to the users' queues.

It must not decide what to answer; `simulators.m7_backend` does.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, HeadersType

from simulators import m7_messages as m7
from simulators.console import CommandError, Console
from simulators.m7_backend import Backend, Reply, Request
from simulators.m7_management import Management

REQUESTS = "m7.backend.requests"
_CUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where the broker is. `management` closes connections; None: this exchange can't."""

    host: str
    port: int
    vhost: str
    management: Management | None


class Exchange:
    """The backend on its broker.

    Invariants: requests are taken one after the other, in the order in which they came; each of a user's broadcasts has the next
    x-m7-group-sequence.
    """

    def __init__(self, place: Place, console: Console) -> None:
        self._place = place
        self._console = console
        self._sequence: Counter[str] = Counter()
        self._requests: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._channel: AbstractChannel | None = None
        self.backend = Backend(console.event)
        self.alive = 0.0

    async def open(self, user: str, password: str, clients: list[str]) -> None:
        """Connect, declare what clients publish to, and begin."""
        place = self._place
        connection = await aio_pika.connect_robust(
            host=place.host, port=place.port, login=user, password=password, virtualhost=place.vhost
        )
        self._channel = await connection.channel(publisher_confirms=False)
        queue = await self._channel.declare_queue(REQUESTS, durable=True)
        for client in clients:
            exchange = await self._channel.declare_exchange(m7.requests_of(client), "direct", durable=True)
            for key in (m7.INQUIRY, m7.MANAGEMENT):
                await queue.bind(exchange, key)
            self.backend.account(client)
        await queue.consume(self._requests.put)
        self._spawn(self._serve())
        self._spawn(self._beat())

    async def broadcast(self, user: str, body: bytes, content_type: str = m7.BROADCAST_TYPE) -> None:
        """Put a message into the user's broadcast queue; lost where the user has none, as at M7."""
        self._sequence[user] += 1
        headers: HeadersType = {
            "x-m7-group-id": f"private.{user}",
            "x-m7-group-sequence": self._sequence[user],
            "server-timestamp": int(time.time() * 1000),
        }
        encoding = "" if body == m7.ALIVE else self.backend.behaviour.encoding
        await self._publish(
            m7.broadcasts_of(user),
            aio_pika.Message(
                m7.packed(body, encoding),
                content_type=content_type,
                content_encoding=encoding or None,
                headers=headers,
            ),
        )

    async def carry_out(self, user: str, reply: Reply, request: AbstractIncomingMessage | None = None) -> None:
        """Answer, broadcast, close."""
        if reply.answer is not None and request is not None and request.reply_to:
            encoding = self.backend.behaviour.encoding
            answer = aio_pika.Message(
                m7.packed(reply.answer, encoding),
                content_type=m7.RESPONSE_TYPE,
                content_encoding=encoding or None,
                correlation_id=request.correlation_id,
                headers={"server-timestamp": int(time.time() * 1000)},
            )
            await self._publish(request.reply_to, answer)
        for body in reply.broadcasts:
            await self.broadcast(user, body)
        if reply.close:
            await self.cut(user, reply.close)

    async def cut(self, user: str, text: str) -> int:
        """Close the user's connections at the broker with 320 CONNECTION_FORCED; returns how many."""
        api, vhost = self._place.management, self._place.vhost
        if api is None:
            raise CommandError("closing connections needs --management-port")
        names: list[str] = []
        deadline = time.monotonic() + _CUT_SECONDS
        while not names and time.monotonic() < deadline:  # the API shows a new connection a moment late
            names = await asyncio.to_thread(api.connections, vhost, user)
            await asyncio.sleep(0 if names else 0.1)
        for name in names:
            await asyncio.to_thread(api.close_connection, name, text)
        return len(names)

    async def _publish(self, queue: str, message: aio_pika.Message) -> None:
        if self._channel is None:
            raise CommandError("not connected")
        await self._channel.default_exchange.publish(message, queue, mandatory=False)

    async def _serve(self) -> None:
        while True:
            message = await self._requests.get()
            request = _request(message)
            reply = self.backend.take(request)
            if self.backend.behaviour.delay:
                self._spawn(self._late(self.backend.behaviour.delay, request.user, reply, message))
            else:
                await self.carry_out(request.user, reply, message)
            with contextlib.suppress(aio_pika.exceptions.AMQPError):  # the broker went away: it comes again
                await message.ack()

    async def _late(self, delay: float, user: str, reply: Reply, message: AbstractIncomingMessage) -> None:
        await asyncio.sleep(delay)
        await self.carry_out(user, reply, message)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self.alive or 0.2)
            if self.alive:
                for user in list(self.backend.accounts):
                    await self.broadcast(user, m7.ALIVE, m7.HEARTBEAT_TYPE)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._console.event("error", text=repr(task.exception()))


def _request(message: AbstractIncomingMessage) -> Request:
    return Request(
        user=(message.exchange or "").removeprefix(m7.requests_of("")),
        user_id=message.user_id or "",
        routing_key=message.routing_key or "",
        encoding=message.content_encoding or "",
        body=message.body,
    )
