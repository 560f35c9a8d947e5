"""What the sockets need to know, as plain values. Settings are turned into these in `gateway.app`, nowhere else."""

from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Literal

from gateway.core.dialect import Dialect
from gateway.core.route import Route
from gateway.core.session import Limits

Network = IPv4Network | IPv6Network
DialectFactory = Callable[[], Dialect]

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
    """TLS towards an engine. `server_name` "" means the host of the address."""

    ca: Path
    certificate: Path | None = None
    private_key: Path | None = None
    server_name: str = ""
    minimum: Literal["1.2", "1.3"] = "1.2"


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
    a closing connection may take to flush; `record`: how long an end is offered to a store that is away.
    """

    verify: float = 15.0
    commit: float = 5.0
    linger: float = 3.0
    record: float = 60.0
