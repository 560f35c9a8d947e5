"""Publishing with confirms through client libraries: `python -m bench.amqp_clients pika|aio-pika PORT LOGINS key=value...`.

The conversation with the bench is the C generator's: {"ready": N}, a line on standard input starts, the result follows, the end of
standard input closes. The libraries are used as their documentation says. Most of the time is theirs.
"""

import asyncio
import base64
import json
import ssl
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import aio_pika
import pika
import pyotp
from aio_pika.abc import AbstractConnection, AbstractExchange
from pika.adapters.blocking_connection import BlockingChannel

from bench.names import CONTENT_TYPE, LOGIN_KEY, M7_NAMESPACE, ORDER_KEY, VHOST, exchange_of, queue_of
from bench.peers import Login, read_logins

BODY = b'<OrdrEntry xmlns="%s"><!--%s--></OrdrEntry>' % (M7_NAMESPACE.encode(), b"." * 184)
PATIENCE = 10.0
ATTEMPTS = 3  # a code may cross the border of its 30 s on the way
WINDOW = 500  # publishes in flight, over all connections


@dataclass(frozen=True, slots=True)
class Task:
    """What the command line asks for: whose connections, for how many seconds, over TLS or not."""

    port: int
    logins: Sequence[Login]
    seconds: float
    tls: bool

    @property
    def context(self) -> ssl.SSLContext:
        """TLS 1.3. Loopback: nobody judges the certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context


def login_request(who: Login) -> bytes:
    code = pyotp.TOTP(base64.b32encode(bytes.fromhex(who.key)).decode()).now()
    return f'<LoginReq xmlns="{M7_NAMESPACE}" user="{who.user}" force="true" authVerificationCode="{code}"/>'.encode()


def judge(answer: bytes) -> None:
    """Raise RuntimeError unless it is the exchange's good answer."""
    if b"UserRprt" not in answer:
        raise RuntimeError(f"refused: {answer!r}")


def pika_properties(who: Login, correlation: str) -> pika.BasicProperties:
    return pika.BasicProperties(
        content_type=CONTENT_TYPE,
        correlation_id=correlation,
        reply_to=queue_of(who.user, "pika"),
        user_id=who.user,
        app_id=who.sender,
    )


def pika_channel(task: Task, who: Login) -> BlockingChannel:
    """A logged-in channel with confirms on."""
    options = pika.SSLOptions(task.context) if task.tls else None
    account = pika.PlainCredentials(who.user, who.password)
    connection = pika.BlockingConnection(
        pika.ConnectionParameters("127.0.0.1", task.port, VHOST, account, ssl_options=options)
    )
    channel = connection.channel()
    queue = queue_of(who.user, "pika")
    channel.queue_declare(queue, exclusive=True, auto_delete=True)
    answers: list[bytes] = []
    channel.basic_consume(queue, lambda _c, _m, _p, body: answers.append(body), auto_ack=True)
    channel.basic_publish(exchange_of(who.user), LOGIN_KEY, login_request(who), pika_properties(who, "login"))
    connection.process_data_events(PATIENCE)
    judge(answers[0] if answers else b"nothing")
    channel.confirm_delivery()
    return channel


def persistent_pika_channel(task: Task, who: Login) -> BlockingChannel:
    for _ in range(ATTEMPTS - 1):
        try:
            return pika_channel(task, who)
        except RuntimeError:
            time.sleep(1)
    return pika_channel(task, who)


def publish_one_by_one(channel: BlockingChannel, who: Login, stop: float, done: list[int]) -> None:
    """Each publish returns with the broker's confirm. Raises pika's errors for anything else."""
    count, exchange, properties = 0, exchange_of(who.user), pika_properties(who, "order")
    while time.monotonic() < stop:
        channel.basic_publish(exchange, ORDER_KEY, BODY, properties)
        count += 1
    done.append(count)


