"""The exchange behind the broker, inside a test: takes every request, keeps it as it came, and answers like M7.

It sees what a real one would, in its own order, and can be told to be slow, mute or unwilling. It must not know that there
is a gateway.
"""

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import aio_pika

from tests.blackbox import amqp_m7 as m7
from tests.blackbox.broker import BACKEND, REQUESTS, Vhost
from tests.blackbox.gateway_process import PATIENCE


@dataclass(frozen=True)
class Request:
    """One request as it reached the exchange."""

    user: str
    key: str
    read: m7.Read
    body: bytes
    properties: Any

    @property
    def name(self) -> str:
        return self.read.name


class Exchange:
    """Invariants: `requests` is all that came, in the exchange's own order; `live` are the sessions open in its books."""

    def __init__(self, vhost: Vhost) -> None:
        self.requests: list[Request] = []
        self.live: dict[str, str] = {}
        self.refuses = ""
        """Answers logins with an ErrResp of this text."""
        self.answers_logins = asyncio.Event()
        """Cleared, logins are taken and not answered until it is set again."""
        self.answers_logins.set()
        self._vhost = vhost
        self._numbers = itertools.count(1)
        self._changed = asyncio.Condition()
        self._late: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._connection = await aio_pika.connect(self._vhost.url(BACKEND))
        self._channel = await self._connection.channel(publisher_confirms=False)
        queue = await self._channel.get_queue(REQUESTS)
        await queue.consume(self._take, no_ack=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._late:
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)
        with contextlib.suppress(Exception):
            await self._connection.close()

    # ── what a test asks ──

    def names(self, user: str = "") -> list[str]:
        """Return the names of all requests so far, of one user if named."""
        return [one.name for one in self.requests if user in ("", one.user)]

    def of(self, name: str, user: str = "") -> list[Request]:
        return [one for one in self.requests if one.name == name and user in ("", one.user)]

    def orders(self, user: str = "") -> list[str]:
        """Return the ids of all orders taken so far."""
        return [one.read["clOrdrId"] for one in self.of("OrdrEntry", user)]

    async def until(self, condition: Callable[[], bool], *, within: float = PATIENCE) -> None:
        """Wait until its books show that."""
        try:
            async with asyncio.timeout(within), self._changed:
                await self._changed.wait_for(condition)
        except TimeoutError:
            raise AssertionError(f"the exchange saw only {self.names()}; live: {self.live}") from None

    async def until_logged_out(self, times: int = 1, user: str = "") -> list[Request]:
        """Wait for so many LogoutReq; returns them."""
        await self.until(lambda: len(self.of("LogoutReq", user)) >= times)
        return self.of("LogoutReq", user)

    async def declare(self, queue: str) -> None:
        """Declare a queue that outlives its reader, as the exchange does for broadcasts."""
        await self._channel.declare_queue(queue)

    async def broadcast(self, user: str, body: bytes) -> None:
        """Send something to a user's broadcast queue."""
        await self._send(m7.broadcasts_of(user), body, "")

    # ── what it does ──

    async def _take(self, message: Any) -> None:
        user = (message.exchange or "").removeprefix("m7.requestExchange.")
        request = Request(user, message.routing_key or "", m7.read(message.body), message.body, message)
        async with self._changed:
            self.requests.append(request)
            if request.name == "LogoutReq":
                self._close(request)
            self._changed.notify_all()
        if request.name == "LoginReq" and not self.answers_logins.is_set():
            task = asyncio.create_task(self._answer_later(request))
            self._late.add(task)
            task.add_done_callback(self._late.discard)
        else:
            await self._answer(request)

    async def _answer_later(self, request: Request) -> None:
        await self.answers_logins.wait()
        await self._answer(request)

    async def _answer(self, request: Request) -> None:
        match request.name:
            case "LoginReq" if self.refuses:
                body = m7.element("ErrResp", {}, f'<Error err="{self.refuses}" errCode="1"/>')
            case "LoginReq":
                session = f"S{next(self._numbers)}"
                self.live[session] = request.user
                body = m7.element("UserRprt", {"usrId": request.user, "sessionId": session}, m7.HEADER)
            case _:
                body = m7.element("AckResp", {}, m7.HEADER)
        if request.properties.reply_to:
            await self._send(request.properties.reply_to, body, request.properties.correlation_id or "")
        if request.name == "OrdrEntry":
            execution = m7.element("OrdrExeRprt", {}, f'<OrdrExe clOrdrId="{request.read["clOrdrId"]}"/>')
            await self.broadcast(request.user, execution)
        async with self._changed:
            self._changed.notify_all()

    def _close(self, request: Request) -> None:
        """Close the session it names; without an id all of this user's, as one that has no id yet must."""
        session = request.read["sessionId"]
        for known, user in list(self.live.items()):
            if user == request.user and session in ("", known):
                del self.live[known]

    async def _send(self, queue: str, body: bytes, correlation_id: str) -> None:
        message = aio_pika.Message(body, correlation_id=correlation_id or None)
        await self._channel.default_exchange.publish(message, queue)
