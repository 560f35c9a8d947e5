"""What the sockets need to know, as plain values. Settings are turned into these in `gateway.wiring`, nowhere else."""

from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Literal, Protocol

from gateway.core.dialect import Dialect
from gateway.core.login import Origin
from gateway.core.route import Route
from gateway.core.session import Limits

Network = IPv4Network | IPv6Network
DialectFactory = Callable[[Origin], Dialect]
"""Called when the client's TLS identity is known."""

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""TLS 1.2 suites with forward secrecy and AEAD; TLS 1.3 has no others."""


class StartError(Exception):
    """The gateway can't start or reload: one line that says what, where and what to do."""


@dataclass(frozen=True, slots=True)
class TlsSpec:
    """TLS towards the clients. `client_certificate` other than "none" needs `client_ca`; `ciphers` are OpenSSL's, for 1.2."""

    certificate: Path
    private_key: Path
    client_ca: Path | None = None
    client_certificate: Literal["none", "optional", "required"] = "none"
    minimum: Literal["1.2", "1.3"] = "1.2"
    ciphers: str = CIPHERS


@dataclass(frozen=True, slots=True)
class UpstreamTlsSpec:
    """TLS towards an engine. `server_name` "" means the host of the address.

    With an `issuer` every client whose certificate was verified is presented under its own common name.
    """

    ca: Path
    certificate: Path | None = None
    private_key: Path | None = None
    server_name: str = ""
    minimum: Literal["1.2", "1.3"] = "1.2"
    issuer: "IssuerSpec | None" = None


@dataclass(frozen=True, slots=True)
class IssuerSpec:
    """A certificate authority that only the broker trusts and only the gateway holds (M7-13)."""

    certificate: Path
    private_key: Path


@dataclass(frozen=True, slots=True)
class CrowdLimits:
    """How many connections may be open at one time, in force before the first byte is read (TLS included).

    They bound memory and descriptors (`connections`), one host's share of them (`per_address`), and what
    somebody without a login can hold (`pending`, `pending_per_address`).
    """

    connections: int = 10_000
    per_address: int = 200
    pending: int = 1_000
    pending_per_address: int = 50


@dataclass(frozen=True, slots=True)
class ListenerSpec:
    """A port for clients. `plain` must be True where `tls` is None (TW-4). `proxies`: who may send a PROXY header.

    `handshake` seconds bound the PROXY header and the TLS handshake, each; `reuse_port` lets several processes share it.
    """

    name: str
    host: str
    port: int
    dialect: DialectFactory
    routes: tuple[Route, ...]
    plain: bool = False
    tls: TlsSpec | None = None
    proxies: tuple[Network, ...] = ()
    crowd: CrowdLimits = field(default_factory=CrowdLimits)
    limits: Limits = field(default_factory=Limits)
    handshake: float = 5.0
    reuse_port: bool = False


@dataclass(frozen=True, slots=True)
class UpstreamSpec:
    """The engine behind a route. `connect` seconds per address, TLS included; a failed one is tried last for `shun` seconds."""

    route: str
    addresses: tuple[str, ...]
    tls: UpstreamTlsSpec | None = None
    connect: float = 3.0
    shun: float = 10.0


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds. `verify` and `commit`: how long the authority may take before the answer is no; `linger`: how long
    a closing connection may take to flush; `record`: how long an end is offered to a store that is away;
    `will`: how long the courier may take to tell a venue of a session's end before the claim on it is given back.
    """

    verify: float = 15.0
    commit: float = 5.0
    linger: float = 3.0
    record: float = 60.0
    will: float = 25.0


class Courier(Protocol):
    """The gateway's own way to the venues: messages that do not travel on a client's line. They are opaque here."""

    async def post(self, route: str, data: bytes) -> None:
        """Publish once; an unroutable message is tried again for a moment. Raises whatever went wrong."""

    async def deliver(self, route: str, data: bytes) -> None:
        """Publish until the venue's broker has accepted it, however long that takes. Raises where it never can."""

    async def close(self) -> None:
        """Let what is under way go out, for a bounded time, and close."""


class NoCourier:
    """Of a gateway whose venues learn everything from their own connections (FIX)."""

    async def post(self, route: str, data: bytes) -> None:  # noqa: ARG002 - the contract's
        """Raise: there is no way."""
        raise LookupError("no courier")

    async def deliver(self, route: str, data: bytes) -> None:
        """Raise: there is no way."""
        await self.post(route, data)

    async def close(self) -> None:
        """Nothing is open."""
