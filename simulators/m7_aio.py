"""aio-pika as an API application uses it: `connect`, or `connect_robust`, which reconnects by itself and goes on."""

import asyncio
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage, HeadersType
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, AMQPError, ConnectionClosed, DeliveryError

from simulators.listener import cut_connections
from simulators.m7_line import DIRECT, PATIENCE, Access, Delivery, Ears, LineError, Outgoing
from simulators.m7_loop import BackgroundLoop
from simulators.m7_messages import REQUEST_TYPE

_FAILURES = (AMQPError, *CONNECTION_EXCEPTIONS, TimeoutError, RuntimeError, asyncio.CancelledError)
_REPLY_TAG = "direct-reply"


class AioLine:
    """One connection. Invariant: what is published is confirmed, returned, rejected or unsent, and told so once."""

    def __init__(self, access: Access, ears: Ears, background: BackgroundLoop, *, robust: bool) -> None:
        self._access = access
        self._ears = ears
        self._background = background
        self._robust = robust
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._publishing: set[asyncio.Task[None]] = set()

    def connect(self) -> None:
        """Connect and declare; see `Line`."""
        self._background.call(self._connect())
        self._ears.told("connected")

    def publish(self, messages: list[Outgoing]) -> None:
        """Start publishing; see `Line`."""
        self._background.call(self._start_publishing(messages))

    def get(self, queue: str) -> bool:
        """Ask a queue once."""
        return self._background.call(self._get(queue))

    def renew(self, secret: str) -> None:
        """Send Connection.UpdateSecret."""
        self._background.call(self._renew(secret))

    def drop(self) -> None:
        """Cut the TCP connection under the library."""
        cut_connections(self._access.port)

    def close(self) -> None:
        """Close in order."""
        self._background.call(self._close())

    async def _connect(self) -> None:
        access = self._access
        dial: Any = aio_pika.connect_robust if self._robust else aio_pika.connect
        more = {"reconnect_interval": "1"} if self._robust else {}
        tls = access.tls()
        try:
            self._connection = connection = await dial(
                host=access.host,
                port=access.port,
                login=access.user,
                password=access.password(),
                virtualhost=access.vhost,
                ssl=tls is not None,
                ssl_context=tls,
                timeout=PATIENCE,
                heartbeat=str(access.heartbeat),
                auth="external" if access.external else "plain",
                **more,
            )
            connection.close_callbacks.add(self._closed)
            if self._robust:
                connection.reconnect_callbacks.add(lambda _: self._ears.told("reconnected"))
            await self._declare(connection)
        except _FAILURES as error:
            raise LineError(f"{type(error).__name__}: {error}") from None

    async def _declare(self, connection: AbstractConnection) -> None:
        self._channel = channel = await connection.channel(publisher_confirms=self._access.confirms)
        if self._access.direct:
            reply = await channel.get_queue(DIRECT, ensure=False)
            await reply.consume(self._on_reply, no_ack=True, consumer_tag=_REPLY_TAG)
        else:
            responses = await channel.declare_queue(self._access.responses, exclusive=True, auto_delete=True)
            if not self._access.polls:
                await responses.consume(self._on_response, no_ack=True)
        broadcasts = await channel.declare_queue(self._access.broadcasts, auto_delete=True)
        if not self._access.polls:
            await broadcasts.consume(self._on_broadcast, no_ack=True)

    async def _on_reply(self, message: AbstractIncomingMessage) -> None:
        self._ears.delivered(_delivery(DIRECT, message))

    async def _on_response(self, message: AbstractIncomingMessage) -> None:
        self._ears.delivered(_delivery(self._access.responses, message))

    async def _on_broadcast(self, message: AbstractIncomingMessage) -> None:
        self._ears.delivered(_delivery(self._access.broadcasts, message))

    async def _start_publishing(self, messages: list[Outgoing]) -> None:
        for message in messages:
            task = asyncio.create_task(self._publish(message))
            self._publishing.add(task)
            task.add_done_callback(self._publishing.discard)

    async def _publish(self, outgoing: Outgoing) -> None:
        try:
            exchange = await self._open_channel().get_exchange(outgoing.exchange, ensure=False)
            result = await exchange.publish(_message(outgoing), outgoing.routing_key, timeout=PATIENCE)
            came_back = hasattr(result, "delivery") and hasattr(result, "body")
            event = "returned" if came_back else "confirmed" if result is not None else "sent"
            self._ears.told(event, correlation_id=outgoing.correlation_id)
        except DeliveryError:
            self._ears.told("rejected", correlation_id=outgoing.correlation_id)
        except (*_FAILURES, LineError) as error:
            self._ears.told("unsent", correlation_id=outgoing.correlation_id, text=f"{type(error).__name__}: {error}")

    async def _get(self, queue: str) -> bool:
        try:
            found = await (await self._open_channel().get_queue(queue, ensure=False)).get(no_ack=True, fail=False)
        except _FAILURES as error:
            raise LineError(f"{type(error).__name__}: {error}") from None
        if found is not None:
            self._ears.delivered(_delivery(queue, found, polled=True))
        return found is not None

    async def _renew(self, secret: str) -> None:
        try:
            await self._open_connection().update_secret(secret, reason="login", timeout=PATIENCE)
        except _FAILURES as error:
            raise LineError(f"{type(error).__name__}: {error}") from None

    async def _close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    def _closed(self, _: object, error: BaseException | None = None) -> None:
        self._ears.told("closed", **_words(error))

    def _open_connection(self) -> AbstractConnection:
        if self._connection is None:
            raise LineError("not connected")
        return self._connection

    def _open_channel(self) -> AbstractChannel:
        if self._channel is None:
            raise LineError("not connected")
        return self._channel


def _message(outgoing: Outgoing) -> aio_pika.Message:
    headers: HeadersType = {name: list(values) for name, values in outgoing.headers.items()}
    return aio_pika.Message(
        outgoing.body,
        content_type=REQUEST_TYPE,
        content_encoding=outgoing.encoding or None,
        correlation_id=outgoing.correlation_id or None,
        reply_to=outgoing.reply_to or None,
        user_id=outgoing.user_id or None,
        app_id=outgoing.app_id or None,
        headers=headers,
    )


def _delivery(queue: str, message: AbstractIncomingMessage, *, polled: bool = False) -> Delivery:
    return Delivery(
        queue=queue,
        body=message.body,
        correlation_id=message.correlation_id or "",
        encoding=message.content_encoding or "",
        headers=dict(message.headers),
        polled=polled,
    )


def _words(error: BaseException | None) -> dict[str, object]:
    """Return the code and text of a Connection.Close; for any other end what the library calls it."""
    match error:
        case ConnectionClosed(args=(int(code), text)):
            return {"code": code, "text": str(text)}
        case _:
            return {"code": None, "text": "" if error is None else f"{type(error).__name__}: {error}"}
