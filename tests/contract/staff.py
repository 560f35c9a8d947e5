"""An exchange and two firms with their administrators, over a real store and under a clock that is set by hand."""

import base64
import secrets
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import pyotp

from gateway.auth.house import House
from gateway.auth.links import Letter
from gateway.auth.office import Office
from gateway.auth.parts import Parts
from gateway.auth.passwords import Passwords
from gateway.auth.proofs import Claim
from gateway.auth.users import Enrolment, People
from gateway.core.secret import Secret
from gateway.policy.organisations import Policies
from gateway.policy.proof import BOTH, Factor
from gateway.policy.roles import Grant, Role
from gateway.policy.rules import Channel, Policy
from gateway.policy.snapshot import Device, User
from gateway.store.ports import Actor
from gateway.store.store import Store
from tests.contract.world import ADMIN, NOW, Hands

PASSWORD = "correct Horse 7"
DAY = 86400.0


@dataclass
class Tray:
    """A letter box that keeps what it is given."""

    letters: list[Letter] = field(default_factory=list)
    codes: list[tuple[str, Channel, str, Secret, float]] = field(default_factory=list)

    async def send(self, letter: Letter) -> None:
        self.letters.append(letter)

    async def send_code(self, user: str, channel: Channel, address: str, code: Secret, expires: float) -> None:
        self.codes.append((user, channel, address, code, expires))


@dataclass
class Staff:
    """The office, the clock, what was posted, and everybody's TOTP key."""

    store: Store
    office: Office
    passwords: Passwords
    clock: Hands
    tray: Tray
    policy: Policy
    policies: Policies
    keys: dict[str, bytes] = field(default_factory=dict)
    slept: list[float] = field(default_factory=list)

    @classmethod
    def make(
        cls,
        store: Store,
        passwords: Passwords,
        policy: Policy | None = None,
        house: House | None = None,
        check=None,
        *,
        firms: dict[str, Policy] | None = None,
    ) -> "Staff":
        clock, tray, policy, slept = Hands(), Tray(), policy or Policy(), []
        policies = Policies(policy, firms or {})

        async def sleep(seconds: float) -> None:
            slept.append(seconds)
            clock.move(seconds)

        logins = store.logins(node="portal", policy_of=policies, clock=clock)
        digest = store.vault.credential_digest
        parts = Parts(logins, check or passwords, policies, digest, clock, sleep=sleep)
        people = People(store, policies, passwords)
        house = house or House(portal="https://portal.example/")
        office = Office.over(store, parts, people, house, tray, tray)
        return cls(store, office, passwords, clock, tray, policy, policies, slept=slept)

    def by(self, name: str) -> Actor:
        return Actor(name, self.clock.wall, "192.0.2.7")

    def code(self, name: str) -> Secret:
        """A code that nobody used before: the clock moves on to the next one."""
        self.clock.move(30)
        return Secret(pyotp.TOTP(base64.b32encode(self.keys[name]).decode()).at(int(self.clock.wall)))

    async def hire(
        self, name: str, role: Role = Role.USER, firm: str = "", *, days: float = 30, device: bool = True, **user
    ) -> User:
        """Add somebody with a password, an authenticator and a role."""
        hashed = await self.passwords.hash(Secret(PASSWORD))
        grant = None if role is Role.USER else Grant(role, NOW + days * DAY)
        values = {
            "organisation": firm, "password_hash": hashed, "password_changed": NOW, "processes": frozenset({name}),
            "email": f"{name}@example.com", "grant": grant, **user,
        }  # fmt: skip
        account = await self.store.users.add(User("", name, **values), ADMIN)
        if device:
            self.keys[name] = secrets.token_bytes(20)
            await self.store.devices.add(name, Device("", Secret(self.keys[name])), "phone", ADMIN)
        return account.user

    async def proves(self, name: str, factors: frozenset[Factor] = BOTH, **claim) -> None:
        given = {"password": Secret(PASSWORD), **claim}
        if Factor.CODE in factors and not given.keys() & {"code", "recovery"}:
            given["code"] = self.code(name)
        await self.office.proofs.prove(Claim(name, **given, address="192.0.2.7"), factors, "test")

    async def events(self, after: int = 0) -> list[str]:
        return [row.event for row in await self.store.audit.rows(after)]

    async def rows(self) -> int:
        return len(await self.store.audit.rows())

    async def first_code(self, made: Enrolment, name: str) -> Secret:
        """The first code of a new authenticator, whose key is now the user's."""
        self.keys[name] = base64.b32decode(parse_qs(urlsplit(made.uri.reveal().decode()).query)["secret"][0])
        return self.code(name)


def token_of(letter: Letter) -> Secret:
    return Secret(letter.url.reveal().rpartition(b"/")[2])
