"""A gateway with detection switched on, over a real store: people who log in and prove themselves from many addresses."""

import asyncio
import base64
import contextlib
import secrets
from dataclasses import dataclass, field

import pyotp

from gateway.auth.authority import LocalAuthority
from gateway.auth.parts import Parts
from gateway.auth.passwords import Passwords
from gateway.auth.proofs import Claim, Denied, Proofs
from gateway.auth.turns import Turns
from gateway.core.authority import Ended
from gateway.core.login import Admitted, Attempt, Login, Origin
from gateway.core.reason import Reason
from gateway.core.secret import Secret
from gateway.policy.proof import BOTH
from gateway.policy.rules import (
    Action,
    CrowdRules,
    DetectionRules,
    LockoutRules,
    Policy,
    ReplayRules,
    SessionRules,
    SprayRules,
    TravelRules,
)
from gateway.policy.sightings import RaiseAlert
from gateway.policy.snapshot import Device, User
from gateway.store.alerts import Alert
from gateway.store.ports import Actor
from gateway.store.store import Store
from tests.contract.world import ADMIN, NOW, Hands

PASSWORD = "correct Horse 7"
HERE = "192.0.2.7"
COUNTRIES = {"192.0.2.7": "HK", "198.51.100.1": "DE", "198.51.100.2": "DE", "203.0.113.5": "JP"}
OFF = DetectionRules(replay=ReplayRules(Action.OFF))


def crowd(action: Action, accounts: int = 6, window: float = 600.0, **more) -> DetectionRules:
    return DetectionRules(crowd=CrowdRules(action, accounts, window), **more)


def travel(action: Action, window: float = 3600.0) -> DetectionRules:
    return DetectionRules(travel=TravelRules(action, window))


def spray(action: Action, accounts: int = 4, window: float = 300.0) -> DetectionRules:
    return DetectionRules(spray=SprayRules(action, accounts, window))


def replay(action: Action, window: float = 300.0) -> DetectionRules:
    return DetectionRules(replay=ReplayRules(action, window))


@dataclass
class Lookout:
    """The gateway, its clock, everybody's TOTP key, and what the observer heard."""

    store: Store
    authority: LocalAuthority
    proofs: Proofs
    clock: Hands
    hashed: str
    keys: dict[str, bytes] = field(default_factory=dict)
    heard: list[RaiseAlert] = field(default_factory=list)

    @classmethod
    async def make(
        cls, store: Store, passwords: Passwords, rules: DetectionRules, people: int = 8, clock: Hands | None = None
    ) -> "Lookout":
        limits = LockoutRules(threshold=100, address_budget=10_000)
        policy = Policy(lockout=limits, sessions=SessionRules(max_per_user=64), detection=rules, refusal_floor=0.0)
        clock = clock or Hands()
        heard: list[RaiseAlert] = []

        async def sleep(_seconds: float) -> None:
            await asyncio.sleep(0)

        parts = Parts(
            store.logins(node=secrets.token_hex(4), policy_of=lambda _: policy, clock=clock), passwords,
            lambda _: policy, store.vault.credential_digest, clock, Ears(heard), sleep,
            where=lambda address: COUNTRIES.get(address, ""),
        )  # fmt: skip
        authority = LocalAuthority(parts, store.audit, turns=Turns(patience=60.0))
        made = cls(store, authority, Proofs(parts, store.recovery), clock, await passwords.hash(Secret(PASSWORD)))
        made.heard = heard
        for number in range(people):
            await made.enrol(f"u{number}")
        return made

    async def beside(self, store: Store, passwords: Passwords, rules: DetectionRules) -> "Lookout":
        """Return another process over the same database, with the same people and time."""
        other = await Lookout.make(store, passwords, rules, people=0, clock=self.clock)
        other.keys = self.keys
        return other

    async def enrol(self, name: str, **user) -> None:
        values = {"processes": frozenset({name}), "password_hash": self.hashed, "password_changed": NOW, **user}
        await self.store.users.add(User("", name, **values), ADMIN)
        self.keys[name] = secrets.token_bytes(20)
        await self.store.devices.add(name, Device("", Secret(self.keys[name])), "phone", ADMIN)

    def code(self, name: str) -> Secret:
        key = base64.b32encode(self.keys.get(name, b"a key of nobody at all")).decode()
        return Secret(pyotp.TOTP(key).at(int(self.clock.wall)))

    async def login(
        self, name: str, address: str = HERE, *, password: str = PASSWORD, code: Secret | None = None, over: str = "fix"
    ) -> Reason | None:
        """Log in (over "portal": prove oneself there); return why not, None where it was admitted."""
        code = code or self.code(name)
        if over == "portal":
            try:
                await self.proofs.prove(Claim(name, Secret(password), code, address=address), BOTH, "test")
            except Denied as no:
                return no.reason
            return None
        stream = f"{name}-{secrets.token_hex(4)}"
        login = Login(over, name, name, "EXCH", "1", Secret(password), code, stream)
        origin = Origin("c1", over, address, 1)
        verdict = await self.authority.verify(Attempt(login, origin, "main", self.clock()))
        if isinstance(verdict, Admitted):
            await self.authority.ended(Ended(verdict.session, Reason.LOGOUT, self.clock.wall, b""))
            return None
        return verdict.reason

    async def each(self, *names: str, **how) -> list[Reason | None]:
        """Log them in, one after the other."""
        return [await self.login(name, **how) for name in names]

    async def at_once(self, *names: str, **how) -> list[Reason | None]:
        return await asyncio.gather(*(self.login(name, **how) for name in names))

    async def wrong(self, name: str, address: str = HERE, **how) -> Reason | None:
        return await self.login(name, address, password=f"wrong {secrets.token_hex(4)}", **how)

    async def alerts(self, *, open_only: bool = True) -> list[Alert]:
        return list(await self.store.alerts.list(open_only=open_only))

    async def found(self) -> list[tuple[str, str, int]]:
        """Rule, subject and count of what nobody has acknowledged, the latest first."""
        return [(alert.rule.value, alert.subject, alert.count) for alert in await self.alerts()]

    async def acknowledge(self) -> None:
        """Acknowledge everything, a moment later."""
        self.clock.move(1)
        for alert in await self.alerts():
            await self.store.alerts.acknowledge(alert.id, Actor("root1", self.clock.wall))
        self.clock.move(1)

    async def events(self, event: str) -> int:
        return [row.event for row in await self.store.audit.rows(limit=100_000)].count(event)


@dataclass
class Ears:
    """An observer that keeps the alerts; a failure of the gateway's own fails the test."""

    heard: list[RaiseAlert]

    def decided(self, *_: object) -> None:
        pass

    def failed(self, call: str, error: BaseException) -> None:
        raise AssertionError(call) from error

    def alerted(self, attempt: Attempt, alert: RaiseAlert) -> None:
        with contextlib.suppress(AttributeError):
            assert attempt.login.password is attempt.login.code is None
        self.heard.append(alert)
