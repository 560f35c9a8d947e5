"""Where connections come from and where they go: listeners, routes and the TLS of both legs."""

from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from gateway.core.secret import Secret
from gateway.protocols.names import Protocol
from gateway.settings.types import (
    Address,
    Count,
    File,
    Name,
    Network,
    Seconds,
    SecretText,
    Section,
    Unit,
    given_secret,
)

Version = Literal["FIX.4.0", "FIX.4.1", "FIX.4.2", "FIX.4.3", "FIX.4.4", "FIXT.1.1"]
Refusal = Literal["auto", "close", "logout"]
ClientCertificate = Literal["none", "optional", "required"]
MinimumTls = Literal["1.2", "1.3"]

_FIX_ONLY: Final = (
    "password_key",
    "versions",
    "refusal",
    "sending_time_tolerance",
    "max_login_size",
)
"""AMQP: the venue file says what is the code's place and the largest login; a refusal is never a loss."""


class ListenerTls(Section):
    """TLS towards the clients (TW-4)."""

    certificate: File
    """PEM file with the gateway's certificate and its chain."""
    private_key: File
    """PEM file with the certificate's private key; keep it readable by the gateway alone."""
    client_ca: File | None = None
    """PEM file with the authorities whose client certificates are accepted."""
    client_certificate: ClientCertificate = "none"
    """Whether a client must present a certificate of its own (M7-13)."""
    minimum: MinimumTls = "1.2"
    """Oldest TLS version spoken (SF-17)."""

    @model_validator(mode="after")
    def _ca_for_certificates(self) -> Self:
        if self.client_certificate != "none" and self.client_ca is None:
            raise ValueError(f'client_certificate = "{self.client_certificate}" needs client_ca')
        return self


class Listener(Section):
    """A port that clients connect to. There may be several."""

    name: Name
    """Its name in logs, metrics and audit."""
    protocol: Protocol = "fix"
    """What is spoken here: fix is FIX 4.x and FIXT.1.1, amqp is AMQP 0-9-1."""
    address: Address = "127.0.0.1:9878"
    """Where it listens; "0.0.0.0:port" or "[::]:port" for every interface."""
    venue: str = Field(default="default", min_length=1)
    """Where a login keeps user, password and code: a name in config/venues, or the path of a file like those."""
    password_key: Name | None = None
    """Name of the [[password_key]] that EncryptedPassword(1402) is encrypted for (CQ-3); for FIX venues that encrypt."""
    versions: tuple[Version, ...] = Field(default=("FIX.4.2", "FIX.4.4", "FIXT.1.1"), min_length=1)
    """FIX: BeginStrings taken here; any other is closed without a byte."""
    routes: tuple[Name, ...] = ()
    """Names of the routes reachable from here; empty: all of them, in the order of this file. AMQP: exactly one."""
    plain: bool = False
    """Must be true to listen without TLS: passwords and codes then travel in clear (TW-4)."""
    tls: ListenerTls | None = None
    """TLS towards the clients; needed unless plain = true."""
    proxy_protocol_from: tuple[Network, ...] = ()
    """Networks of load balancers that send a PROXY protocol v2 header; empty: nobody's header is believed."""
    refusal: Refusal = "auto"
    """FIX: how a known user with wrong credentials is refused: auto sends a Logout where sequence numbers stay sound (BY-1)."""
    sending_time_tolerance: Seconds = 120.0
    """FIX: how far a Logon's SendingTime(52) may be from the clock."""
    login_timeout: Seconds = 10.0
    """From connection to complete login; ends slow-loris clients."""
    answer_timeout: Seconds = 10.0
    """From a good login to the engine's answer, connecting included: some engines leave a login unanswered."""
    max_login_size: Annotated[int, Field(ge=512, le=1_048_576), Unit("bytes")] = 16384
    """FIX: largest first message; real Logons stay below 2 kB, 1402 and 96 included. AMQP: login_bytes of the venue."""
    max_connections: Count = 10000
    """Open connections at one time: bounds memory and file descriptors."""
    max_connections_per_address: Count = 200
    """The same for one address, so that one host cannot take all places."""
    max_pending_logins: Count = 1000
    """Connections that have not logged in yet."""
    max_pending_logins_per_address: Count = 50
    """The same for one address; a reconnect storm of one host waits here, not in everybody's way."""

    @model_validator(mode="after")
    def _tls_or_plain(self) -> Self:
        if (self.tls is None) != self.plain:
            raise ValueError("needs either tls = {...} or plain = true, not both (TW-4)")
        return self

    @model_validator(mode="after")
    def _of_its_protocol(self) -> Self:
        foreign = [name for name in _FIX_ONLY if name in self.model_fields_set]
        if self.protocol != "fix" and foreign:
            raise ValueError(f'{", ".join(foreign)}: only for protocol = "fix", and this one is "{self.protocol}"')
        return self


