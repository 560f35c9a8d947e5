"""Passwords: who checks them (M7-18), argon2id off the event loop (TW-11), and the rules a new one must keep (TW-6, TW-7).

Hashing is slow by design, so it runs in threads (argon2 lets go of the interpreter) with a bound on what may wait.
Hashes are made by argon2-cffi and checked by libsodium, which chooses AVX2 or AVX-512 where the processor has them: the
same function in half the CPU. Nothing here knows failures or locks.
"""

import os
import secrets
from collections.abc import Sequence
from typing import Protocol

from argon2 import PasswordHasher
from nacl.bindings import crypto_pwhash_str_verify
from nacl.exceptions import CryptoError

from gateway.auth.bounded import Bounded, Busy
from gateway.core.secret import Secret
from gateway.policy.rules import PasswordRules
from gateway.policy.snapshot import User

__all__ = ["LONGEST", "Busy", "PasswordCheck", "Passwords", "WeakPassword", "classes_in", "faults_in", "matches"]

LONGEST = 1024
"""Bytes of a password that are looked at: a longer one is nobody's, and nobody may make us hash a megabyte."""


class PasswordCheck(Protocol):
    """Who checks the passwords of the users whose method is ours (`policy.decide.LOCAL`): `Passwords` or `Directory`."""

    async def check(self, user: User, password: Secret) -> bool:
        """Say whether this is the user's password. Raises where that can't be told now: the login is then UNAVAILABLE."""

    def close(self) -> None:
        """Let go of threads and connections."""


class WeakPassword(ValueError):  # noqa: N818 - reads as what it says
    """A new password that breaks the rules; `faults` are all of them, in words for its owner."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__(f"the password {'; it '.join(faults)}")


class Passwords:
    """A bounded pool of hashing threads. Invariant: at most `workers` hashes run and `queue` wait at any moment.

    `workers` 0: one on each core that this process may use.
    `time_cost` passes over `memory_cost` KiB in `parallelism` lanes; the defaults are RFC 9106 §4's second choice with
    fewer passes (OWASP's m=19456, t=2, p=1), as the floor of a login's cost is paid on the trading path.
    """

    def __init__(
        self,
        *,
        time_cost: int = 2,
        memory_cost: int = 19456,
        parallelism: int = 1,
        workers: int = 0,
        queue: int = 256,
    ) -> None:
        self._hasher = PasswordHasher(time_cost=time_cost, memory_cost=memory_cost, parallelism=parallelism)
        self._pool = Bounded("argon2", workers or len(os.sched_getaffinity(0)), queue)
        # Work for a user without a password costs the same as for one with a wrong one.
        self._decoy = self._hasher.hash(secrets.token_bytes(16))

    async def check(self, user: User, password: Secret) -> bool:
        """Say whether this is the password that is kept for the user. Raises Busy."""
        return await self.verify(password, user.password_hash)

    async def verify(self, password: Secret, hashed: str) -> bool:
        """Say whether `password` is the one behind `hashed`; "" is nobody's, at the same cost. Raises Busy."""
        return await self._pool.run(lambda: matches(password, hashed or self._decoy) and bool(hashed))

    async def hash(self, password: Secret) -> str:
        """Return the argon2id hash of a password, PHC string format. Raises Busy."""
        return await self._pool.run(lambda: self._hasher.hash(password.reveal()))

    async def known(self, password: Secret, hashes: Sequence[str]) -> bool:
        """Say whether the password is behind one of these (TW-7). Raises Busy."""
        for hashed in hashes:
            if await self.verify(password, hashed):
                return True
        return False

    def close(self) -> None:
        """Stop the threads; what runs is finished, what waits is dropped."""
        self._pool.close()


def matches(password: Secret, hashed: str) -> bool:
    """Say whether `password` is behind `hashed`: an argon2id hash in PHC string format, at most 127 characters; else False."""
    typed = password.reveal()
    if len(typed) > LONGEST:
        return False
    try:
        return crypto_pwhash_str_verify(hashed.encode(), typed)
    except CryptoError:
        return False


def faults_in(rules: PasswordRules, password: Secret, name: str) -> list[str]:
    """Return every rule that a new password of the user `name` breaks, in words for its owner; [] where it is good."""
    try:
        text = password.reveal().decode()
    except UnicodeDecodeError:
        return ["is not UTF-8 text"]
    faults = []
    if len(text) < rules.min_length:
        faults.append(f"has fewer than {rules.min_length} characters")
    if len(password.reveal()) > LONGEST:
        faults.append(f"has more than {LONGEST} bytes")
    if any(ord(each) < 32 for each in text):  # noqa: PLR2004 - the control characters; SOH ends a FIX field
        faults.append("has a control character")
    if classes_in(text) < rules.min_classes:
        faults.append(f"has fewer than {rules.min_classes} of: lower case, upper case, digits, others")
    if name and name.casefold() in text.casefold():
        faults.append("contains the user's name")
    return faults


def classes_in(text: str) -> int:
    """Return how many of lower case, upper case, digits and other characters occur (TW-6)."""
    kinds = {
        "lower" if each.islower() else "upper" if each.isupper() else "digit" if each.isdigit() else "other"
        for each in text
    }
    return len(kinds)
