"""Administering users and authenticators, for command line and portal: the policy's rules, then the store. Prints nothing.

A password is judged by the policy before it is hashed; a key is made here, handed out once and kept only sealed.
"""

import base64
import secrets
from dataclasses import dataclass, replace

import pyotp

from gateway.auth.blocked import blocked_faults
from gateway.auth.passwords import LONGEST, Passwords, WeakPassword, faults_in
from gateway.core.authority import Order
from gateway.core.reason import Reason
from gateway.core.secret import Secret
from gateway.policy import totp
from gateway.policy.organisations import PolicyOf
from gateway.policy.rules import PasswordRules
from gateway.policy.snapshot import Device, User
from gateway.store.errors import NotFound
from gateway.store.ports import Account, Actor, SessionRow
from gateway.store.store import Store

ISSUER = "Login-session gateway"
KEY_BYTES = {"SHA1": 20, "SHA256": 32, "SHA512": 64}
"""RFC 6238 §5.1: a key as long as the hash's output."""
PAGE = 1000


class WrongCode(Exception):  # noqa: N818 - what happened
    """The code is not one of the authenticator's, so the authenticator is not confirmed."""


class WrongPassword(Exception):  # noqa: N818 - what happened
    """The current password, asked for before a change of credentials (M7-4), is not the user's."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A new authenticator. `uri` and `secret` (base32) hold its key: show them once, keep neither."""

    device: str
    uri: Secret
    secret: Secret
    confirmed: bool


