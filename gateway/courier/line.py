"""One connection to the broker of one route: opened when first needed, opened again when it broke."""

import asyncio
import contextlib
import ssl
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection

from gateway.courier.spec import CourierSpec
from gateway.net.sockets import split_address
from gateway.net.tls import upstream_context
from gateway.observe.journal import Journal
from gateway.protocols.amqp.parcel import Parcel

CHANNELS = 16
"""Publishes under way at a time, each on a channel of its own: a broker that closes one for a bad exchange hits nobody else."""
CONFIRM = 5.0
"""Seconds that the broker may take to confirm."""
HEARTBEAT = 20
SHUN = 1.0
"""Seconds without another attempt after no address could be reached: all who wait share the failure."""


class Line:
    """Invariants: at most one connection and CHANNELS channels; a channel carries one publish at a time, so that its
    confirm and its return are nobody else's; one that anything went wrong on is not used again.
    """

    def __init__(self, spec: CourierSpec, journal: Journal) -> None:
        """Raises StartError for unreadable certificates."""
        self._spec = spec
        self._journal = journal
        self._tls = _context(spec)
        self._connection: AbstractConnection | None = None
        self._idle: list[AbstractChannel] = []
        self._opening = asyncio.Lock()
        self._turns = asyncio.Semaphore(CHANNELS)
        self._failed: tuple[float, Exception] = (0.0, OSError())

    def reload(self) -> None:
        """Read the certificates again; the next connection uses them. Raises StartError, and then keeps what was."""
        self._tls = _context(self._spec)

    async def publish(self, parcel: Parcel) -> None:
        """Publish and wait for the confirm.

        Raises DeliveryError where the broker returned or did not take it, TimeoutError, OSError and aio-pika's errors.
        """
        async with self._turns:
            channel = await self._channel()
            try:
                exchange = await channel.get_exchange(parcel.exchange, ensure=False)
                async with asyncio.timeout(CONFIRM):
                    await exchange.publish(_message(parcel), parcel.routing_key, mandatory=parcel.mandatory)
            except aio_pika.exceptions.DeliveryError:
                self._idle.append(channel)
                raise
            except BaseException:
                await _close(channel)
                raise
            self._idle.append(channel)

    async def close(self) -> None:
        """Close the connection, for a bounded time."""
        connection, self._connection = self._connection, None
        self._idle.clear()
        if connection is not None:
            await _close(connection)

    async def _channel(self) -> AbstractChannel:
        connection = await self._connected()
        while self._idle:
            channel = self._idle.pop()
            if not channel.is_closed:
                return channel
        async with asyncio.timeout(CONFIRM):
            return await connection.channel(publisher_confirms=True, on_return_raises=True)

    async def _connected(self) -> AbstractConnection:
        async with self._opening:
            if self._connection is None:
                self._connection = await self._open()
            return self._connection

    async def _open(self) -> AbstractConnection:
        loop = asyncio.get_running_loop()
        until, failure = self._failed
        if loop.time() < until:
            raise failure
        for address in self._spec.addresses:
            try:
                connection = await self._connect(address)
            except Exception as error:  # noqa: BLE001 - aio-pika's errors have no common base; the next address may do
                self._journal.courier_failed(self._spec.route, address, error)
                failure = error
            else:
                self._journal.courier_connected(self._spec.route, address)
                return connection
        self._failed = loop.time() + SHUN, failure
        raise failure

    async def _connect(self, address: str) -> AbstractConnection:
        (host, port), spec = split_address(address), self._spec
        connection = await aio_pika.connect(
            host=host, port=port, login=spec.user, password=spec.password.reveal().decode(), virtualhost=spec.vhost,
            ssl=self._tls is not None, ssl_context=self._tls, timeout=spec.connect, heartbeat=HEARTBEAT,
            client_properties={"connection_name": f"gateway courier {spec.route}"},
        )  # fmt: skip

        def lost(_sender: Any, error: BaseException | None) -> None:
            if self._connection is connection:
                self._connection = None
                self._idle.clear()
                self._journal.courier_failed(spec.route, address, error or ConnectionError())

        connection.close_callbacks.add(lost)
        return connection


def _message(parcel: Parcel) -> aio_pika.Message:
    return aio_pika.Message(
        parcel.body,
        content_type=parcel.content_type or None,
        correlation_id=parcel.correlation_id or None,
        user_id=parcel.user_id or None,
        app_id=parcel.app_id or None,
        reply_to=parcel.reply_to or None,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,  # a will must survive the broker's restart
    )


async def _close(what: AbstractChannel | AbstractConnection) -> None:
    with contextlib.suppress(Exception):  # it is gone, or will be
        async with asyncio.timeout(1.0):
            await what.close()


class _Named(ssl.SSLContext):
    """Checks the broker's certificate against the name that was configured: aio-pika knows only the address's host."""

    server_name = ""

    def wrap_bio(self, *args: Any, **keys: Any) -> ssl.SSLObject:
        return super().wrap_bio(*args, **keys | ({"server_hostname": self.server_name} if self.server_name else {}))


def _context(spec: CourierSpec) -> ssl.SSLContext | None:
    if spec.tls is None:
        return None
    name = spec.tls.server_name

    def named(protocol: int) -> ssl.SSLContext:
        context = _Named(protocol)
        context.server_name = name
        return context

    return upstream_context(spec.tls, named)
