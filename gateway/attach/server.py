"""The sidecar's sockets, on the gateway's own legs and pipe: one Passage for each client, one Turns for all of them."""

import asyncio
import random
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import uvloop

from gateway.attach.client import LINGER, Client, Post
from gateway.attach.dialects import dialects
from gateway.attach.key import TotpKey
from gateway.attach.passage import Patience
from gateway.attach.turns import Turns
from gateway.core.login import Moment
from gateway.net.sockets import address_of, tune
from gateway.net.spec import StartError, UpstreamSpec
from gateway.net.upstream import Upstream
from gateway.observe.journal import Journal
from gateway.observe.log import configure
from gateway.protocols.registry import Venue

BACKLOG = 128
POLL = 0.05


@dataclass(frozen=True, slots=True)
class AttachSpec:
    """What the sidecar does. `connections` bounds memory and descriptors; `grace`: seconds that sessions may go on at a stop."""

    host: str
    port: int
    upstream: UpstreamSpec
    venue: Venue
    key: TotpKey
    patience: Patience = field(default_factory=Patience)
    exposed: bool = False
    connections: int = 256
    grace: float = 0.0


def attach(spec: AttachSpec) -> int:
    """Serve until SIGTERM or SIGINT and return the exit code. Raises StartError and ValueError, one line each."""
    return uvloop.run(_serve(spec))


async def _serve(spec: AttachSpec) -> int:
    configure()
    journal = Journal()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: journal.failed("loop", _error_in(context)))
    server = Server(spec, journal)
    stop = asyncio.Event()

    def stopped() -> None:
        if stop.is_set():
            server.hurry()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped)
    await server.start()
    await stop.wait()
    journal.say("stopping", count=server.count)
    await server.stop(spec.grace)
    journal.say("stopped")
    return 0


def _error_in(context: dict[str, object]) -> BaseException:
    error = context.get("exception")
    return error if isinstance(error, BaseException) else RuntimeError("loop")


def clock() -> Moment:
    """Read both clocks."""
    return Moment(time.monotonic(), time.time())


class Server:
    """The listening socket and the table of clients. Invariant: `stop` returns within `grace` and LINGER, whatever peers do."""

    def __init__(self, spec: AttachSpec, journal: Journal, now: Callable[[], Moment] = clock) -> None:
        self._spec = spec
        self._journal = journal
        self._post = Post(
            Turns(spec.key.period, random.SystemRandom().random),
            dialects(spec.venue, spec.key),
            Upstream(spec.upstream, journal),
            spec.patience,
            spec.connections,
            journal,
            now,
            table=set(),
        )
        self._server: asyncio.Server | None = None
        self._hurried = False

    async def start(self) -> tuple[str, int]:
        """Listen; return where. Raises StartError."""
        spec = self._spec
        sock = _listening(spec.host, spec.port)
        where = address_of(sock.getsockname())
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Client(self._post).client, sock=sock, backlog=BACKLOG)
        keys = {"address": where[0], "port": where[1], "upstream": spec.upstream.addresses[0]}
        if spec.exposed:
            self._journal.warn("attach_exposed", detail="whoever can connect here gets a second factor", **keys)
        self._journal.say("attach_listening", **keys)
        return where

    @property
    def count(self) -> int:
        """How many clients are there."""
        return len(self._post.table)

    def hurry(self) -> None:
        """Give sessions no more time to end by themselves."""
        self._hurried = True

    async def stop(self, grace: float) -> None:
        """Accept no more; close those without a session; let the others end by themselves for `grace` seconds; close them."""
        if self._server is not None:
            self._server.close()
        self._close(lambda one: not one.passing)
        await self._empty(grace, unless=lambda: self._hurried)
        self._close(lambda _one: True)
        await self._empty(LINGER)
        for client in list(self._post.table):
            client.abort()
        await self._empty(1.0)

    def _close(self, chosen: Callable[["Client"], bool]) -> None:
        for client in list(self._post.table):
            if chosen(client):
                client.close()

    async def _empty(self, seconds: float, unless: Callable[[], bool] = lambda: False) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while self._post.table and loop.time() < until and not unless():  # noqa: ASYNC110 - as gateway.net.server waits
            await asyncio.sleep(POLL)


def _listening(host: str, port: int) -> socket.socket:
    """Listen; accepted sockets inherit the options of `tune`. Raises StartError."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        text = error.strerror or error
        raise StartError(f"attach: can't listen on {host}:{port}: {text}; free the port or choose another") from None
    sock.setblocking(False)
    tune(sock)
    return sock