def run_pika(task: Task) -> None:
    """One thread for each connection, as pika's blocking connections want it."""
    channels = [persistent_pika_channel(task, who) for who in task.logins]
    ready(len(channels))
    start, done = time.monotonic(), list[int]()
    threads = [
        threading.Thread(target=publish_one_by_one, args=(channel, who, start + task.seconds, done))
        for channel, who in zip(channels, task.logins, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(done) < len(channels):
        raise RuntimeError(f"{len(channels) - len(done)} of {len(channels)} connections failed")
    tell(sum(done), time.monotonic() - start)
    sys.stdin.read()
    for channel in channels:
        channel.connection.close()


async def aio_pika_exchange(task: Task, who: Login) -> tuple[AbstractConnection, AbstractExchange]:
    """A logged-in connection and its user's exchange, confirms on."""
    connection = await aio_pika.connect(
        host="127.0.0.1",
        port=task.port,
        login=who.user,
        password=who.password,
        virtualhost=VHOST,
        ssl=task.tls,
        ssl_context=task.context if task.tls else None,
    )
    channel = await connection.channel()
    queue = await channel.declare_queue(queue_of(who.user, "aiopika"), exclusive=True, auto_delete=True)
    answers: asyncio.Queue[bytes] = asyncio.Queue()
    await queue.consume(lambda message: answers.put(message.body), no_ack=True)
    exchange = await channel.get_exchange(exchange_of(who.user), ensure=False)
    await exchange.publish(aio_pika_message(who, login_request(who)), LOGIN_KEY)
    judge(await asyncio.wait_for(answers.get(), PATIENCE))
    return connection, exchange


async def persistent_aio_pika_exchange(task: Task, who: Login) -> tuple[AbstractConnection, AbstractExchange]:
    for _ in range(ATTEMPTS - 1):
        try:
            return await aio_pika_exchange(task, who)
        except RuntimeError:
            await asyncio.sleep(1)
    return await aio_pika_exchange(task, who)


def aio_pika_message(who: Login, body: bytes) -> aio_pika.Message:
    return aio_pika.Message(
        body,
        content_type=CONTENT_TYPE,
        correlation_id="order",
        reply_to=queue_of(who.user, "aiopika"),
        user_id=who.user,
        app_id=who.sender,
    )


async def publish_again_and_again(exchange: AbstractExchange, who: Login, stop: float) -> int:
    """One place of the window: the next publish starts when the last was confirmed."""
    count, message = 0, aio_pika_message(who, BODY)
    while time.monotonic() < stop:
        await exchange.publish(message, ORDER_KEY)
        count += 1
    return count


async def run_aio_pika(task: Task) -> None:
    opened = [await persistent_aio_pika_exchange(task, who) for who in task.logins]
    ready(len(opened))
    start = time.monotonic()
    places = [
        publish_again_and_again(exchange, who, start + task.seconds)
        for (_, exchange), who in zip(opened, task.logins, strict=True)
        for _ in range(WINDOW // len(opened))
    ]
    done = sum(await asyncio.gather(*places))
    tell(done, time.monotonic() - start)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for connection, _ in opened:
        await connection.close()


def ready(count: int) -> None:
    print(json.dumps({"ready": count}), flush=True)
    sys.stdin.readline()


def tell(count: int, seconds: float) -> None:
    numbers = {"seconds": round(seconds, 4), "messages": count, "messages_per_s": round(count / seconds)}
    print(json.dumps(numbers), flush=True)


def main(library: str, port: str, file: str, *texts: str) -> int:
    options = dict(text.split("=", 1) for text in texts)
    first, conns = int(options.get("first", 0)), int(options.get("conns", 1))
    logins = read_logins(Path(file))[first : first + conns]
    task = Task(int(port), logins, float(options.get("seconds", 1)), "tls" in options)
    try:
        run_pika(task) if library == "pika" else asyncio.run(run_aio_pika(task))
    except Exception as error:  # noqa: BLE001  the reader of our output gets the reason, whatever it is
        print(json.dumps({"error": f"{library}: {type(error).__name__}: {error}"}), flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
