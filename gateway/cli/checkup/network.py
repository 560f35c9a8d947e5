"""Ports of our own, and the engines behind the routes. An engine sees a connection that says nothing and goes away."""

import errno
import socket
import ssl
from collections.abc import Iterator

from gateway.cli.checkup.finding import Finding, State, failed, ok, warning
from gateway.net.spec import StartError, UpstreamTlsSpec
from gateway.net.tls import upstream_context
from gateway.settings.connections import RouteSettings
from gateway.settings.model import Settings
from gateway.settings.types import split_address

_PATIENCE = 2.0
_OURS = b"gateway_"
"""Every metric of ours begins so (gateway/observe/metrics.py)."""


def ports(settings: Settings) -> Iterator[Finding]:
    """Say of every port whether it is free, our own running gateway's, or somebody else's."""
    running = _gateway_answers(settings.admin.address)
    wanted = [(f"listener {one.name}", one.address) for one in settings.listener]
    if settings.admin.address != "off":
        wanted.append(("admin", settings.admin.address))
    yield from (_port(name, address, running=running) for name, address in wanted)


def _port(name: str, address: str, *, running: bool) -> Finding:
    host, port = split_address(address)
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(where)
            sock.listen(1)
    except OSError as error:
        return _taken(name, address, error, running=running)
    if running:
        return warning(name, f"{address} is free, though a gateway is running", "does it run with this configuration?")
    return ok(name, f"{address} is free")


def _taken(name: str, address: str, error: OSError, *, running: bool) -> Finding:
    if error.errno == errno.EADDRINUSE:
        if running:
            return ok(name, f"{address} is taken, and a gateway is running")
        return failed(
            name,
            f"{address} is taken, and no gateway answers",
            f"see who has it: ss -ltnp 'sport = :{address.rpartition(':')[2]}'",
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return failed(
            name, f"{address} is not allowed to this user", "use a port above 1023, or grant CAP_NET_BIND_SERVICE"
        )
    return failed(name, f"{address} cannot be listened on: {error.strerror or error}", "use an address of this machine")


def _gateway_answers(address: str) -> bool:
    """Ask the admin address for its metrics: only a gateway has ours."""
    if address == "off":
        return False
    page = b""
    try:
        with socket.create_connection(split_address(address), _PATIENCE) as sock:
            sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: gateway\r\n\r\n")
            while _OURS not in page and (chunk := sock.recv(65536)):
                page += chunk
    except OSError:
        return False
    return _OURS in page


def upstreams(settings: Settings) -> Iterator[Finding]:
    """Connect to every address of every route, with TLS where it has that. One that is dead matters less beside a live one."""
    for route in settings.route:
        found = [_upstream(route, address) for address in route.upstream]
        alive = any(one.state is State.OK for one in found)
        for one in found:
            yield warning(one.subject, one.found, one.mend) if alive and one.state is State.FAILED else one


def _upstream(route: RouteSettings, address: str) -> Finding:
    name, mend = f"route {route.name}", f"start the engine, or mend route.upstream: {address}"
    host, port = split_address(address)
    try:
        with socket.create_connection((host, port), route.connect_timeout) as sock:
            if route.tls is None:
                return ok(name, f"{address} answers")
            tls = route.tls
            context = upstream_context(UpstreamTlsSpec(tls.ca, tls.certificate, tls.private_key, tls.server_name))
            with context.wrap_socket(sock, server_hostname=tls.server_name or host) as wrapped:
                return ok(name, f"{address} answers in {wrapped.version()}, its certificate holds")
    except ssl.SSLCertVerificationError as error:
        return failed(
            name,
            f"{address}: its certificate does not hold: {error.verify_message}",
            "check tls.ca and tls.server_name",
        )
    except ssl.SSLError as error:
        return failed(
            name, f"{address}: no TLS with it: {error.reason or 'broken off'}", "does the engine speak TLS there?"
        )
    except StartError as error:
        return failed(name, str(error), "mend the files that route.tls names")
    except OSError as error:
        return failed(name, f"{address} cannot be reached: {error.strerror or error}", mend)
