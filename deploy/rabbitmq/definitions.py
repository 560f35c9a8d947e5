#!/usr/bin/env python3
"""Write definitions.json for the exchange's broker: users, exchanges, and permissions that leave the gateway as the only way in.

  deploy/rabbitmq/definitions.py --client alice --client bob --passwords passwords > definitions.json
  rabbitmqctl import_definitions definitions.json      (or load_definitions in rabbitmq.conf)

Names come from the venue's profile (config/venues/m7.toml). Passwords come from a file of `name:password` lines, never from
the command line; a user without one can only come with a certificate (SASL EXTERNAL). Needs nothing but Python 3.11.
"""

import argparse
import base64
import hashlib
import json
import os
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROFILE = Path(__file__).resolve().parents[2] / "config" / "venues" / "m7.toml"
KEYS = ("m7.request.inquiry", "m7.request.management")
NOTHING = "^$"
EVERYTHING = ".*"


@dataclass(frozen=True)
class Plan:
    """Who may use a vhost. `exchange` and `queues` are the venue's patterns, with `{user}` in them."""

    vhost: str
    exchange: str
    queues: Sequence[str]
    clients: Sequence[str]
    service: str = "gateway"
    backend: str = "m7-backend"
    backend_queue: str = "m7.backend.requests"
    keys: Sequence[str] = KEYS
    passwords: Mapping[str, str] = field(default_factory=dict, repr=False)

    def definitions(self) -> dict[str, Any]:
        """Return what RabbitMQ imports; ValueError where one client could pass for another."""
        self._check()
        return {
            "users": [self._user(name, tags) for name, tags in self._users()],
            "vhosts": [{"name": self.vhost}],
            "permissions": [self._permission(name, *allowed) for name, allowed in self._permissions()],
            "exchanges": [self._exchange(client) for client in self.clients],
            "queues": [self._within(name=self.backend_queue, durable=True, auto_delete=False, arguments={})],
            "bindings": [self._binding(client, key) for client in self.clients for key in self.keys],
        }

    def _users(self) -> Iterator[tuple[str, str]]:
        yield from ((client, "") for client in self.clients)
        yield self.service, "impersonator"
        yield self.backend, ""

    def _permissions(self) -> Iterator[tuple[str, tuple[str, str, str]]]:
        """Yield for each user what it may configure, write and read."""
        for client in self.clients:
            queues = f"^({'|'.join(pattern(name, client) for name in self.queues)})$"
            yield client, (queues, f"^{pattern(self.exchange, client)}$", queues)
        exchanges = "|".join(pattern(self.exchange, client) for client in self.clients)
        yield self.service, (NOTHING, rf"^(amq\.default|{exchanges})$", NOTHING)
        yield self.backend, (EVERYTHING, EVERYTHING, EVERYTHING)

    def _user(self, name: str, tags: str) -> dict[str, str]:
        algorithm = "rabbit_password_hashing_sha256"
        return {
            "name": name,
            "password_hash": hashed(self.passwords.get(name, "")),
            "hashing_algorithm": algorithm,
            "tags": tags,
        }

    def _permission(self, user: str, configure: str, write: str, read: str) -> dict[str, str]:
        return self._within(user=user, configure=configure, write=write, read=read)

    def _exchange(self, client: str) -> dict[str, Any]:
        kind = {"type": "direct", "durable": True, "auto_delete": False, "internal": False, "arguments": {}}
        return self._within(name=self.exchange.replace("{user}", client), **kind)

    def _binding(self, client: str, key: str) -> dict[str, Any]:
        where = {"destination": self.backend_queue, "destination_type": "queue", "routing_key": key, "arguments": {}}
        return self._within(source=self.exchange.replace("{user}", client), **where)

    def _within(self, **what: Any) -> dict[str, Any]:
        return {"vhost": self.vhost, **what}

    def _check(self) -> None:
        names = [*self.clients, self.service, self.backend]
        for name in names:
            if not name or any(letter in "*?[]{}" for letter in name) or names.count(name) > 1:
                raise ValueError(f"{name!r} is no name for a user here: empty, a pattern, or there twice")


def pattern(name: str, user: str) -> str:
    """Return the regular expression for a pattern of the venue, the user in it taken literally.

    `*` and `?` match no dot: with it, user A would own the queues of user A.B.
    """
    shell = {"*": "[^.]*", "?": "[^.]"}
    parts = re.split(r"(\{user\}|\*|\?)", name)
    return "".join(re.escape(user) if part == "{user}" else shell.get(part, re.escape(part)) for part in parts)


def hashed(password: str) -> str:
    """Return RabbitMQ's salted hash of a password; "", with which nobody gets in by password, for none."""
    if not password:
        return ""
    salt = os.urandom(4)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def passwords(path: Path | None) -> dict[str, str]:
    """Read `name:password` lines."""
    lines = path.read_text().splitlines() if path else []
    return {name: password for name, _, password in (line.partition(":") for line in lines) if password}


def plan(options: argparse.Namespace) -> Plan:
    """Put the venue's profile and the command line together."""
    venue = tomllib.loads(options.venue.read_text())
    return Plan(
        vhost=options.vhost,
        exchange=venue["exchange"],
        queues=venue["queues"],
        clients=options.client,
        service=options.service,
        backend=options.backend,
        keys=options.key or KEYS,
        passwords=passwords(options.passwords),
    )


def main(arguments: list[str] | None = None) -> int:
    """Write the definitions to standard output; 1 and one line where they can't be made."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venue", type=Path, default=PROFILE, help="the venue's profile (default: M7's)")
    parser.add_argument("--vhost", default="app", help="default app")
    parser.add_argument("--client", action="append", required=True, metavar="USER", help="once for each API user")
    parser.add_argument("--service", default="gateway", help="the gateway's own account (default gateway)")
    parser.add_argument("--backend", default="m7-backend", help="the exchange's own account (default m7-backend)")
    parser.add_argument("--key", action="append", metavar="KEY", help=f"routing keys (default {' and '.join(KEYS)})")
    parser.add_argument("--passwords", type=Path, metavar="FILE", help="name:password lines")
    try:
        found = plan(parser.parse_args(arguments)).definitions()
    except (OSError, KeyError, ValueError) as error:
        sys.stderr.write(f"definitions: {error}\n")
        return 1
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
