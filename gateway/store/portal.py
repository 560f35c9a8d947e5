"""Ports for the portal: its sessions, passkeys and sent codes. See `ports.py` for the rules.

A token, or a sent code, never comes in here: only its digest does.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from gateway.policy.snapshot import SentCode
from gateway.store.ports import Account, Actor, PasskeyInfo


class Level(Enum):
    """What a session of the portal has proved."""

    PASSWORD = "password"  # noqa: S105 - a level
    """The password was proved; the second factor is still to come: a passkey, or a code that was sent."""
    SETUP = "setup"
    """Everything there is was proved, but something must be set first."""
    FULL = "full"


@dataclass(frozen=True, slots=True)
class WebRow:
    """One session of the portal. `digest`: SHA-256 of its token. `stamp`: what the credentials were that opened it.

    `level` is what it was opened with; whether something must be set first is asked anew with each request. Times are
    seconds since 1970, `seen` its last request.
    """

    digest: bytes = field(repr=False)
    user: str
    level: Level
    stamp: bytes = field(repr=False)
    created: float
    seen: float
    expires: float
    address: str


class WebSessionStore(Protocol):
    """The portal's sessions. Whether one is still good is not known here."""

    async def open(self, row: WebRow, by: Actor, *, at_most: int) -> None:
        """Record a session; one that proved all there is goes into the audit chain, too. Of its user's that proved as
        much, `at_most` are left: the oldest go. Raises NotFound for a user nobody knows.
        """

    async def show(self, digest: bytes) -> tuple[WebRow, Account]:
        """Return a session and its user's account, at one moment. Raises NotFound."""

    async def seen(self, digest: bytes, now: float) -> None:
        """Note a request; a session that is gone stays gone."""

    async def replace(self, digest: bytes, row: WebRow, by: Actor, *, at_most: int) -> None:
        """Let a session go on under another token, the old one void; audited where it proved its second factor by that.
        `at_most` as in `open`.

        Raises NotFound where somebody else was faster.
        """

    async def close(self, digest: bytes, why: str, by: Actor) -> None:
        """End a session and say why in the audit chain; one that is gone is none."""

    async def close_all(self, name: str, by: Actor) -> int:
        """End all sessions of a user; return how many there were. Raises NotFound."""

    async def challenge(self, digest: bytes, challenge: bytes) -> None:
        """Keep what a passkey has to sign, in place of what was kept before. Raises NotFound."""

    async def answered(self, digest: bytes) -> bytes:
        """Return what was kept and forget it: each is good for one answer. Raises NotFound where there is none."""


@dataclass(frozen=True, slots=True)
class Passkey:
    """What a signature is checked with (WebAuthn): `credential` is the authenticator's name for it, `public_key` COSE,
    `count` its last signature counter, `transports` how browsers may reach it.
    """

    id: str
    name: str
    credential: bytes
    public_key: bytes
    count: int
    transports: tuple[str, ...] = ()


class PasskeyStore(Protocol):
    """Passkeys. Every change is audited with its actor and moves the user's revision."""

    async def add(self, user: str, passkey: Passkey, by: Actor, *, at_most: int) -> PasskeyInfo:
        """Add a passkey to the user named `user`; an empty `id` is given one.

        Raises NotFound, Conflict where there are `at_most` already or the credential is somebody's.
        """

    async def passkeys(self, user: str) -> tuple[Passkey, ...]:
        """Return a user's passkeys, oldest first."""

    async def rename(self, user: str, passkey: str, name: str, by: Actor) -> None:
        """Call a passkey something else. Raises NotFound."""

    async def remove(self, user: str, passkey: str, by: Actor) -> None:
        """Forget a passkey. Raises NotFound."""


class SentCodeStore(Protocol):
    """Codes that were sent (HK-2). That one counts is a judgement's business: `LoginStore.apply` spends it."""

    async def add(self, user: str, code: SentCode, by: Actor, *, at_most: int, since: float) -> None:
        """Record that a code is on its way to the user named `user`; an older one no longer counts.

        Raises NotFound, Conflict where `at_most` were sent since then.
        """
