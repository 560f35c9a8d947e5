"""Print the model: `config/gateway.toml` with every option as a comment, and the table for `docs/options.md`.

Lines that begin with "#" and no blank are settings: taking the "#" away sets what is printed.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from enum import Enum
from typing import Any

from gateway.core.secret import Secret
from gateway.policy.rules import Policy
from gateway.settings.model import Settings
from gateway.settings.options import Option, Table, tables

_EXAMPLES: dict[str, Any] = {
    "store.url_file": "/run/secrets/store-url",
    "store.master_key": "c2VlIHRoZSBsaW5lIGFib3ZlOyB0aGlzIGlzIG5vIGtleQ==",
    "store.master_key_file": "var/gateway.db.key",
    "listener.name": "fix",
    "listener.password_key": "cqg",
    "listener.tls.certificate": "tls/gateway.pem",
    "listener.tls.private_key": "tls/gateway.key",
    "listener.tls.client_ca": "tls/clients-ca.pem",
    "route.name": "engine",
    "route.upstream": ["engine-a.example:9880", "engine-b.example:9880"],
    "route.tls.ca": "tls/engine-ca.pem",
    "route.tls.certificate": "tls/gateway-client.pem",
    "route.tls.private_key": "tls/gateway-client.key",
    "route.tls.issuer": "tls/broker-only-ca.pem",
    "route.tls.issuer_key": "tls/broker-only-ca.key",
    "route.service.user": "gateway",
    "route.service.password": "see the lines above; this is no password",
    "route.service.password_file": "/run/secrets/broker-password",
    "notify.mail.server": "mail.example:587",
    "notify.mail.sender": "Gateway <gateway@example.com>",
    "notify.mail.user": "gateway",
    "notify.mail.password": "see the lines above; this is no password",
    "notify.mail.password_file": "/run/secrets/mail-password",
    "notify.mail.ca": "tls/mail-ca.pem",
    "notify.webhook.name": "siem",
    "notify.webhook.url": "https://siem.example/gateway",
    "notify.webhook.secret": "see the lines above; this is no secret",
    "notify.webhook.secret_file": "/run/secrets/siem-secret",
    "notify.webhook.ca": "tls/siem-ca.pem",
    "notify.broker.url": "amqps://gateway:password@rabbit.example:5671/events",
    "notify.broker.url_file": "/run/secrets/events-url",
    "notify.broker.ca": "tls/events-ca.pem",
    "portal.tls.certificate": "tls/portal.pem",
    "portal.tls.private_key": "tls/portal.key",
    "people.blocked_passwords": "words/blocked.txt",
    "organisation.name": "firm-a",
    "organisation.setup_link": 86400.0,
    "passwords.ldap.servers": ["ldaps://ldap-a.example:636", "ldap://ldap-b.example:389"],
    "passwords.ldap.ca": "tls/directory-ca.pem",
    "passwords.ldap.user_dn": "uid={user},ou=people,dc=example,dc=com",
    "passwords.ldap.search.base": "ou=people,dc=example,dc=com",
    "passwords.ldap.search.bind_dn": "cn=gateway,ou=services,dc=example,dc=com",
    "passwords.ldap.search.password": "see the lines above; this is no password",
    "passwords.ldap.search.password_file": "/run/secrets/directory-password",
    "password_key.name": "cqg",
    "password_key.pem": "tls/password.key",
    "password_key.token.module": "tls/libsofthsm2.so",
    "password_key.token.token": "gateway",
    "password_key.token.key": "cqg",
    "password_key.token.pin": "see the lines above; this is no PIN",
    "password_key.token.pin_file": "/run/secrets/token-pin",
}
_HEAD = """\
# Login-session gateway: every option, its default, its unit and why it is there.
# Generated from the settings model (`make docs`); this file as it stands sets nothing.
#
# A line "#key = value" shows the default: take the "#" away and change the value.
# Any option can come from the environment instead, over this file: GATEWAY_STORE__URL is store.url; lists are JSON.
# Durations are seconds, or text such as "40 s", "30 min", "24 h", "90 d". Relative paths begin at the working directory.
# `gateway check-config` says everything that is wrong, at once.
"""


def toml_text() -> str:
    """Return the whole of `config/gateway.toml`."""
    return "\n".join([_HEAD, *("\n".join(_table(table)) for table in tables(Settings))])


def _table(table: Table) -> Iterator[str]:
    if table.path:
        mark = "#" if table.optional else ""
        brackets = ("[[", "]]") if table.many else ("[", "]")
        yield f"# {'─' * 100}"
        yield f"# {table.reason}"
        yield f"{mark}{brackets[0]}{table.path}{brackets[1]}"
        yield ""
    for option in table.options:
        yield f"# {option.reason}"
        yield f"# {_facts(option)}"
        yield f"#{option.name} = {toml_value(_shown(option))}"
        yield ""


def _facts(option: Option) -> str:
    unit = f", in {option.unit}" if option.unit else ""
    return f"({option.allowed}{unit}; {_default_words(option)})"


def _default_words(option: Option) -> str:
    if option.required:
        return "required"
    if option.default is None:
        return f"default: {_whose(option)}" if _policy_path(option) else "no default"
    return f"default {toml_value(option.default)}"


def _policy_path(option: Option) -> list[str]:
    """Return where the policy has the option, nothing where it is none of the policy's."""
    names = [*option.table.removeprefix("organisation.").split("."), option.name]
    if names[0] == "detection":
        return names
    return names[1:] if names[0] == "policy" else []


def _whose(option: Option) -> str:
    return "the house's" if option.table.startswith("organisation.") else "the profile's"


def _shown(option: Option) -> Any:
    if path := _policy_path(option):
        return _of_policy(path)
    return _EXAMPLES[f"{option.table}.{option.name}"] if option.default is None else option.default


def _of_policy(path: list[str]) -> Any:
    """Return the value the code itself has, where no profile says otherwise."""
    value: Any = asdict(Policy())
    for part in path:
        value = value[part]
    return value


def toml_value(value: Any) -> str:
    """Write one value as TOML."""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, frozenset):
        value = sorted(value, key=str)
    if isinstance(value, Secret):  # a default, so it is none
        value = value.reveal().decode()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value if isinstance(value, bool | int | float) else str(value), ensure_ascii=False)


def markdown() -> str:
    """Return the tables of `docs/options.md`."""
    return "\n".join(line for table in tables(Settings) for line in _markdown_table(table))


def _markdown_table(table: Table) -> Iterator[str]:
    title = f"[[{table.path}]]" if table.many else f"[{table.path}]"
    yield f"## {f'`{title}`' if table.path else 'At the top of the file'}\n\n{table.reason}\n"
    if not table.options:
        return
    yield "| option | default | allowed | unit | what for |\n|---|---|---|---|---|"
    for option in table.options:
        default = _default_words(option).removeprefix("default ").removeprefix("default: ")
        allowed = option.allowed.replace("|", "\\|")
        code = f"`{default}`" if _default_words(option).startswith("default ") else default
        yield f"| `{option.name}` | {code} | {allowed} | {option.unit} | {option.reason} |"
    yield ""
