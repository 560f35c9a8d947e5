"""Codes that are sent by e-mail or text message, for who has chosen that and where the policy allows it (HK-2, SF-1..3).

A code is good once, for five minutes, and stands nowhere: only its keyed digest is kept. That it is right is judged
where every code is, for portal and venue alike. How it travels is behind `Messenger`.
"""

import secrets
from dataclasses import dataclass
from typing import Protocol

from gateway.auth.parts import Digest, Parts
from gateway.core.login import Attempt
from gateway.core.secret import Secret
from gateway.policy.channels import address_of, sends
from gateway.policy.rules import Channel
from gateway.policy.snapshot import SentCode, Snapshot
from gateway.store.errors import Conflict
from gateway.store.ports import Actor
from gateway.store.store import Store

DIGITS = 6
GOOD_FOR = 300.0
"""Seconds a sent code counts."""
AT_MOST, WITHIN = 3, 600.0
"""Codes one may have sent within so many seconds: nobody's letter box is filled, and a guess has one code to hit."""


class Messenger(Protocol):
    """Delivers codes."""

    async def send_code(self, user: str, channel: Channel, address: str, code: Secret, expires: float) -> None:
        """Queue a code for the user named `user`; `expires` is wall seconds. Raises where that fails."""


class NoMessenger:
    """Delivers nothing, and says so."""

    async def send_code(self, user: str, channel: Channel, address: str, code: Secret, expires: float) -> None:  # noqa: ARG002
        """Refuse (Conflict)."""
        raise Conflict(f"no codes are sent by {channel.value} from here: nothing is set up for that")


@dataclass(frozen=True, slots=True)
class Sent:
    """A code is on its way: by what, to where (most of it hidden), and until when it counts."""

    channel: Channel
    hint: str
    expires: float


class SentCodes:
    """Invariant: a code is recorded before it is sent, and the one before it no longer counts then."""

    def __init__(self, store: Store, parts: Parts, messenger: Messenger | None = None) -> None:
        self._store = store
        self._parts = parts
        self._messenger = messenger or NoMessenger()

    async def send(self, by: Actor) -> Sent:
        """Send a code to the user `by.name`, who has proved its password, or holds a link, before.

        Raises NotFound, Conflict where this user's codes are not sent, or too many were lately.
        """
        user = (await self._store.users.show(by.name)).user
        if not sends(self._parts.policy_of(user), user):
            raise Conflict("no codes are sent to you: use your authenticator")
        code = Secret(f"{secrets.randbelow(10**DIGITS):0{DIGITS}}")
        address, expires = address_of(user, user.channel), by.wall + GOOD_FOR
        kept = SentCode(sent_digest(self._parts.digest, user.id, code), expires)
        await self._store.sent_codes.add(user.name, kept, by, at_most=AT_MOST, since=by.wall - WITHIN)
        await self._messenger.send_code(user.name, user.channel, address, code, expires)
        return Sent(user.channel, hint_of(address), expires)


def sent_digest(digest: Digest, user: str, code: Secret) -> bytes:
    """Return what the store holds of a code that was sent to a user (id)."""
    return digest(b"sent code", user.encode(), code.reveal())


def code_digest(digest: Digest, snapshot: Snapshot, attempt: Attempt) -> bytes:
    """Return the digest of an attempt's code as that of a sent one is kept; b"" where none was sent, or none came."""
    code = attempt.login.code
    if not snapshot.sent or snapshot.user is None or not code:
        return b""
    return sent_digest(digest, snapshot.user.id, code)


def hint_of(address: str) -> str:
    """Return an address as its owner knows it again and nobody else learns it: "t…@example.com", "…4567"."""
    name, at, host = address.rpartition("@")
    return f"{name[:1]}…@{host}" if at else f"…{address[-4:]}"
