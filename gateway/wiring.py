"""Settings into the plain values that the sockets and the courier take: specs of listeners, upstreams and service accounts.

Must not open, bind or decide anything. What checks passwords is `gateway.credentials`.
"""

from pathlib import Path

from gateway.auth.blocked import words_in
from gateway.core.route import Route
from gateway.core.session import Limits
from gateway.courier.spec import CourierSpec
from gateway.net.spec import (
    CrowdLimits,
    DialectFactory,
    IssuerSpec,
    ListenerSpec,
    TlsSpec,
    UpstreamSpec,
    UpstreamTlsSpec,
)
from gateway.net.tls import common_name
from gateway.protocols.amqp import venue as amqp
from gateway.protocols.fix import venue as fix
from gateway.protocols.registry import PROTOCOLS, Venue
from gateway.settings.connections import Listener, ListenerTls, RouteSettings, RouteTls
from gateway.settings.data import data_folder
from gateway.settings.load import Configuration
from gateway.settings.model import Settings
from gateway.settings.types import split_address


def blocked_words(own: Path | None) -> frozenset[str]:
    """Return the words no password may consist of: those that are shipped, and those of the house. Raises OSError."""
    files = [data_folder() / "config" / "blocked-passwords.txt", *([own] if own else [])]
    return words_in(line for file in files for line in file.read_text().splitlines())


def listeners(configuration: Configuration, *, shared: bool) -> list[ListenerSpec]:
    """Return the ports for clients; `shared` with the other processes of this gateway."""
    settings = configuration.settings
    return [
        _listener(listener, configuration.venues[listener.name], settings.routes_of(listener), shared=shared)
        for listener in settings.listener
    ]


def _listener(listener: Listener, venue: Venue, routes: tuple[RouteSettings, ...], *, shared: bool) -> ListenerSpec:
    host, port = split_address(listener.address)
    return ListenerSpec(
        name=listener.name,
        host=host,
        port=port,
        dialect=_dialect(listener, venue),
        routes=tuple(Route(one.name, one.upstream, one.target, one.version, one.user) for one in routes),
        plain=listener.plain,
        tls=_client_tls(listener.tls) if listener.tls else None,
        proxies=tuple(listener.proxy_protocol_from),
        crowd=CrowdLimits(
            listener.max_connections,
            listener.max_connections_per_address,
            listener.max_pending_logins,
            listener.max_pending_logins_per_address,
        ),
        limits=Limits(login=listener.login_timeout, answer=listener.answer_timeout),
        reuse_port=shared,
    )


def _dialect(listener: Listener, venue: Venue) -> DialectFactory:
    make = PROTOCOLS[listener.protocol].dialect
    if isinstance(venue, amqp.Venue):
        return lambda origin: make(venue, amqp.Acceptance(), common_name(origin.certificate_subject))
    acceptance = fix.Acceptance(
        versions=listener.versions,
        tolerance=listener.sending_time_tolerance,
        login_bytes=listener.max_login_size,
        refusal=fix.Refusal(listener.refusal),
        password_key=listener.password_key or "",
    )
    return lambda _origin: make(venue, acceptance)


def _client_tls(tls: ListenerTls) -> TlsSpec:
    return TlsSpec(tls.certificate, tls.private_key, tls.client_ca, tls.client_certificate, tls.minimum)


def upstreams(settings: Settings) -> list[UpstreamSpec]:
    """Return the engines and brokers behind the routes."""
    return [
        UpstreamSpec(route.name, route.upstream, _engine_tls(route.tls) if route.tls else None, route.connect_timeout)
        for route in settings.route
    ]


def couriers(settings: Settings) -> list[CourierSpec]:
    """Return the gateway's own accounts at the brokers. Raises ValueError where a password's file can't be read."""
    return [
        CourierSpec(
            route=route.name,
            addresses=route.upstream,
            vhost=route.service.vhost,
            user=route.service.user,
            password=route.service.secret(),
            tls=_engine_tls(route.tls) if route.tls else None,
            connect=route.connect_timeout,
        )
        for route in settings.route
        if route.service
    ]


def _engine_tls(tls: RouteTls) -> UpstreamTlsSpec:
    issuer = IssuerSpec(tls.issuer, tls.issuer_key) if tls.issuer and tls.issuer_key else None
    return UpstreamTlsSpec(tls.ca, tls.certificate, tls.private_key, tls.server_name, issuer=issuer)
