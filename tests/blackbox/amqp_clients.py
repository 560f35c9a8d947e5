"""Three AMQP libraries, unmodified, behind one face: aio-pika, pika (blocking, in a thread) and amqplib (a node process).

A `Line` is one connection with one confirming channel. It must know nothing of M7, of codes, or of the gateway: with each
of them a test speaks to the gateway exactly as it would to a RabbitMQ.
"""

import asyncio
import base64
import contextlib
import itertools
import json
import os
import queue
import threading
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import aio_pika
import aiormq
import pika
import pika.exceptions

from tests.blackbox.amqp_lines import Address, Inbox, Line, Message, Properties
from tests.blackbox.amqp_npm import SOURCE, installed
from tests.blackbox.gateway_process import PATIENCE


class AioPika:
    """aio-pika, as its documentation has it; `robust` is `connect_robust`, whose inbox outlives a connection."""

    library: ClassVar[str] = "aio-pika"

    def __init__(self, *, robust: bool = False) -> None:
        self.inbox = Inbox()
        self._robust = robust
        self._connect = aio_pika.connect_robust if robust else aio_pika.connect
        self._queues: dict[str, Any] = {}

    async def connect(self, address: Address) -> None:
        self.connection = await self._connect(
            host="127.0.0.1",
            port=address.port,
            login=address.user,
            password=address.password,
            virtualhost=address.vhost,
            ssl=address.ca is not None,
            ssl_context=address.context,
            heartbeat=address.heartbeat,
            timeout=PATIENCE,
        )
        if not self._robust:
            self.connection.close_callbacks.add(self._closed)
        self.channel = await self.connection.channel()

    async def declare(self, name: str, *, exclusive: bool) -> None:
        self._queues[name] = await self.channel.declare_queue(name, exclusive=exclusive, auto_delete=exclusive)

    async def consume(self, name: str) -> None:
        async def take(message: Any) -> None:
            await self.inbox.put(_of_aio_pika(name, message))

        await (await self._queue(name)).consume(take, no_ack=True)

    async def get(self, name: str) -> Message | None:
        got = await (await self._queue(name)).get(no_ack=True, fail=False)
        return _of_aio_pika(name, got) if got else None

    async def publish(self, exchange: str, key: str, body: bytes, properties: Properties) -> None:
        to = await self.channel.get_exchange(exchange, ensure=False)
        await to.publish(aio_pika.Message(body, **properties), key, mandatory=False, timeout=PATIENCE)

    async def close(self) -> None:
        with contextlib.suppress(Exception):  # whatever a test did to the line: it ends here
            await self.connection.close()

    async def _queue(self, name: str) -> Any:
        return self._queues.get(name) or await self.channel.get_queue(name, ensure=False)

    async def _closed(self, _connection: object, error: BaseException | None) -> None:
        await self.inbox.end(_text(error))


def _of_aio_pika(queue_name: str, message: Any) -> Message:
    return Message(queue_name, message.body, message.correlation_id or "", message.content_encoding or "")


class Pika:
    """pika's BlockingConnection in a thread of its own: between commands it does what the library's examples do, wait for data."""

    library: ClassVar[str] = "pika"

    def __init__(self) -> None:
        self.inbox = Inbox()
        self._loop = asyncio.get_running_loop()
        self._work: queue.SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._connection: Any = None
        self._channel: Any = None

    async def connect(self, address: Address) -> None:
        self._thread.start()
        parameters = pika.ConnectionParameters(
            "127.0.0.1",
            address.port,
            address.vhost,
            pika.PlainCredentials(address.user, address.password),
            heartbeat=address.heartbeat,
            ssl_options=pika.SSLOptions(address.context, "127.0.0.1") if address.context else None,
            blocked_connection_timeout=PATIENCE,
        )

        def open_it() -> None:
            self._connection = pika.BlockingConnection(parameters)
            self._channel = self._connection.channel()
            self._channel.confirm_delivery()

        await self._do(open_it)

    async def declare(self, name: str, *, exclusive: bool) -> None:
        await self._do(lambda: self._channel.queue_declare(name, exclusive=exclusive, auto_delete=exclusive))

    async def consume(self, name: str) -> None:
        def take(_channel: object, _method: object, properties: Any, body: bytes) -> None:
            message = Message(name, body, properties.correlation_id or "", properties.content_encoding or "")
            asyncio.run_coroutine_threadsafe(self.inbox.put(message), self._loop).result(PATIENCE)

        await self._do(lambda: self._channel.basic_consume(name, take, auto_ack=True))

    async def get(self, name: str) -> Message | None:
        method, properties, body = await self._do(lambda: self._channel.basic_get(name, auto_ack=True))
        if method is None:
            return None
        return Message(name, body, properties.correlation_id or "", properties.content_encoding or "")

    async def publish(self, exchange: str, key: str, body: bytes, properties: Properties) -> None:
        given = pika.BasicProperties(**properties)
        await self._do(lambda: self._channel.basic_publish(exchange, key, body, given))

    async def close(self) -> None:
        self._work.put(None)
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join, PATIENCE)

    async def _do(self, work: Callable[[], Any]) -> Any:
        done: asyncio.Future[Any] = self._loop.create_future()
        self._work.put((work, done))
        async with asyncio.timeout(PATIENCE):
            return await done

    def _run(self) -> None:
        while (item := self._next()) is not None:
            work, done = item
            try:
                answer = work()
            except Exception as error:  # noqa: BLE001  it is the caller's
                self._loop.call_soon_threadsafe(_fail, done, error)
            else:
                self._loop.call_soon_threadsafe(_succeed, done, answer)
        with contextlib.suppress(Exception):
            self._connection.close()

    def _next(self) -> tuple[Callable[[], Any], asyncio.Future[Any]] | None:
        while True:
            with contextlib.suppress(queue.Empty):
                return self._work.get(timeout=None if self._gone() else 0.001)
            try:
                self._connection.process_data_events(time_limit=0.02)
            except pika.exceptions.AMQPError as error:
                asyncio.run_coroutine_threadsafe(self.inbox.end(_text(error)), self._loop)

    def _gone(self) -> bool:
        return self._connection is None or self._connection.is_closed


