"""Who may read and write the files: the configuration, the keys and the database."""

import os
import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path

from gateway.cli.checkup.finding import Finding, failed, ok, warning
from gateway.settings.connections import RouteSettings
from gateway.settings.model import Settings


def configuration_file(file: Path) -> Finding:
    """The configuration decides who gets in: nobody else may write it, nor read it where it holds a secret."""
    mode = _mode(file)
    if mode & 0o022:
        return failed("configuration", f"{file} may be written by others (mode {mode:04o})", f"chmod go-w {file}")
    if mode & 0o044 and _holds_secret(file):
        mend = f"chmod 600 {file}, or keep the secret in a file of its own (store.url_file, store.master_key_file, route.service.password_file)"
        return failed("configuration", f"{file} holds a secret and may be read by others (mode {mode:04o})", mend)
    return ok("configuration", f"{file} (mode {mode:04o})")


def _holds_secret(file: Path) -> bool:
    data = tomllib.loads(file.read_text())
    store = data.get("store", {})
    accounts = any("password" in route.get("service", {}) for route in data.get("route", ()))
    accounts |= "password" in data.get("passwords", {}).get("ldap", {}).get("search", {})
    accounts |= any("pin" in key.get("token", {}) for key in data.get("password_key", ()))
    notify = data.get("notify", {})
    accounts |= "password" in notify.get("mail", {}) or "url" in notify.get("broker", {})
    accounts |= any("secret" in hook for hook in notify.get("webhook", ()))
    return accounts or "master_key" in store or "@" in str(store.get("url", ""))


def secret_files(settings: Settings) -> Iterator[Finding]:
    """Private keys, the master key and the database are the gateway's alone."""
    for what, file in _secrets(settings):
        if not file.exists():
            continue  # made at the first start, or the subject's own check says so
        yield _private(what, file)


def _secrets(settings: Settings) -> Iterator[tuple[str, Path]]:
    store = settings.store
    if store.url_file:
        yield "store.url_file", store.url_file
    key = store.key_file()
    if key is not None:
        yield "master key", key
    if store.embedded:
        database = store.database().removeprefix("sqlite:///")
        yield from (("database", Path(f"{database}{suffix}")) for suffix in ("", "-wal", "-shm"))
    for listener in settings.listener:
        if listener.tls:
            yield f"key of listener {listener.name}", listener.tls.private_key
    for route in settings.route:
        yield from _of_route(route)
    yield from _of_passwords(settings)
    yield from _of_notices(settings)


def _of_route(route: RouteSettings) -> Iterator[tuple[str, Path]]:
    if route.tls and route.tls.private_key:
        yield f"key of route {route.name}", route.tls.private_key
    if route.tls and route.tls.issuer_key:
        yield f"issuer's key of route {route.name}", route.tls.issuer_key
    if route.service and route.service.password_file:
        yield f"password of route {route.name}", route.service.password_file


def _of_passwords(settings: Settings) -> Iterator[tuple[str, Path]]:
    for key in settings.password_key:
        if key.pem:
            yield f"password key {key.name}", key.pem
        if key.token and key.token.pin_file:
            yield f"PIN of password key {key.name}", key.token.pin_file
    ldap = settings.passwords.ldap
    if ldap and ldap.search and ldap.search.password_file:
        yield "password of the directory's account", ldap.search.password_file


def _of_notices(settings: Settings) -> Iterator[tuple[str, Path]]:
    notify = settings.notify
    if notify.mail and notify.mail.password_file:
        yield "password of the mail server's account", notify.mail.password_file
    if notify.broker and notify.broker.url_file:
        yield "url of the events' broker", notify.broker.url_file
    for hook in notify.webhook:
        if hook.secret_file:
            yield f"secret of webhook {hook.name}", hook.secret_file


def _private(what: str, file: Path) -> Finding:
    mode = _mode(file)
    if mode & 0o007:
        return failed("permissions", f"{what} {file} is open to everybody (mode {mode:04o})", f"chmod 600 {file}")
    if not os.access(file, os.R_OK):
        return failed(
            "permissions", f"{what} {file} cannot be read (mode {mode:04o})", "run as the gateway's user, or chown it"
        )
    if mode & 0o070:
        return warning("permissions", f"{what} {file} is open to its group (mode {mode:04o})", f"chmod 600 {file}")
    return ok("permissions", f"{what} {file} (mode {mode:04o})")


def _mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)
