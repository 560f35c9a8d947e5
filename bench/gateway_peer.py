"""The gateway as a peer of the bench: its configuration, its users, its command line. Nothing else in bench/ knows them.

Without argon2 means the method "upstream+totp": the gateway checks the code and the engine would check the password.

    python -m bench.gateway_peer    how many passwords a second this core can check, with the gateway's own parameters
"""

import asyncio
import importlib.util
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from argon2 import PasswordHasher

from bench import machine
from bench.names import GATEWAY_ACCOUNT, VHOST
from bench.peers import MAX_SESSIONS, Login, ProcessPeer
from gateway.auth.passwords import matches
from gateway.core.secret import Secret
from gateway.policy.snapshot import Device, Method, User
from gateway.settings.model import Argon2Settings
from gateway.store.ports import Actor
from gateway.store.store import Store
from gateway.store.vault import create_master_key

CONFIG = """\
profile = "default"

[store]
url = "sqlite:///{database}"

[[listener]]
name = "fix"
address = "127.0.0.1:{port}"
max_connections = {sessions}
max_connections_per_address = {sessions}
max_pending_logins = 1000
max_pending_logins_per_address = 1000
{listener_tls}

[[route]]
name = "engine"
upstream = ["127.0.0.1:{engine_port}"]
plain = true

[policy]
totp.reuse = "within_step"    # one code of a user serves all its logins of one step
lockout.threshold = 100       # a code that crosses the border of its step must not end the bench
lockout.address_budget = 100000

[admin]
address = "127.0.0.1:{admin_port}"

[shutdown]
grace = 0
"""


class GatewayPeer(ProcessPeer):
    """`gateway serve` on SQLite, one process, defaults but for what the load needs: many logins from one address."""

    name = "gateway"
    method: ClassVar[Method] = Method.UPSTREAM_TOTP
    config: ClassVar[str] = CONFIG

    @classmethod
    def missing(cls) -> str | None:
        return None if importlib.util.find_spec("gateway.app") else "this tree has no gateway.app yet"

    def command(self) -> list[str]:
        config = self.folder / "gateway.toml"
        config.write_text(self._config(self._database()))
        return [sys.executable, "-m", "gateway", "serve", "--config", str(config)]

    def _database(self) -> Path:
        """Return a fresh copy of a database with all users; they are made once for each method."""
        template = self.around.folder / f"users-{self.method.name.lower()}.db"
        if not template.exists():
            asyncio.run(provision(template, self.around.logins, self.method))
        copy = self.folder / "gateway.db"
        for end in ("", ".key", "-wal", "-shm"):
            Path(f"{copy}{end}").unlink(missing_ok=True)
            if Path(f"{template}{end}").exists():
                shutil.copy(f"{template}{end}", f"{copy}{end}")
        return copy

    def _config(self, database: Path) -> str:
        pem = self.around.pem
        return self.config.format(
            database=database,
            port=self.port,
            admin_port=machine.free_port(),
            sessions=MAX_SESSIONS,
            engine_port=self.around.engine_port,
            listener_tls=f'tls = {{ certificate = "{pem}", private_key = "{pem}" }}' if self.tls else "plain = true",
        )


class GatewayArgon2Peer(GatewayPeer):
    """The same, and the gateway checks the password too.

    It is bound to one core, so by its own default it hashes one password at a time: two would take turns on the core and
    push each other's 19 MiB out of its cache (12 % more CPU for each login, measured).
    """

    name = "gateway+argon2"
    method: ClassVar[Method] = Method.PASSWORD_TOTP


AMQP_CONFIG = CONFIG.replace('name = "fix"', 'name = "amqp"\nprotocol = "amqp"\nvenue = "m7"').replace(
    'name = "engine"',
    f'name = "broker"\nservice = {{ user = "{GATEWAY_ACCOUNT[0]}", password = "{GATEWAY_ACCOUNT[1]}", vhost = "{VHOST}" }}'.replace(
        "{", "{{"
    ).replace("}", "}}"),
)


class GatewayAmqpPeer(GatewayPeer):
    """The gateway before a broker; the broker checks the password."""

    config: ClassVar[str] = AMQP_CONFIG


async def provision(database: Path, logins: Sequence[Login], method: Method) -> None:
    """Make a database with a user and an authenticator for each login; the store commits many in one transaction."""
    store = await Store.open(f"sqlite:///{database}", create_master_key(Path(f"{database}.key")))
    by = Actor("bench", time.time())
    password_hash = hasher().hash(logins[0].password)
    try:
        for at in range(0, len(logins), 500):
            batch = logins[at : at + 500]
            await asyncio.gather(*(store.users.add(_user(who, method, password_hash), by) for who in batch))
            await asyncio.gather(*(store.devices.add(who.user, _device(who), "bench", by) for who in batch))
    finally:
        await store.close()


def _user(who: Login, method: Method, password_hash: str) -> User:
    processes = frozenset({who.sender})
    hashed = password_hash if method is Method.PASSWORD_TOTP else ""
    return User("", who.user, method=method, password_hash=hashed, password_changed=time.time(), processes=processes)


def _device(who: Login) -> Device:
    return Device("", Secret(bytes.fromhex(who.key)))


def hasher() -> PasswordHasher:
    """Argon2id as the gateway's defaults have it."""
    cost = Argon2Settings()
    return PasswordHasher(time_cost=cost.time_cost, memory_cost=cost.memory_cost, parallelism=cost.parallelism)


def passwords_a_second(seconds: float = 2.0) -> float:
    """What the core allows: checks in a second of CPU, nothing around them; what others take of the core does not show."""
    hashed, right, done = hasher().hash("Bench-pass-w0rd"), Secret("Bench-pass-w0rd"), 0
    start = time.process_time()
    while time.process_time() - start < seconds:
        done += matches(right, hashed)
    return done / (time.process_time() - start)


if __name__ == "__main__":
    print(f"{passwords_a_second():.2f}")