def _fail(done: asyncio.Future[Any], error: Exception) -> None:
    if not done.done():
        done.set_exception(error)


def _succeed(done: asyncio.Future[Any], answer: Any) -> None:
    if not done.done():
        done.set_result(answer)


class Amqplib:
    """amqplib for Node.js: `tests/npm/client.js` as a process, steered by JSON lines."""

    library: ClassVar[str] = "amqplib"

    def __init__(self) -> None:
        self.inbox = Inbox()
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def connect(self, address: Address) -> None:
        modules = await asyncio.to_thread(installed)
        self._process = await asyncio.create_subprocess_exec(
            "node",
            str(SOURCE / "client.js"),
            env={**os.environ, "NODE_PATH": str(modules / "node_modules")},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=2**24,
        )
        self._reading = asyncio.create_task(self._read())
        fields: dict[str, Any] = {
            name: getattr(address, name) for name in ("port", "user", "password", "vhost", "heartbeat")
        }
        await self._ask("connect", host="127.0.0.1", ca=str(address.ca) if address.ca else None, **fields)

    async def declare(self, name: str, *, exclusive: bool) -> None:
        await self._ask("declare", queue=name, exclusive=exclusive)

    async def consume(self, name: str) -> None:
        await self._ask("consume", queue=name)

    async def get(self, name: str) -> Message | None:
        got = await self._ask("get", queue=name)
        return None if got.get("empty") else _of_amqplib(got)

    async def publish(self, exchange: str, key: str, body: bytes, properties: Properties) -> None:
        text = base64.b64encode(body).decode()
        await self._ask("publish", exchange=exchange, key=key, body=text, properties=dict(properties))

    async def close(self) -> None:
        if not hasattr(self, "_process") or self._process.returncode is not None:
            return
        with contextlib.suppress(AssertionError, OSError):
            await self._ask("close")
        self._process.stdin.close()
        await self._process.wait()
        await self._reading

    async def _ask(self, do: str, **fields: Any) -> dict[str, Any]:
        number = next(self._ids)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        self._process.stdin.write(json.dumps({"do": do, "id": number, **fields}).encode() + b"\n")
        async with asyncio.timeout(PATIENCE):
            found = await answer
        assert "error" not in found, f"{do}: {found['error']}"
        return found["result"] or {}

    async def _read(self) -> None:
        async for line in self._process.stdout:
            event = json.loads(line)
            match event["event"]:
                case "answer":
                    self._answers.pop(event["id"]).set_result(event)
                case "delivered":
                    await self.inbox.put(_of_amqplib(event))
                case "closed" | "error":
                    await self.inbox.end(event["text"])
        for waiting in self._answers.values():
            waiting.set_result({"error": "node ended"})


def _of_amqplib(event: Mapping[str, str]) -> Message:
    body = base64.b64decode(event["body"])
    return Message(event["queue"], body, event["correlation_id"], event["content_encoding"])


def _text(error: BaseException | None) -> str:
    """A library's reason for the end of a connection: code and text where the server gave them."""
    if isinstance(error, aiormq.exceptions.AMQPError | pika.exceptions.AMQPError):
        return " ".join(str(part) for part in error.args) or repr(error)
    return repr(error) if error else "closed"


LIBRARIES: dict[str, Callable[[], Line]] = {"aio-pika": AioPika, "pika": Pika, "amqplib": Amqplib}
