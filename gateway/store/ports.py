"""The store's ports: what the use-cases need, at most 8 methods each; one contract suite over SQLite and PostgreSQL.

Every method raises StoreUnavailable where the database does not answer within its bound. `now` and `wall` are seconds
since 1970. A value handed out holds no connection; a key is a `Secret`, and only `snapshot` and `devices` open one.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gateway.core.authority import Ended, Order, Owed, Seen, Started
from gateway.core.login import Attempt, Note
from gateway.core.reason import Reason
from gateway.policy.roles import Grant
from gateway.policy.snapshot import Change, Device, Failures, Snapshot, User
from gateway.store.audit import AuditEntry, AuditRow, Event, Head, Verification
from gateway.store.finding import EVERYBODY, Which
from gateway.store.vault import MasterKey


class LoginStore(Protocol):
    """The hot path. One per process: it knows its node, the lease of a session and the lock's scope."""

    async def snapshot(self, attempt: Attempt, now: float) -> Snapshot:
        """Read everything a judgement looks at, at one moment. An unknown user is `Snapshot(user=None, ...)`."""

    async def apply(
        self, attempt: Attempt, snapshot: Snapshot, changes: Sequence[Change], entry: AuditEntry, now: float
    ) -> None:
        """Make all changes and record the entry in one transaction, or nothing at all.

        The user must still be at `snapshot.revision`; a burnt step must be new (`once`); the stream's memory must still
        be at its version, and OpenSession makes it `snapshot.memory.version + 1` and open. Raises Conflict: take a new
        snapshot and decide again.
        """

    async def remember(self, note: Note) -> bool:
        """Write the note durably where the memory is still at its version; False where it is not."""

    async def started(self, started: Started) -> None:
        """Record (and audit) that an opened session went live; an unknown session changes nothing. A will replaces the
        login's.
        """

    async def seen(self, sightings: Sequence[Seen], now: float) -> None:
        """Renew the leases of live sessions, all in one transaction."""

    async def ended(self, ended: Ended) -> None:
        """Record (and audit) a session's end once; a second report, or an unknown session, changes nothing.

        UPSTREAM_UNREACHABLE gives the steps burnt by this session back. A value closes the stream's memory only if
        this session is the one that opened it last. `owed` keeps the session's will (where it has one) to be
        delivered by this process; saying it again without `owed` settles it.
        """

    def orders(self) -> AsyncIterator[Order | Owed]:
        """Yield the orders for this node's sessions, each once, soon after it was given; goes on while the store is away.

        And the wills this process has to deliver: those it owes itself at once, those of processes that are gone when
        their sessions' leases are over. A will that is not settled comes again every third of a lease.
        """

    async def ready(self) -> bool:
        """Say whether the store answers and can be written."""


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session as operations see it (TW-12). Times are seconds since 1970; `user` is the user's name."""

    id: str
    user: str
    protocol: str
    process: str
    target: str
    version: str
    address: str
    port: int
    certificate: str
    listener: str
    route: str
    upstream: str
    node: str
    opened: float
    started: float | None
    last_business: float
    lease_until: float
    ended: float | None
    end_reason: Reason | None


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does an administrative act, when and from where: it goes into the audit row."""

    name: str
    wall: float
    address: str = ""


class SessionStore(Protocol):
    """What operations do with sessions."""

    async def live(self, now: float, user: str = "") -> tuple[SessionRow, ...]:
        """Return the live sessions (of one user), oldest first."""

    async def show(self, session: str) -> SessionRow:
        """Return one session, live or ended. Raises NotFound."""

    async def order(self, order: Order, by: Actor) -> None:
        """Order a live session to end, wherever it is. Raises NotFound where it is not live."""


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """An authenticator without its key."""

    id: str
    name: str
    algorithm: str
    digits: int
    period: int
    confirmed: bool
    created: float
    last_used: float | None
    replaces: str = ""


@dataclass(frozen=True, slots=True)
class PasskeyInfo:
    """A passkey (WebAuthn) as its owner sees it. Times are seconds since 1970."""

    id: str
    name: str
    created: float
    last_used: float | None


@dataclass(frozen=True, slots=True)
class Account:
    """A user as administration sees it. `failures` is the account-wide record or the worst of its sources.

    `quiet_since`: when it took the risk of not being told of each login (SF-11); None: it is told.
    """

    user: User
    revision: int
    created: float
    devices: tuple[DeviceInfo, ...] = ()
    failures: Failures = field(default_factory=Failures)
    passkeys: tuple[PasskeyInfo, ...] = ()
    quiet_since: float | None = None


class UserStore(Protocol):
    """Users and their passwords. Every change is audited with its actor and moves the user's revision."""

    async def add(self, user: User, by: Actor) -> Account:
        """Add a user; an empty `id` is given one. Raises AlreadyExists, and ValueError for a name no engine can hold."""

    async def show(self, name: str) -> Account:
        """Return a user. Raises NotFound."""

    async def list(self, after: str = "", limit: int = 1000, which: Which = EVERYBODY) -> tuple[Account, ...]:
        """Return users in the order of their names, beginning behind `after`."""

    async def change(self, user: User, revision: int, by: Actor) -> Account:
        """Replace everything but id, name, password and role. Sessions that could not be opened any more are ended.

        Raises Conflict where the user is not at `revision` any more, NotFound.
        """

    async def set_password(  # noqa: PLR0913 - what a new password is, by name
        self,
        name: str,
        password_hash: str,
        by: Actor,
        *,
        must_change: bool = False,
        end_sessions: bool = False,
        instead_of: str | None = None,
    ) -> None:
        """Replace the password hash; the old one goes into the history. With `end_sessions` open links are void, too.

        Raises NotFound; Conflict where the old one has to be `instead_of` and is not.
        """

    async def history(self, name: str, count: int) -> tuple[str, ...]:
        """Return the current and the previous hashes, newest first, at most `count` (TW-7). Raises NotFound."""

    async def unlock(self, name: str, by: Actor) -> None:
        """Forget the user's failures, locks and revocation (TW-5). Raises NotFound."""

    async def grant(self, name: str, grant: Grant | None, by: Actor) -> None:
        """Give a role in place of the one the user has; None takes it away. Raises NotFound."""


class DeviceStore(Protocol):
    """Authenticators. Keys are sealed on their way in; every change is audited and moves the user's revision."""

    async def add(  # noqa: PLR0913 - what a device is, by name
        self, user: str, device: Device, name: str, by: Actor, *, at_most: int = 3, replaces: str = ""
    ) -> DeviceInfo:
        """Add a device to the user named `user`; an empty `id` is given one. Raises NotFound, Conflict where there are
        `at_most` already (SF-6). `replaces`: the device that goes when this one is confirmed.
        """

    async def devices(self, user: str) -> tuple[Device, ...]:
        """Return the user's devices with their keys, unconfirmed ones too: to check the code of an enrolment."""

    async def confirm(self, user: str, device: str, step: int, by: Actor) -> None:
        """Make a device count; the step of the code that confirmed it is burnt, and the device it replaces goes.

        Raises NotFound, Conflict.
        """

    async def remove(
        self, user: str, device: str, by: Actor, *, end_sessions: bool = True, begun: bool = False
    ) -> None:
        """Destroy a device's key (M7-6). Raises NotFound; Conflict for one that counts, where it is `begun` ones that go."""

    async def rename(self, user: str, device: str, name: str, by: Actor) -> None:
        """Call a device something else. Raises NotFound."""


class AuditStore(Protocol):
    """The audit chain (BY-6)."""

    async def append(self, entry: AuditEntry) -> AuditRow:
        """Add one row that belongs to no other transaction."""

    async def rows(self, after: int = 0, limit: int = 1000) -> tuple[AuditRow, ...]:
        """Return rows in their order, beginning behind number `after`."""

    async def of_user(
        self, name: str, events: Collection[Event], before: int | None = None, limit: int = 1000
    ) -> tuple[AuditRow, ...]:
        """Return a user's rows about these events, newest first, beginning in front of number `before`."""

    async def head(self) -> Head:
        """Return the end of the chain: to be noted elsewhere, and checked against later."""

    async def verify(self, noted: Head | None = None) -> Verification:
        """Walk the whole chain; `noted` is a head that must be part of it (finds a database set back to an old copy)."""


@dataclass(frozen=True, slots=True)
class DataKey:
    """A data key without itself. `retired`: when it was destroyed; None: it seals (the newest) or still opens."""

    id: str
    created: float
    retired: float | None
    devices: int


class KeyStore(Protocol):
    """Data keys and what they seal (BY-7). Every change is audited with its actor; all raise KeyRefused."""

    async def list(self) -> tuple[DataKey, ...]:
        """Return the data keys, oldest first, with the number of devices under each."""

    async def begin(self, by: Actor) -> DataKey:
        """Make the data key that seals from now on, or return the one of a rotation that is not finished."""

    async def reseal(self, limit: int) -> int:
        """Seal up to `limit` devices under the newest data key, in one transaction; return how many there were."""

    async def finish(self, by: Actor) -> bool:
        """Destroy the older data keys; False where a device needs one (again): reseal and try again."""

    async def change_master(self, new: MasterKey, by: Actor) -> int:
        """Seal the data keys under a new master key, all in one transaction; return how many there are."""
