"""What the portal is given: plain values and the use-cases. No behaviour but reading a URL."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from gateway.auth.office import Office
from gateway.core.login import Moment
from gateway.policy.rules import Policy
from gateway.policy.snapshot import User


@dataclass(frozen=True, slots=True)
class Site:
    """Where browsers find the portal and what it is called. `url` has no path; `name` is shown and goes into authenticators."""

    url: str
    name: str

    @property
    def origin(self) -> str:
        """Return scheme, host and port as browsers send them in Origin (RFC 6454)."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}".lower()

    @property
    def host(self) -> str:
        """Return host and port as browsers send them in Host (RFC 9110 §7.2)."""
        return urlsplit(self.url).netloc.lower()


class Digest(Protocol):
    """A keyed hash (`Vault.credential_digest`)."""

    def __call__(self, *parts: bytes) -> bytes:
        """Return the digest of the parts."""


class Observer(Protocol):
    """Who is told of what went wrong. Must neither raise nor block; never sees a secret."""

    def failed(self, call: str, error: BaseException) -> None:
        """Something of our own failed."""


@dataclass(frozen=True, slots=True)
class Portal:
    """Everything a page needs. `own_passwords`: passwords are kept here and may be set; otherwise a directory has them (M7-18).
    `puzzles`: an address that failed often has to work, or to wait, before a public form of its is looked at (TW-8).
    """

    office: Office
    site: Site
    digest: Digest
    clock: Callable[[], Moment]
    policy_of: Callable[[User | None], Policy]
    observer: Observer
    own_passwords: bool = True
    puzzles: bool = True
