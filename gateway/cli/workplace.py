"""Where an administrative command works: the configuration, the open store, one event loop, and who is at work."""

import asyncio
import getpass
import os
import sys
import time
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from gateway.cli.loading import loading

if TYPE_CHECKING:  # `--help` needs none of it, and it takes a second to import
    from gateway.auth.passwords import Passwords
    from gateway.auth.users import People
    from gateway.policy.organisations import Policies
    from gateway.settings import Configuration
    from gateway.store.ports import Actor
    from gateway.store.store import Store

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Work:
    """One command's work. Invariant: the store is open as long as this exists. `closing`: what a command opened itself."""

    configuration: "Configuration"
    policies: "Policies"
    store: "Store"
    people: "People"
    passwords: "Passwords"
    closing: ExitStack
    runner: asyncio.Runner

    @property
    def keeps_passwords(self) -> bool:
        """Say whether users' passwords are in the store; otherwise a directory has them (M7-18)."""
        return self.configuration.settings.passwords.backend == "local"

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Wait for what the store does."""
        return self.runner.run(coroutine)

    def now(self) -> float:
        """Return wall seconds since 1970."""
        return time.time()

    def actor(self, proof: str = "") -> "Actor":
        """Return who acts, and how the person concerned was identified."""
        return actor(proof)


def actor(proof: str = "") -> "Actor":
    """Return who acts: `sudo`'s caller where there is one."""
    from gateway.store.ports import Actor  # noqa: PLC0415

    name = f"cli:{os.environ.get('SUDO_USER') or getpass.getuser()}"
    return Actor(f"{name}, proof: {proof}" if proof else name, time.time())


@contextmanager
def at_work(config: Path | None) -> Iterator[Work]:
    """Open what an administrative command needs and close it afterwards. Raises ConfigError and StoreError."""
    with loading():
        from gateway.app import open_store  # noqa: PLC0415
        from gateway.auth.passwords import Passwords  # noqa: PLC0415
        from gateway.auth.users import People  # noqa: PLC0415
        from gateway.credentials import policies_of  # noqa: PLC0415
        from gateway.settings import load  # noqa: PLC0415
        from gateway.wiring import blocked_words  # noqa: PLC0415

    configuration = load(config)
    key = configuration.settings.store.key_file()
    had_key = key is None or key.exists()
    passwords = Passwords(**configuration.settings.argon2.model_dump())
    with asyncio.Runner() as runner, ExitStack() as closing:
        store = runner.run(open_store(configuration))
        if not had_key:
            sys.stderr.write(f"gateway: made the master key {key} (mode 0600): keep a copy apart from the database\n")
        try:
            blocked = blocked_words(configuration.settings.people.blocked_passwords)
            policies = policies_of(configuration)
            people = People(store, policies, passwords, blocked)
            yield Work(configuration, policies, store, people, passwords, closing, runner)
        finally:
            runner.run(store.close())
            passwords.close()
