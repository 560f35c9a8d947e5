"""`check-config` and `version`: what is configured, and what runs it."""

import platform
import ssl
from dataclasses import asdict
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import gateway
from gateway.cli.exits import Code
from gateway.cli.output import print_fields, print_json, say
from gateway.policy.profile import settings as plain
from gateway.settings import ConfigError, Configuration, Settings, load

_LIBRARIES = ("uvloop", "SQLAlchemy", "cryptography", "argon2-cffi", "PyNaCl", "pydantic", "structlog")


def check(file: Path | None, *, as_json: bool) -> None:
    """Print what the configuration comes to, or its faults (as JSON they go to standard output; exit 2)."""
    try:
        found = load(file, serving=True)
    except ConfigError as error:
        if not as_json:
            raise
        print_json({"ok": False, "problems": [asdict(problem) for problem in error.problems]})
        raise SystemExit(Code.USAGE) from None
    if as_json:
        print_json({"ok": True, **_summary(found)})
    else:
        _tell(found)


def _summary(found: Configuration) -> dict[str, Any]:
    return {
        "profile": found.settings.profile,
        "policy": plain(found.policies.house),
        "organisations": {name: plain(policy) for name, policy in found.policies.firms.items()},
        "settings": found.settings.model_dump(
            mode="json", exclude={"policy": True, "profile": True, "organisation": {"__all__": {"policy"}}}
        ),
    }


def _tell(found: Configuration) -> None:
    settings = found.settings
    for listener in settings.listener:
        legs = "without TLS: passwords and codes travel in clear" if listener.plain else "TLS"
        routes = ", ".join(route.name for route in settings.routes_of(listener))
        say(
            f"listener {listener.name}: {listener.protocol} on {listener.address}, {legs}, venue {listener.venue}, to {routes}"
        )
    for route in settings.route:
        legs = "without TLS" if route.plain else "TLS"
        own = f", own account {route.service.user} on {route.service.vhost}" if route.service else ""
        say(
            f"route {route.name}: target {route.target}, version {route.version}, to {', '.join(route.upstream)}, {legs}{own}"
        )
    say(
        f"notifications: {', '.join(_ways(settings)) or 'none: nobody is told of logins, and links are copied by hand'}"
    )
    say(f"store: {'SQLite' if settings.store.embedded else 'PostgreSQL'}")
    say(f"profile {settings.profile}:")
    house = plain(found.policies.house)
    print_fields({f"  {name}": value for name, value in house.items()})
    for firm, policy in found.policies.firms.items():
        say(f"organisation {firm}, where it differs:")
        print_fields({f"  {name}": value for name, value in plain(policy).items() if value != house[name]})
    say("The configuration is good.")


def _ways(settings: Settings) -> list[str]:
    """Return by which ways people and machines are told."""
    notify = settings.notify
    mail = [f"mail by {notify.mail.server} ({notify.mail.tls})"] if notify.mail else []
    hooks = [f"webhook {hook.name}{' for text messages' if hook.sms else ''}" for hook in notify.webhook]
    return [*mail, *hooks, *([f"events on {notify.broker.exchange}"] if notify.broker else [])]


def versions(*, as_json: bool) -> None:
    """Print our version, the interpreter's, OpenSSL's and the libraries'."""
    found = {"gateway": gateway.__version__, "python": platform.python_version(), "openssl": ssl.OPENSSL_VERSION}
    found |= {name: version_of(name) for name in _LIBRARIES}
    if as_json:
        print_json(found)
    else:
        print_fields(found)
