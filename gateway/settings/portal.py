"""The portal: the web pages where people enrol and help themselves, and where their administrators work."""

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from gateway.settings.types import AddressOrOff, File, Network, Seconds, Section

_LOCAL = frozenset({"localhost"})
_PORTS = {"https": 443, "http": 80}


class PortalTls(Section):
    """TLS towards the browsers (TW-4)."""

    certificate: File
    """PEM file with the portal's certificate and its chain."""
    private_key: File
    """PEM file with the certificate's private key; keep it readable by the gateway alone."""
    minimum: Literal["1.2", "1.3"] = "1.2"
    """Oldest TLS version spoken (SF-17)."""


class PortalSettings(Section):
    """The web pages where people enrol and help themselves, and where their administrators work."""

    url: Annotated[str, Field(pattern=r"^$|^https?://[!-~]+$", max_length=200)] = ""
    """Where people reach it: links lead there, passkeys are bound to it, and refusals name it (CQ-2); empty: not named."""
    address: AddressOrOff = "off"
    """Where it listens; "off": nowhere."""
    process: Literal["serve", "own"] = "serve"
    """serve: `gateway serve` runs it, too; own: `gateway portal` runs it alone, on this host or another one (SF-12)."""
    name: Annotated[str, Field(min_length=1, max_length=60)] = "Order entry access"
    """What it is called on its pages and in authenticator apps."""
    plain: bool = False
    """Must be true to listen without TLS, behind a load balancer that speaks it: the pages themselves insist on https."""
    tls: PortalTls | None = None
    """TLS towards the browsers; needed unless plain = true."""
    forwarded_from: tuple[Network, ...] = ()
    """Networks of load balancers whose X-Forwarded-For is believed; empty: nobody's is."""
    idle: Annotated[Seconds, Field(le=3600)] = 900.0
    """Signed out after this long without a click (SF-9, SF-10)."""
    lifetime: Annotated[Seconds, Field(le=86400)] = 28800.0
    """Signed out after this long, busy or not."""

    proof_of_work: bool = True
    """After ten failures from an address its sign-in takes a puzzle for the browser, or some patience (TW-8)."""

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        if self.address == "off":
            return self
        if (self.tls is None) != self.plain:
            raise ValueError("needs either tls = {...} or plain = true, not both (TW-4)")
        parts = urlsplit(self.url)
        if parts.scheme != "https" and parts.hostname not in _LOCAL:
            raise ValueError("url must be set and begin with https:// where the portal is on: links lead there")
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError("url is the portal's root: https://host or https://host:port")
        if parts.port == _PORTS[parts.scheme]:
            raise ValueError(f"url without :{parts.port}: no browser sends the port that is its scheme's own")
        return self
