"""The exchange behind the broker, as far as logins go: `python -m bench.answerer URL`.

Every LoginReq is answered with a UserRprt, every LogoutReq with a LogoutRprt, on reply_to with the same correlation id. It judges nobody.
"""

import asyncio
import re
import sys

import aio_pika
from aio_pika.abc import AbstractExchange, AbstractIncomingMessage

from bench.names import LOGINS, M7_NAMESPACE

USER = re.compile(rb'user(?:Id)?="([^"]*)"')


def answer(body: bytes) -> bytes:
    """The report that M7 sends: its root element and the attributes that a client looks at."""
    found = USER.search(body)
    user = found.group(1).decode() if found else ""
    root = "LogoutRprt" if b"LogoutReq" in body else "UserRprt"
    return f'<{root} xmlns="{M7_NAMESPACE}" sessionId="S-{user}" usrId="{user}"/>'.encode()


async def reply(exchange: AbstractExchange, request: AbstractIncomingMessage) -> None:
    if request.reply_to:
        message = aio_pika.Message(answer(request.body), correlation_id=request.correlation_id)
        await exchange.publish(message, routing_key=request.reply_to, mandatory=False)


async def serve(url: str) -> None:
    """Answer until standard input closes."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel(publisher_confirms=False)
        queue = await channel.get_queue(LOGINS, ensure=False)
        await queue.consume(lambda request: reply(channel.default_exchange, request), no_ack=True)
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
