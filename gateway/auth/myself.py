"""What people do with their own account: devices, recovery codes, password (M7-4, HK-5, SF-4, SF-6, TW-7). Prints nothing.

The actor is the person itself, `by.name`. Every change of a credential asks for the current password anew, with the
login's own record of failures behind it; what was shown once is never shown again.
"""

import secrets
from base64 import b32encode
from dataclasses import replace

from gateway.auth.history import PAGE, Visit, visits
from gateway.auth.house import House
from gateway.auth.parts import Parts
from gateway.auth.proofs import Claim, Proofs, recovery_digest
from gateway.auth.users import Enrolment, People
from gateway.core.secret import Secret
from gateway.policy.channels import has_second_factor, sends
from gateway.policy.decide import code_demanded
from gateway.policy.proof import Factor
from gateway.policy.rules import Action, Channel
from gateway.policy.snapshot import Device
from gateway.store.errors import Conflict, NotFound
from gateway.store.ports import Account, Actor, DeviceInfo, SessionRow
from gateway.store.store import Store

CODES = 10
_CODE_BYTES = 10
_PASSWORD = frozenset({Factor.PASSWORD})


class Myself:
    """Invariants: nobody acts on another's account here; the last authenticator of who needs one is not removed (SF-4)."""

    def __init__(self, store: Store, parts: Parts, people: People, proofs: Proofs, house: House) -> None:
        self._store = store
        self._house = house
        self._parts = parts
        self._people = people
        self._proofs = proofs

    # ── looking ──

    async def account(self, by: Actor) -> Account:
        """Return one's account. Raises NotFound."""
        return await self._store.users.show(by.name)

    async def devices(self, by: Actor) -> tuple[DeviceInfo, ...]:
        """Return one's authenticators, without their keys. Raises NotFound."""
        return (await self.account(by)).devices

    async def sessions(self, by: Actor) -> tuple[SessionRow, ...]:
        """Return one's live sessions."""
        return await self._store.sessions.live(by.wall, by.name)

    async def history(self, by: Actor, before: int | None = None, limit: int = PAGE) -> tuple[Visit, ...]:
        """Return one's logins, newest first, a page at a time (see history.py)."""
        return await visits(self._store.audit, by.name, before, limit)

    async def recovery_codes_left(self, by: Actor) -> int:
        """Return how many recovery codes are unused."""
        return await self._store.recovery.left(by.name)

    # ── authenticators ──

    async def add(self, password: Secret, device: Device, label: str, by: Actor) -> Enrolment:
        """Begin another authenticator; it counts once confirmed, and one that was begun before is gone.

        Raises Denied, Conflict where there are enough (SF-6).
        """
        await self._prove(password, "device.add", by)
        return await self._people.enroll(by.name, _unconfirmed(device), label, by)

    async def regenerate(self, password: Secret, device_id: str, by: Actor) -> Enrolment:
        """Begin a new key for an authenticator; the old one counts until the new one is confirmed (M7-4, M7-6).

        Raises Denied, NotFound.
        """
        old = await self._mine(device_id, by)
        await self._prove(password, "device.regenerate", by)
        device = Device("", Secret(b""), old.algorithm, old.digits, old.period, confirmed=False)
        return await self._people.enroll(by.name, device, old.name, by, replaces=old.id)

    async def confirm(self, device_id: str, code: Secret, by: Actor) -> None:
        """Make a new authenticator count, by a first code of it; one that it replaces goes, and sessions end then.

        Raises WrongCode, NotFound, Conflict.
        """
        if (await self._mine(device_id, by)).confirmed:
            raise Conflict("this authenticator counts already")
        await self._people.confirm(by.name, device_id, code, by)

    async def rename(self, device_id: str, label: str, by: Actor) -> None:
        """Call an authenticator something else: no credential, so no password. Raises NotFound."""
        await self._store.devices.rename(by.name, device_id, label, by)

    async def remove(self, password: Secret, device_id: str, by: Actor) -> None:
        """Destroy an authenticator's key; sessions end. Raises Denied, NotFound, Conflict for the last one that is needed."""
        mine = await self._mine(device_id, by)
        await self._prove(password, "device.remove", by)
        user = (await self._store.users.show(by.name)).user
        others = [one for one in await self.devices(by) if one.confirmed and one.id != device_id]
        policy = self._parts.policy_of(user)
        if mine.confirmed and not has_second_factor(policy, user, others) and code_demanded(policy, user, ()):
            raise Conflict("a second factor cannot be switched off (SF-4): replace this authenticator instead")
        await self._store.devices.remove(by.name, device_id, by)

    async def recovery_codes(self, password: Secret, by: Actor) -> tuple[Secret, ...]:
        """Make new recovery codes, shown this once; the old ones are void. Raises Denied, Conflict without authenticator."""
        await self._prove(password, "recovery", by)
        account = await self._store.users.show(by.name)
        if not any(device.confirmed for device in account.devices):
            raise Conflict("recovery codes stand in for an authenticator: enrol one first")
        codes = tuple(_recovery_code() for _ in range(CODES))
        digests = tuple(recovery_digest(self._parts, account.user.id, code) for code in codes)
        await self._store.recovery.replace(by.name, digests, by)
        return codes

    async def choose_channel(self, password: Secret, channel: Channel, by: Actor) -> None:
        """Choose where one's codes come from (HK-2). Sessions at the portal end. Raises Denied, NotFound.

        Conflict where the policy does not allow that (SF-2), nothing is registered to send them to, or nothing would be
        left to make them (SF-4).
        """
        await self._prove(password, "channel", by)
        account = await self._store.users.show(by.name)
        policy, chosen = self._parts.policy_of(account.user), replace(account.user, channel=channel)
        if channel not in policy.channels:
            raise Conflict(f"codes by {channel.value} are not allowed here")
        if channel is not Channel.APP and not sends(policy, chosen):
            raise Conflict(f"codes by {channel.value} need a registered address, and an administrator an authenticator")
        if not has_second_factor(policy, chosen, account.devices) and code_demanded(policy, account.user, ()):
            raise Conflict("enrol an authenticator first: a second factor cannot be switched off (SF-4)")
        await self._store.users.change(chosen, account.revision, by)

    # ── the password ──

    async def change_password(self, current: Secret, new: Secret, by: Actor) -> None:
        """Choose a new password; sessions end. Raises Denied, WeakPassword (TW-6, TW-7), NotFound, Conflict."""
        if not self._house.own_passwords:
            raise Conflict("passwords are kept in a directory: change it there")
        before = (await self.account(by)).user
        await self._prove(current, "password.change", by)
        await self._people.choose_password(before, new, by)

    # ── notices ──

    @property
    def irregular_logins_are_seen(self) -> bool:
        """Say whether somebody may do without the notice of each login (SF-11)."""
        rules = self._parts.policy_of(None).detection  # an address is nobody's alone: the house's
        return Action.OFF not in {rules.crowd.action, rules.travel.action, rules.spray.action}

    async def opt_out(self, password: Secret, by: Actor) -> None:
        """Be told of one's logins no more, and take the risk (SF-11); locks, changes and alerts are told all the same.

        Raises Denied, Conflict where irregular logins are not looked for.
        """
        if not self.irregular_logins_are_seen:
            raise Conflict("irregular logins are not detected here, so every login is told of (SF-11)")
        await self._prove(password, "notices.stop", by)
        await self._store.readers.set_quiet(by.name, by, quiet=True)

    async def opt_in(self, by: Actor) -> None:
        """Be told of each of one's logins again. Raises NotFound."""
        await self._store.readers.set_quiet(by.name, by, quiet=False)

    async def _prove(self, password: Secret, purpose: str, by: Actor) -> None:
        await self._proofs.prove(Claim(by.name, password, address=by.address), _PASSWORD, purpose)

    async def _mine(self, device_id: str, by: Actor) -> DeviceInfo:
        for device in await self.devices(by):
            if device.id == device_id:
                return device
        raise NotFound(f"user {by.name!r} has no device {device_id!r}")


def _unconfirmed(device: Device) -> Device:
    return Device("", Secret(b""), device.algorithm, device.digits, device.period, confirmed=False)


def _recovery_code() -> Secret:
    text = b32encode(secrets.token_bytes(_CODE_BYTES)).decode()
    return Secret("-".join(text[start : start + 4] for start in range(0, len(text), 4)))
