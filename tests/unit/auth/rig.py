"""A real SQLite store, a clock that is set by hand, and one enrolled user: what the tests of the use-cases share."""

import asyncio
import base64
import secrets
from dataclasses import dataclass, field
from pathlib import Path

import pyotp

from gateway.auth.authority import LocalAuthority
from gateway.auth.parts import Parts
from gateway.auth.passwords import Passwords
from gateway.auth.turns import Turns
from gateway.core.login import Attempt, Login, Moment, Origin, Verdict
from gateway.core.reason import Reason
from gateway.core.secret import Secret
from gateway.policy.organisations import Policies
from gateway.policy.rules import Policy
from gateway.policy.sightings import RaiseAlert
from gateway.policy.snapshot import Device, Method, User
from gateway.store.audit import AuditEntry
from gateway.store.ports import Actor
from gateway.store.store import Store
from gateway.store.vault import MasterKey

KEY = b"12345678901234567890"
NOW = 1_800_000_010.0
PASSWORD = "correct Horse 7"
PATIENCE = 60.0
"""Real seconds the store and a turn may take here: how busy the machine is decides no test."""


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass
class Clock:
    """Both clocks, moved by hand and by `sleep` alone.

    While `passes` is not set no sleep ends: whoever waits cannot run out of time before the real store has answered
    the others. `waits` is set by the first sleep.
    """

    now: Moment = field(default_factory=lambda: Moment(1000.0, NOW))
    slept: list[float] = field(default_factory=list)
    passes: asyncio.Event = field(default_factory=_set)
    waits: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self) -> Moment:
        return self.now

    def move(self, seconds: float) -> None:
        self.now = Moment(self.now.mono + seconds, self.now.wall + seconds)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.waits.set()
        await self.passes.wait()
        self.move(seconds)
        await asyncio.sleep(0)


@dataclass
class Ears:
    """An observer that remembers."""

    decisions: list[tuple[Attempt, Reason | None, float, int | None]] = field(default_factory=list)
    failures: list[tuple[str, BaseException]] = field(default_factory=list)
    alerts: list[RaiseAlert] = field(default_factory=list)

    def decided(self, attempt: Attempt, reason: Reason | None, took: float, drift: int | None) -> None:
        self.decisions.append((attempt, reason, took, drift))

    def failed(self, call: str, error: BaseException) -> None:
        self.failures.append((call, error))

    def alerted(self, attempt: Attempt, alert: RaiseAlert) -> None:
        assert attempt.login.password is attempt.login.code is None
        self.alerts.append(alert)


def code_at(wall: float) -> str:
    return pyotp.TOTP(base64.b32encode(KEY).decode()).at(int(wall))


def attempt_at(
    moment: Moment,
    *,
    user: str = "alice",
    password: str | None = PASSWORD,
    code: str | None = None,
    stream: str = "ALGO1",
    process: str = "ALGO1",
    address: str = "192.0.2.7",
) -> Attempt:
    """A login of alice that arrives at `moment`, with the right code unless told otherwise ("" for none)."""
    code = code_at(moment.wall) if code is None else code
    return Attempt(
        Login("fix", user, process, "EXCH", "FIX.4.4", password and Secret(password), code and Secret(code), stream),
        Origin("c1", "fix", address, 40000),
        "main",
        moment,
    )


class Rig:
    """`authority` over `store` under `policy`; alice may be given another method."""

    def __init__(self, store: Store, passwords: Passwords, policy: Policy) -> None:
        self.store = store
        self.passwords = passwords
        self.policy = policy
        self.clock = Clock()
        self.ears = Ears()
        self.logins = store.logins(node="node1", policy_of=Policies(policy), clock=self.clock)
        self.parts = Parts(
            self.logins,
            passwords,
            lambda _: self.policy,
            store.vault.credential_digest,
            self.clock,
            self.ears,
            self.clock.sleep,
        )
        self.authority = LocalAuthority(
            self.parts, store.audit, help_url="https://portal.example", turns=Turns(patience=PATIENCE)
        )

    async def login(self, **changes: object) -> Verdict:
        """Log alice in now."""
        return await self.authority.verify(attempt_at(self.clock.now, **changes))

    async def reasons(self, count: int, **changes: object) -> list[Reason | None]:
        """Log in `count` times, one after the other; None is an admission."""
        return [getattr(await self.login(**changes), "reason", None) for _ in range(count)]

    async def failures(self) -> int:
        return (await self.store.users.show("alice")).failures.count

    async def audited(self) -> list[str]:
        return [row.event for row in await self.store.audit.rows()]

    async def enrol(self, method: Method = Method.PASSWORD_TOTP, *, device: bool = True) -> None:
        actor = Actor("test", NOW - 60)
        user = User(
            "",
            "alice",
            method=method,
            processes=frozenset({"ALGO1", "ALGO2"}),
            password_hash=await self.passwords.hash(Secret(PASSWORD)),
            password_changed=NOW - 60,
        )
        await self.store.users.add(user, actor)
        if device:
            await self.store.devices.add("alice", Device("", Secret(KEY)), "phone", actor)


async def open_store(folder: Path) -> Store:
    master = MasterKey(Secret(secrets.token_bytes(32)))
    return await Store.open(f"sqlite:///{folder}/gateway.db", master, timeout=PATIENCE)


__all__ = ["KEY", "NOW", "PASSWORD", "AuditEntry", "Clock", "Ears", "Rig", "attempt_at", "code_at", "open_store"]
