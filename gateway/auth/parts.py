"""What the use-cases are given: ports, rules, clock and an observer. Values and protocols only, no behaviour."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from gateway.auth.envelope import Envelopes
from gateway.auth.passwords import PasswordCheck
from gateway.core.login import Attempt, Moment
from gateway.core.reason import Reason
from gateway.policy.organisations import PolicyOf
from gateway.policy.sightings import RaiseAlert
from gateway.store.ports import LoginStore

Clock = Callable[[], Moment]
Where = Callable[[str], str]
"""The country (ISO 3166-1 alpha-2) of an address, "" where it has none or nobody knows."""


def nowhere(_address: str) -> str:
    """Return no country: what is known where nobody asks."""
    return ""


class Digest(Protocol):
    """A keyed hash that only tells whether the same came again (`Vault.credential_digest`)."""

    def __call__(self, *parts: bytes) -> bytes:
        """Return the digest of the parts."""


class Observer(Protocol):
    """Who is told what the authority did. Must neither raise nor block; it never sees a secret."""

    def decided(self, attempt: Attempt, reason: Reason | None, took: float, drift: int | None) -> None:
        """A login was judged: the true reason (None: admitted), seconds since arrival, steps the code was off.

        `attempt` comes without password and code.
        """

    def failed(self, call: str, error: BaseException) -> None:
        """Something of our own failed, so the answer was no."""

    def alerted(self, attempt: Attempt, alert: RaiseAlert) -> None:
        """Detection raised an alert, or counted one up."""


class Silent:
    """An observer that looks away."""

    def decided(self, attempt: Attempt, reason: Reason | None, took: float, drift: int | None) -> None:
        """Look away."""

    def failed(self, call: str, error: BaseException) -> None:
        """Look away."""

    def alerted(self, attempt: Attempt, alert: RaiseAlert) -> None:
        """Look away."""


@dataclass(frozen=True, slots=True)
class Parts:
    """`store`, `policy_of`, `clock`: where users, rules and time come from; `sleep` is the clock's other half.
    `envelopes` open what a client encrypted; `where` knows the country of an address.
    """

    store: LoginStore
    passwords: PasswordCheck
    policy_of: PolicyOf
    digest: Digest
    clock: Clock
    observer: Observer = field(default_factory=Silent)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    envelopes: Envelopes = field(default_factory=Envelopes)
    where: Where = nowhere
