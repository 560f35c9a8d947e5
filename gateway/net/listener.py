"""Accepts clients: limits first, then the PROXY header, then TLS, then a Connection. Nobody is read before being counted.

The accept loop is our own because asyncio's would start TLS before anything could be limited or read.
"""

import asyncio
import secrets
import socket
import ssl

from gateway.core.authority import Report
from gateway.core.login import Origin
from gateway.core.reason import Reason
from gateway.net.connection import Connection
from gateway.net.crowd import UNKNOWN, Crowd, Place
from gateway.net.lane import Lane
from gateway.net.proxy_protocol import BadHeaderError
from gateway.net.proxy_reader import read_proxy_header, trusted
from gateway.net.sockets import address_of, reset, tune
from gateway.net.spec import ListenerSpec, StartError
from gateway.net.tls import server_context

BATCH = 64
"""Accepts per turn of the loop: a storm of new connections must not starve the live ones."""
BACKLOG = 1024
PAUSE = 0.2
"""Seconds without accepting after the process ran out of descriptors or memory."""


class Listener:
    """One port.

    Invariants: a socket is counted in `_crowd` from accept to the end of its last byte; a contact that does not
    become a Connection is closed without a byte, reported and forgotten.
    """

    def __init__(self, spec: ListenerSpec, lane: Lane) -> None:
        self._spec = spec
        self._lane = lane
        self._journal = lane.services.journal
        self._crowd = Crowd(spec.crowd, lambda total: self._journal.crowd(spec.name, total))
        self._socket: socket.socket | None = None
        self._resume: asyncio.TimerHandle | None = None
        self._tls = _tls_of(spec)

    def reload(self) -> None:
        """Read certificates again; new connections use them. Raises StartError, and then keeps what was."""
        self._tls = server_context(self._spec.tls) if self._spec.tls else None

    def start(self) -> None:
        """Bind and accept. Raises StartError."""
        spec = self._spec
        self._socket = _bind(spec)
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._accept)
        host, port = self.address
        self._journal.say("listening", listener=spec.name, address=host, port=port)
        if spec.tls is None:
            self._journal.warn(
                "plain_listener", listener=spec.name, detail="passwords and codes travel in clear (TW-4)"
            )

    @property
    def address(self) -> tuple[str, int]:
        """Return where it listens; the port is real where 0 was asked for."""
        if self._socket is None:
            raise RuntimeError("the listener is not started")
        return address_of(self._socket.getsockname())

    @property
    def bound(self) -> bool:
        """Say whether it accepts."""
        return self._socket is not None

    def stop(self) -> None:
        """Accept no more; what was accepted goes on."""
        if self._resume is not None:
            self._resume.cancel()
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None

    # ── accepting ──

    def _accept(self) -> None:
        for _ in range(BATCH):
            if self._socket is None:
                return
            try:
                sock, name = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:  # out of descriptors or memory: the kernel's backlog waits for us
                self._pause(error)
                return
            self._take(sock, *address_of(name))

    def _pause(self, error: OSError) -> None:
        loop = asyncio.get_running_loop()
        self._journal.failed("accept", error)
        if self._socket is not None:
            loop.remove_reader(self._socket.fileno())
            self._resume = loop.call_later(PAUSE, self._again)

    def _again(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().add_reader(self._socket.fileno(), self._accept)

    def _take(self, sock: socket.socket, address: str, port: int) -> None:
        sock.setblocking(False)
        origin = Origin(secrets.token_hex(8), self._spec.name, address, port)
        balancer = bool(self._spec.proxies)
        if balancer and not trusted(address, self._spec.proxies):
            self._refuse(sock, origin, Reason.BAD_PROXY_HEADER, "not a trusted proxy")
            return
        place = self._crowd.enter(UNKNOWN if balancer else address)
        if place is None:
            self._refuse(sock, origin, Reason.TOO_MANY_CONNECTIONS)
            return
        self._lane.services.errands.run("open", self._open(sock, origin, place))

    async def _open(self, sock: socket.socket, origin: Origin, place: Place) -> None:
        """Bring a counted socket to its Connection, or close it and free its place."""
        try:
            tune(sock)
            if self._spec.proxies:
                origin = await read_proxy_header(sock, origin, self._spec.handshake)
                if not place.move(origin.address):
                    self._refuse(sock, origin, Reason.TOO_MANY_CONNECTIONS)
                    return
            await self._hand_over(sock, Connection(self._lane, origin, place))
        except BadHeaderError as error:
            place.leave()
            self._refuse(sock, origin, Reason.BAD_PROXY_HEADER, str(error))
        except OSError as error:  # TLS errors and time-outs are OSErrors too
            place.leave()
            self._refuse(sock, origin, Reason.TLS_FAILED if self._tls else Reason.CLIENT_LEFT, _kind(error))
        except BaseException:
            place.leave()
            sock.close()
            raise

    async def _hand_over(self, sock: socket.socket, connection: Connection) -> None:
        """Shake hands where there is TLS; the connection then belongs to its own transport. Raises OSError."""
        loop = asyncio.get_running_loop()
        if self._tls is None:
            await loop.connect_accepted_socket(connection.client, sock)
            return
        await loop.connect_accepted_socket(
            connection.client,
            sock,
            ssl=self._tls,
            ssl_handshake_timeout=self._spec.handshake,
            ssl_shutdown_timeout=self._lane.services.patience.linger,
        )

    def _refuse(self, sock: socket.socket, origin: Origin, reason: Reason, detail: str = "") -> None:
        reset(sock)
        services = self._lane.services
        services.journal.contact_refused(origin, reason, detail)
        report = Report(origin, reason, services.clock().wall)
        services.errands.once("report", lambda: services.authority.report(report))


def _kind(error: OSError) -> str:
    return str(getattr(error, "reason", None) or type(error).__name__)


def rehearse(spec: ListenerSpec) -> None:
    """Raise StartError where a Listener of this spec could not start now; nothing stays open."""
    _tls_of(spec)
    _bind(spec).close()


def _tls_of(spec: ListenerSpec) -> ssl.SSLContext | None:
    if spec.tls is None and not spec.plain:
        raise StartError(f"listener {spec.name}: give it tls, or say plain = true (TW-4)")
    return server_context(spec.tls) if spec.tls else None


def _bind(spec: ListenerSpec) -> socket.socket:
    try:
        return _listening(spec.host, spec.port, reuse_port=spec.reuse_port)
    except OSError as error:
        where = f"listener {spec.name}: can't listen on {spec.host}:{spec.port}"
        raise StartError(f"{where}: {error.strerror or error}; free the port or change its address") from None


def _listening(host: str, port: int, *, reuse_port: bool) -> socket.socket:
    family, _, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(where)
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock
