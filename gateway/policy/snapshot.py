"""What is known about a user when a login is judged, and the changes a judgement makes: values only."""

from dataclasses import dataclass, field
from enum import Enum

from gateway.core.login import Memory
from gateway.core.reason import Reason
from gateway.core.secret import Secret
from gateway.policy.roles import Grant
from gateway.policy.rules import Channel, SecondFactor
from gateway.policy.sightings import RaiseAlert, Sight, Sightings


class Method(Enum):
    """CQ-4: how a user proves who it is, and who checks the password."""

    PASSWORD = "password"  # noqa: S105 - a method
    PASSWORD_TOTP = "password+totp"  # noqa: S105 - a method
    UPSTREAM_TOTP = "upstream+totp"
    """The engine checks the password (it passes on); the gateway checks the code."""
    EXTERNAL = "external"
    """The engine checks everything; the gateway keeps session, binding, idle and lock rules."""


@dataclass(frozen=True, slots=True)
class User:
    """`process`, `certificate`, `route` bindings: what this user may present; an empty `certificates` demands none,
    an empty `processes` lets nobody in (fail closed), an empty `routes` allows every route.

    `group_routes` come with its `groups` and are never set beside them.
    `grant`: what it may administer, and until when; None for a user. `email`: where links to it go. `channel`: where
    its codes come from; sent ones go to `email` or `phone` (HK-2).
    """

    id: str
    name: str
    organisation: str = ""
    enabled: bool = True
    method: Method = Method.PASSWORD_TOTP
    second_factor: SecondFactor | None = None
    valid_from: float | None = None
    valid_until: float | None = None
    must_change: bool = False
    password_hash: str = field(default="", repr=False)
    password_changed: float = 0.0
    processes: frozenset[str] = frozenset()
    certificates: frozenset[str] = frozenset()
    routes: frozenset[str] = frozenset()
    email: str = ""
    phone: str = ""
    channel: Channel = Channel.APP
    grant: Grant | None = None
    groups: frozenset[str] = frozenset()
    group_routes: frozenset[str] = frozenset()

    def may_use(self, route: str) -> bool:
        """Say whether a route is open to this user: by its own list or its groups'; with neither, every one is (HK-9)."""
        unbound = not self.routes and not self.groups
        return unbound or route in self.routes or route in self.group_routes


@dataclass(frozen=True, slots=True)
class Device:
    """One authenticator. `algorithm` is SHA1, SHA256 or SHA512, `period` seconds; `burnt` are the steps used lately."""

    id: str
    key: Secret
    algorithm: str = "SHA1"
    digits: int = 6
    period: int = 30
    confirmed: bool = True
    burnt: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class SentCode:
    """A code that was sent, by its keyed digest: good once, before wall second `expires` (HK-2)."""

    digest: bytes = field(repr=False)
    expires: float
    used: bool = False


@dataclass(frozen=True, slots=True)
class Failures:
    """Failed attempts in a row. `digests` are keyed hashes of the credentials already counted (BY-3).

    `locked_until` is wall seconds; `revoked` holds until an administrator unlocks.
    """

    count: int = 0
    last: float = 0.0
    locked_until: float = 0.0
    revoked: bool = False
    digests: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class AddressFailures:
    """Failures from one address (IPv6: one /64) since `since`, wall seconds."""

    count: int = 0
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A session whose lease has not run out, or one that is leaving."""

    id: str
    stream: str
    node: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything `decide` looks at, read at one moment. `revision` guards the transaction that applies its changes.

    `sessions` are live. `leaving` were ordered to end a short while ago, or ended without the venue's knowledge, and
    have not left yet: they take no place any more, but the venue may still know them.
    """

    user: User | None = None
    devices: tuple[Device, ...] = ()
    sent: tuple[SentCode, ...] = ()
    failures: Failures = Failures()
    address: AddressFailures = AddressFailures()
    sessions: tuple[LiveSession, ...] = ()
    leaving: tuple[LiveSession, ...] = ()
    memory: Memory = field(default_factory=lambda: Memory(""))
    revision: int = 0
    sightings: Sightings = field(default_factory=Sightings)


# ── changes ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class SetFailures:
    """Replace the failure record of the user (and of the source, where the scope says so)."""

    failures: Failures


@dataclass(frozen=True, slots=True)
class SetAddress:
    """Replace the failure record of the address."""

    address: AddressFailures


@dataclass(frozen=True, slots=True)
class BurnStep:
    """Make a code unusable: unique (device, step) across all nodes; `once` False lets the step be burnt again (M7-9)."""

    device: str
    step: int
    once: bool


@dataclass(frozen=True, slots=True)
class SpendRecovery:
    """Make a recovery code unusable, by its keyed digest; one that is spent already is a conflict."""

    digest: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SpendSent:
    """Make a sent code unusable, by its keyed digest; one that is spent already is a conflict."""

    digest: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class UsePasskey:
    """Move a passkey's counter on (WebAuthn §6.1.1); one that moved since, or is gone, is a conflict."""

    id: str
    seen: int
    count: int


@dataclass(frozen=True, slots=True)
class OpenSession:
    """Take a place for a session: its lease starts and its stream's memory is open."""

    id: str
    idle: float
    lifetime: float


@dataclass(frozen=True, slots=True)
class RenewSession:
    """Let a live session go on as if it had been opened now; it keeps its place and its stream."""

    id: str
    idle: float
    lifetime: float


@dataclass(frozen=True, slots=True)
class EndSession:
    """Order a live session to end before the new one opens (takeover)."""

    id: str
    reason: Reason


Change = (
    SetFailures
    | SetAddress
    | BurnStep
    | SpendRecovery
    | SpendSent
    | UsePasskey
    | OpenSession
    | RenewSession
    | EndSession
    | Sight
    | RaiseAlert
)
