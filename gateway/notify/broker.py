"""Events over RabbitMQ: persistent messages on a topic exchange, confirmed, and returned where no queue takes them."""

import asyncio
import contextlib
from typing import Any

import aio_pika
from aio_pika.abc import AbstractConnection, AbstractExchange

from gateway.notify.channel import Away, Declined, Message
from gateway.notify.spec import BrokerSpec
from gateway.notify.tls import trusting


class Broker:
    """`Channel` over one exchange. Invariants: at most one connection, made when it is first needed; each event is
    confirmed by the broker after a queue took it.
    """

    def __init__(self, spec: BrokerSpec) -> None:
        """Raises OSError where `ca` can't be used."""
        self._spec = spec
        self._tls = trusting(spec.ca)
        self._opening = asyncio.Lock()
        self._connection: AbstractConnection | None = None
        self._exchange: AbstractExchange | None = None

    async def send(self, message: Message) -> None:
        """See Channel."""
        try:
            async with asyncio.timeout(self._spec.timeout):
                exchange = await self._ready()
                await exchange.publish(_event(message), message.kind, mandatory=True)
        except aio_pika.exceptions.DeliveryError:
            raise Declined("no queue took it: bind one to the exchange") from None
        except Exception as error:  # noqa: BLE001 - aio-pika's errors have no common base, and their texts may hold the URL
            await self.close()
            raise Away(type(error).__name__) from None

    async def close(self) -> None:
        """See Channel."""
        connection, self._connection, self._exchange = self._connection, None, None
        if connection is not None:
            with contextlib.suppress(Exception):  # it is gone, or will be
                async with asyncio.timeout(1.0):
                    await connection.close()

    async def _ready(self) -> AbstractExchange:
        async with self._opening:
            if self._exchange is None or self._connection is None or self._connection.is_closed:
                await self.close()
                self._exchange = await self._declared()
            return self._exchange

    async def _declared(self) -> AbstractExchange:
        url, spec = self._spec.url.reveal().decode(), self._spec
        keys: dict[str, Any] = {"ssl_context": self._tls} if url.startswith("amqps:") else {}
        self._connection = await aio_pika.connect(
            url, timeout=spec.timeout, client_properties={"connection_name": "gateway notices"}, **keys
        )
        channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
        return await channel.declare_exchange(spec.exchange, aio_pika.ExchangeType.TOPIC, durable=True)


def _event(message: Message) -> aio_pika.Message:
    return aio_pika.Message(
        message.data(),
        content_type="application/json",
        message_id=message.key,
        type=message.kind,
        app_id="login-session-gateway",
        timestamp=message.wall,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )
