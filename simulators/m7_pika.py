"""pika's BlockingConnection as an API application uses it: one thread that owns it and pumps its events."""

import queue
import threading
from collections.abc import Callable
from typing import Any

import pika
from pika.exceptions import AMQPError, ConnectionClosed, NackError, UnroutableError

from simulators.listener import cut_connections
from simulators.m7_line import DIRECT, PATIENCE, Access, Delivery, Ears, LineError, Outgoing
from simulators.m7_messages import REQUEST_TYPE

_PUMP_SECONDS = 0.02


class PikaLine:
    """One connection at a time. Invariant: only its own thread touches pika."""

    def __init__(self, access: Access, ears: Ears) -> None:
        self._access = access
        self._ears = ears
        self._work: queue.Queue[Callable[[], None]] = queue.Queue()
        self._connection: Any = None
        self._channel: Any = None
        threading.Thread(target=self._run, daemon=True).start()

    def connect(self) -> None:
        """Connect and declare; see `Line`."""
        self._do(self._connect)
        self._ears.told("connected")

    def publish(self, messages: list[Outgoing]) -> None:
        """Let the connection's thread publish; see `Line`."""
        for message in messages:
            self._work.put(lambda message=message: self._publish(message))  # type: ignore[misc]

    def get(self, queue: str) -> bool:
        """Ask a queue once."""
        return bool(self._do(lambda: self._get(queue)))

    def renew(self, secret: str) -> None:
        """Send Connection.UpdateSecret."""
        self._do(lambda: self._renew(secret))

    def drop(self) -> None:
        """Cut the TCP connection under the library."""
        cut_connections(self._access.port)

    def close(self) -> None:
        """Close in order."""
        self._do(self._close)

    def _run(self) -> None:
        while True:
            try:
                if self._connection is None:
                    self._work.get()()
                    continue
                self._connection.process_data_events(time_limit=_PUMP_SECONDS)
                while self._connection is not None and not self._work.empty():
                    self._work.get()()
            except (AMQPError, OSError) as error:
                self._connection = self._channel = None
                self._ears.told("closed", **_words(error))

    def _do(self, work: Callable[[], object]) -> object:
        """Let the connection's thread do it; LineError with pika's words if it can't."""
        answer: queue.Queue[object] = queue.Queue()

        def wrapped() -> None:
            try:
                answer.put(work())
            except (AMQPError, OSError, LineError) as error:
                answer.put(LineError(f"{type(error).__name__}: {error}"))
                if isinstance(error, ConnectionClosed):
                    raise

        self._work.put(wrapped)
        try:
            result = answer.get(timeout=PATIENCE)
        except queue.Empty:
            raise LineError(f"not done within {PATIENCE:.0f} s") from None
        if isinstance(result, LineError):
            raise result
        return result

    def _connect(self) -> None:
        access = self._access
        tls = access.tls()
        external = pika.credentials.ExternalCredentials()
        plain = pika.PlainCredentials(access.user, access.password())
        connection = pika.BlockingConnection(
            pika.ConnectionParameters(
                access.host,
                access.port,
                access.vhost,
                external if access.external else plain,
                heartbeat=access.heartbeat,
                ssl_options=pika.SSLOptions(tls, access.host) if tls else None,
                blocked_connection_timeout=PATIENCE,
                socket_timeout=PATIENCE,
            )
        )
        connection.add_on_connection_blocked_callback(lambda *_: self._ears.told("blocked"))
        connection.add_on_connection_unblocked_callback(lambda *_: self._ears.told("unblocked"))
        self._declare(connection)
        self._connection = connection

    def _declare(self, connection: Any) -> None:
        self._channel = channel = connection.channel()
        if self._access.confirms:
            channel.confirm_delivery()
        if self._access.direct:
            channel.basic_consume(DIRECT, self._heard(DIRECT), auto_ack=True)
        else:
            channel.queue_declare(self._access.responses, exclusive=True, auto_delete=True)
        channel.queue_declare(self._access.broadcasts, auto_delete=True)
        if not self._access.polls:
            for name in (self._access.broadcasts, *(() if self._access.direct else (self._access.responses,))):
                channel.basic_consume(name, self._heard(name), auto_ack=True)

    def _heard(self, queue: str) -> Callable[..., None]:
        def hear(_channel: Any, _method: Any, properties: Any, body: bytes) -> None:
            self._ears.delivered(_delivery(queue, properties, body))

        return hear

    def _publish(self, outgoing: Outgoing) -> None:
        event, text = "confirmed" if self._access.confirms else "sent", None
        try:
            self._open_channel().basic_publish(
                outgoing.exchange, outgoing.routing_key, outgoing.body, _properties(outgoing), mandatory=True
            )
        except UnroutableError:
            event = "returned"
        except NackError:
            event = "rejected"
        except (AMQPError, LineError) as error:
            event, text = "unsent", f"{type(error).__name__}: {error}"
            if isinstance(error, ConnectionClosed):
                self._ears.told(event, correlation_id=outgoing.correlation_id, text=text)
                raise
        self._ears.told(event, correlation_id=outgoing.correlation_id, text=text)

    def _get(self, queue: str) -> bool:
        method, properties, body = self._open_channel().basic_get(queue, auto_ack=True)
        if method is not None:
            self._ears.delivered(_delivery(queue, properties, body, polled=True))
        return method is not None

    def _renew(self, secret: str) -> None:
        """Send it as pika's inner connection does; BlockingConnection has no method of its own for it."""
        answered = threading.Event()
        self._open_connection()._impl.update_secret(secret, "login", lambda _: answered.set())  # noqa: SLF001
        for _ in range(int(PATIENCE / _PUMP_SECONDS)):
            self._connection.process_data_events(time_limit=_PUMP_SECONDS)
            if answered.is_set():
                return
        raise LineError("no answer to Connection.UpdateSecret")

    def _close(self) -> None:
        if self._connection is not None:
            connection, self._connection, self._channel = self._connection, None, None
            connection.close()

    def _open_connection(self) -> Any:
        if self._connection is None:
            raise LineError("not connected")
        return self._connection

    def _open_channel(self) -> Any:
        if self._channel is None:
            raise LineError("not connected")
        return self._channel


def _properties(outgoing: Outgoing) -> Any:
    return pika.BasicProperties(
        content_type=REQUEST_TYPE,
        content_encoding=outgoing.encoding or None,
        correlation_id=outgoing.correlation_id or None,
        reply_to=outgoing.reply_to or None,
        user_id=outgoing.user_id or None,
        app_id=outgoing.app_id or None,
        headers=dict(outgoing.headers),
    )


def _delivery(queue: str, properties: Any, body: bytes, *, polled: bool = False) -> Delivery:
    return Delivery(
        queue=queue,
        body=body,
        correlation_id=properties.correlation_id or "",
        encoding=properties.content_encoding or "",
        headers=dict(properties.headers or {}),
        polled=polled,
    )


def _words(error: BaseException) -> dict[str, object]:
    code = error.reply_code if isinstance(error, ConnectionClosed) else None
    return {"code": code, "text": error.reply_text if isinstance(error, ConnectionClosed) else str(error)}
