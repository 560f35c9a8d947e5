"""`attach`: the sidecar on the trader's side (BY-10). The key comes from a file or standard input, never as an argument."""

import ctypes
import resource
import sys
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.exits import Code, Refusal
from gateway.protocols.names import Protocol

if TYPE_CHECKING:
    from gateway.attach.key import TotpKey
    from gateway.net.spec import UpstreamTlsSpec

_DUMPABLE = 4
"""PR_SET_DUMPABLE of prctl(2)."""


def attach(  # noqa: PLR0913, PLR0917 - one option for each thing that it needs
    upstream: Annotated[str, typer.Option(help="The gateway, host:port.", show_default=False)],
    listen: Annotated[str, typer.Option(help="Where the algorithm connects, host:port.")] = "127.0.0.1:9870",
    key_file: Annotated[
        Path | None, typer.Option(help="TOTP key, base32 or an otpauth URI; mode 0600.", show_default=False)
    ] = None,
    protocol: Annotated[Protocol, typer.Option(help="What the algorithm speaks.")] = "fix",
    venue: Annotated[str, typer.Option(help="Where the code goes: a venue's name, or its file.")] = "default",
    tls_ca: Annotated[
        Path | None, typer.Option(help="TLS: the authority of the gateway's certificate.", show_default=False)
    ] = None,
    tls_certificate: Annotated[Path | None, typer.Option(help="TLS: our certificate.", show_default=False)] = None,
    tls_key: Annotated[Path | None, typer.Option(help="TLS: its private key.", show_default=False)] = None,
    server_name: Annotated[
        str, typer.Option(help="TLS: the gateway's name, if not the host.", show_default=False)
    ] = "",
    max_wait: Annotated[
        float, typer.Option(help="Seconds that a login waits for a code; then its line is closed.", min=1, max=600)
    ] = 31.0,
    grace: Annotated[float, typer.Option(help="Seconds that sessions may go on after SIGTERM.", min=0, max=3600)] = 0.0,
    *,
    key_stdin: Annotated[bool, typer.Option("--key-stdin", help="Read the key from standard input.")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="No TLS: passwords and codes travel in clear.")] = False,
    expose: Annotated[
        bool, typer.Option("--expose", help="Listen on an address that others can reach: they get the second factor.")
    ] = False,
) -> None:
    """Stand between an algorithm and the gateway, and add the one-time code to every login; SIGTERM ends it."""
    from gateway.attach.passage import Patience  # noqa: PLC0415 - only this command attaches
    from gateway.attach.server import AttachSpec  # noqa: PLC0415
    from gateway.attach.server import attach as run  # noqa: PLC0415
    from gateway.net.spec import UpstreamSpec  # noqa: PLC0415
    from gateway.settings.load import read_venue  # noqa: PLC0415

    host, port = _address(listen, "--listen")
    _address(upstream, "--upstream")
    if not (expose or _loopback(host)):
        raise Refusal(f"--listen {listen} can be reached by others: say --expose if that is meant", Code.USAGE)
    tls = _tls(tls_ca, tls_certificate, tls_key, server_name, plain=plain)
    _no_dumps()
    spec = AttachSpec(
        host,
        port,
        UpstreamSpec("attach", (upstream,), tls),
        read_venue(venue, protocol),
        _key(key_file, stdin=key_stdin),
        Patience(hold=max_wait),
        exposed=not _loopback(host),
        grace=grace,
    )
    raise SystemExit(run(spec))


def _address(text: str, option: str) -> tuple[str, int]:
    from gateway.settings.types import split_address  # noqa: PLC0415

    try:
        return split_address(text)
    except ValueError as error:
        raise Refusal(f"{option} {text!r}: {error}", Code.USAGE) from None


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _tls(
    ca: Path | None, certificate: Path | None, key: Path | None, name: str, *, plain: bool
) -> "UpstreamTlsSpec | None":
    from gateway.net.spec import UpstreamTlsSpec  # noqa: PLC0415

    if plain and (ca or certificate or key or name):
        raise Refusal("give either --plain or --tls-ca and its like, not both", Code.USAGE)
    if plain:
        return None
    if ca is None:
        raise Refusal("give --tls-ca FILE, or say --plain: passwords and codes then travel in clear", Code.USAGE)
    return UpstreamTlsSpec(ca, certificate, key, name)


def _key(file: Path | None, *, stdin: bool) -> "TotpKey":
    from gateway.attach.key import LARGEST, parse_key, read_key_file  # noqa: PLC0415

    if (file is None) == (not stdin):
        raise Refusal("give either --key-file FILE or --key-stdin", Code.USAGE)
    return read_key_file(file) if file else parse_key(sys.stdin.readline(LARGEST), "standard input")


def _no_dumps() -> None:
    """Keep the key out of core dumps, and of /proc/PID/mem for the user's other programs (proc(5), prctl(2))."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_DUMPABLE, 0, 0, 0, 0)