class People:
    """Users and authenticators under each one's policy (CQ-8). Every act names its actor, who goes into the audit record."""

    def __init__(
        self, store: Store, policy_of: PolicyOf, passwords: Passwords, blocked: frozenset[str] = frozenset()
    ) -> None:
        """`blocked`: words that no password may consist of (see `blocked.py`)."""
        self._store = store
        self._blocked = blocked
        self._policy_of = policy_of
        self._passwords = passwords

    async def everybody(self) -> list[Account]:
        """Return all users by name."""
        found: list[Account] = []
        while page := await self._store.users.list(found[-1].user.name if found else "", PAGE):
            found += page
        return found

    async def add(self, user: User, password: Secret | None, by: Actor) -> Account:
        """Add a user; one without a process may present its own name as one. Raises WeakPassword, AlreadyExists, and
        ValueError for a name no engine can hold.
        """
        user = replace(user, processes=user.processes or frozenset({user.name}))
        if password is not None:
            self._judge(password, user, [])
            hashed = await self._passwords.hash(password)
            user = replace(user, password_hash=hashed, password_changed=by.wall)
        return await self._store.users.add(user, by)

    async def set_password(self, name: str, password: Secret, by: Actor, *, must_change: bool) -> None:
        """Set somebody's password and end the user's sessions. Raises WeakPassword (TW-6, TW-7), NotFound."""
        hashed = await self.hashed(name, password)
        await self._store.users.set_password(name, hashed, by, must_change=must_change, end_sessions=True)

    async def hashed(self, name: str, password: Secret) -> str:
        """Return the hash of a new password that keeps the rules. Raises WeakPassword (TW-6, TW-7), NotFound."""
        user = (await self._store.users.show(name)).user
        self._judge(password, user, await self._used(user, password))
        return await self._passwords.hash(password)

    async def change_password(self, name: str, current: Secret, new: Secret, by: Actor) -> None:
        """Change one's own password. Raises WrongPassword, WeakPassword (TW-6 minimum age, too), NotFound."""
        user = (await self._store.users.show(name)).user
        if not await self._passwords.verify(current, user.password_hash):
            raise WrongPassword("the current password is wrong")
        await self.choose_password(user, new, by)

    async def choose_password(self, user: User, new: Secret, by: Actor) -> None:
        """Give somebody the password it chose. `user` is what it was before it proved who it is.

        Raises WeakPassword, NotFound, Conflict where another password was set meanwhile: an old one does not replace it.
        """
        faults = await self._used(user, new)
        if not user.must_change and by.wall - user.password_changed < self._rules(user).min_age:
            faults.append("follows too soon on the last one")
        self._judge(new, user, faults)
        hashed = await self._passwords.hash(new)
        await self._store.users.set_password(
            user.name, hashed, by, must_change=False, end_sessions=True, instead_of=user.password_hash
        )

    def _rules(self, user: User) -> PasswordRules:
        return self._policy_of(user).password

    async def _used(self, user: User, password: Secret) -> list[str]:
        history = await self._store.users.history(user.name, max(self._rules(user).history, 1))
        return ["is one of the last ones"] if await self._passwords.known(password, history) else []

    def _judge(self, password: Secret, user: User, faults: list[str]) -> None:
        text = password.reveal()[:LONGEST].decode(errors="replace")
        faults = [*faults_in(self._rules(user), password, user.name), *blocked_faults(self._blocked, text), *faults]
        if faults:
            raise WeakPassword(faults)

    async def set_enabled(self, name: str, by: Actor, *, enabled: bool) -> None:
        """Enable or disable a user; disabling ends its sessions. Raises NotFound, Conflict."""
        account = await self._store.users.show(name)
        await self._store.users.change(replace(account.user, enabled=enabled), account.revision, by)

    async def unlock(self, name: str, by: Actor) -> None:
        """Forget failures and locks (TW-5). Raises NotFound."""
        await self._store.users.unlock(name, by)

    async def enroll(
        self, name: str, device: Device, label: str, by: Actor, *, replaces: str | None = None
    ) -> Enrolment:
        """Make an authenticator with the hash, digits and period of `device` and a new key. Raises NotFound, Conflict (SF-6).

        One that was begun in its place before, and never confirmed, is gone: its key was shown once. `replaces` is the id of the one that goes when this one is confirmed; "" all of them, which a link sees to. Then
        there may be one more than the policy allows meanwhile.
        """
        account = await self._store.users.show(name)
        for begun in account.devices:
            if not begun.confirmed and begun.replaces == (replaces or ""):
                await self._store.devices.remove(name, begun.id, by, begun=True)
        key, user = secrets.token_bytes(KEY_BYTES[device.algorithm]), account.user
        most = self._policy_of(user).totp.max_devices + (replaces is not None)
        made = await self._store.devices.add(
            name, replace(device, key=Secret(key)), label, by, at_most=most, replaces=replaces or ""
        )
        text = base64.b32encode(key).decode().rstrip("=")
        generator = pyotp.TOTP(text, digits=device.digits, digest=totp.HASHES[device.algorithm], interval=device.period)
        uri = generator.provisioning_uri(name=name, issuer_name=ISSUER)
        return Enrolment(made.id, Secret(uri), Secret(text), made.confirmed)

    async def confirm(self, name: str, device_id: str, code: Secret, by: Actor) -> None:
        """Make an authenticator count, once a code of it was seen; the code is burnt. Raises WrongCode, NotFound."""
        step = await self.step_of(name, device_id, code, by.wall)
        await self._store.devices.confirm(name, device_id, step, by)

    async def step_of(self, name: str, device_id: str, code: Secret, at: float) -> int:
        """Return the step a new authenticator's first code belongs to. Raises WrongCode, NotFound."""
        devices = {device.id: device for device in await self._store.devices.devices(name)}
        if device_id not in devices:
            raise NotFound(f"user {name!r} has no device {device_id!r}")
        step = totp.match(devices[device_id], code, at, window=1)
        if step is None:
            raise WrongCode("that is not a code of this authenticator: check its clock and try the next code")
        return step

    async def kick(self, session: str, by: Actor) -> None:
        """End a live session. Raises NotFound where it is not live."""
        await self._store.sessions.order(Order(session, Reason.KICKED), by)

    async def sessions(self, now: float, name: str = "") -> tuple[SessionRow, ...]:
        """Return the live sessions (of one user), oldest first."""
        return await self._store.sessions.live(now, name)

    async def reset(self, name: str, by: Actor) -> int:
        """Destroy all keys of a user (M7-6), its passkeys too, and end its sessions; return how many keys there were.

        Raises NotFound.
        """
        account = await self._store.users.show(name)
        for passkey in account.passkeys:
            await self._store.passkeys.remove(name, passkey.id, by)
        for device in account.devices:
            await self._store.devices.remove(name, device.id, by)
        return len(account.devices)