class RouteTls(Section):
    """TLS towards an engine (SF-16)."""

    ca: File
    """PEM file with the authorities that may have signed the engine's certificate."""
    certificate: File | None = None
    """PEM file with the gateway's own certificate, where the engine asks for one."""
    private_key: File | None = None
    """PEM file with that certificate's private key."""
    server_name: str = ""
    """Name the engine's certificate must carry; empty: the host of the upstream address."""
    issuer: File | None = None
    """AMQP: PEM file with an authority that only the broker trusts; a client that showed a certificate is presented to the broker under its own name (M7-13)."""
    issuer_key: File | None = None
    """PEM file with that authority's private key; whoever has it can be any client."""

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.certificate is None) != (self.private_key is None):
            raise ValueError("certificate and private_key go together")
        if (self.issuer is None) != (self.issuer_key is None):
            raise ValueError("issuer and issuer_key go together")
        return self


class Service(Section):
    """AMQP: the broker account with which the gateway itself publishes refusals and logout requests. RabbitMQ must tag it `impersonator`, as it speaks for the users."""

    user: str = Field(min_length=1)
    """Its name; one of its own, that no client has."""
    password: SecretText | None = None
    """Its password; meant for the environment (in GATEWAY_ROUTE)."""
    password_file: File | None = None
    """File that holds the password instead."""
    vhost: str = Field(default="/", min_length=1)
    """Virtual host that the account connects to: the clients' (M7: app)."""

    @model_validator(mode="after")
    def _one_password(self) -> Self:
        self.secret()
        return self

    def secret(self) -> Secret:
        """Return the password. Raises ValueError where its file can't be read."""
        return given_secret(self.password, self.password_file, "password")


class RouteSettings(Section):
    """A way to one engine or broker. The first route that takes a login is used; patterns are shell-style, "*" matches all."""

    name: Name
    """Its name in logs, metrics, audit and user bindings."""
    target: str = "*"
    """Pattern of the Logon's TargetCompID(56), or of the AMQP virtual host."""
    version: str = "*"
    """Pattern of the Logon's BeginString(8); AMQP has 0-9-1 only."""
    user: str = "*"
    """Pattern of the user name."""
    upstream: tuple[Address, ...] = Field(min_length=1)
    """The engine's or broker's addresses, tried in this order."""
    plain: bool = False
    """Must be true to connect without TLS (SF-16)."""
    tls: RouteTls | None = None
    """TLS towards the engine; needed unless plain = true."""
    connect_timeout: Seconds = 3.0
    """For one address of upstream; then the next is tried."""
    service: Service | None = None
    """The gateway's own account at the broker; needed on AMQP routes, and of no use on others."""

    @model_validator(mode="after")
    def _tls_or_plain(self) -> Self:
        if (self.tls is None) != self.plain:
            raise ValueError("needs either tls = {...} or plain = true, not both (SF-16)")
        return self
