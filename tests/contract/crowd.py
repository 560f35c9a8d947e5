"""A store with many people in it, each with one authenticator, and logins through a gateway's real authority."""

import base64
import secrets
from dataclasses import dataclass

import pyotp

from gateway.auth.authority import LocalAuthority
from gateway.auth.parts import Parts
from gateway.auth.passwords import Passwords
from gateway.core.login import Admitted, Attempt, Login, Moment, Origin, Verdict
from gateway.core.secret import Secret
from gateway.policy.organisations import Policies
from gateway.policy.rules import Policy, SessionRules
from gateway.policy.snapshot import Device, User
from gateway.store.store import Store
from tests.contract.world import ADMIN, NOW

PASSWORD = "correct Horse 7"
PEOPLE = 60
POLICY = Policy(sessions=SessionRules(max_per_user=64))


@dataclass
class Crowd:
    """A store with people in it, each with one authenticator, and a gateway's authority over it."""

    store: Store
    authority: LocalAuthority
    secrets: dict[str, bytes]
    wall: float = NOW

    async def login(self, name: str) -> Verdict:
        """Log in with the code of a moment that no login had before."""
        self.wall += 30
        code = pyotp.TOTP(base64.b32encode(self.secrets[name]).decode()).at(int(self.wall))
        login = Login("fix", name, name, "EXCH", "FIX.4.4", Secret(PASSWORD), Secret(code), f"{name}-{self.wall}")
        return await self.authority.verify(
            Attempt(login, Origin("c1", "fix", "192.0.2.7", 1), "main", Moment(1.0, self.wall))
        )

    async def everybody_gets_in(self) -> bool:
        return all([isinstance(await self.login(name), Admitted) for name in self.secrets])

    async def enrol(self, store: Store, name: str, hashed: str = "") -> None:
        """Give one more person an authenticator, by whatever process has `store` open."""
        hashed = hashed or (await self.store.users.show("u0")).user.password_hash
        await store.users.add(
            User("", name, processes=frozenset({name}), password_hash=hashed, password_changed=NOW), ADMIN
        )
        self.secrets[name] = secrets.token_bytes(20)
        await store.devices.add(name, Device("", Secret(self.secrets[name])), "phone", ADMIN)


def authority_over(store: Store, passwords: Passwords, crowd: list[Crowd]) -> LocalAuthority:
    def clock() -> Moment:
        return Moment(1.0, crowd[0].wall)

    logins = store.logins(node=secrets.token_hex(4), policy_of=Policies(POLICY))
    return LocalAuthority(Parts(logins, passwords, lambda _: POLICY, store.vault.credential_digest, clock), store.audit)


async def crowd_in(store: Store, passwords: Passwords, people: int = PEOPLE) -> Crowd:
    """Fill a store with people."""
    hashed = await passwords.hash(Secret(PASSWORD))
    held: list[Crowd] = []
    held.append(Crowd(store, authority_over(store, passwords, held), {}))
    for number in range(people):
        await held[0].enrol(store, f"u{number}", hashed)
    return held[0]
