"""A store with a trader in it, and the values a login is made of: what every contract test begins with."""

from dataclasses import dataclass, field, replace

from gateway.core.login import Attempt, Login, Moment, Origin
from gateway.core.reason import Reason
from gateway.core.secret import Secret
from gateway.policy.organisations import Policies
from gateway.policy.rules import LockoutRules, Policy
from gateway.policy.snapshot import Change, Device, OpenSession, Snapshot, User
from gateway.store.audit import AuditEntry, Event
from gateway.store.logins import SqlLoginStore
from gateway.store.ports import Actor
from gateway.store.store import Store

KEY = b"12345678901234567890"
NOW = 1_800_000_000.0
STEP = int(NOW) // 30
ADMIN = Actor("ops", NOW, "10.0.0.9")


def attempt(
    user: str = "trader", *, stream: str = "CLIENT>EXCHANGE", address: str = "192.0.2.7", **login: str | bytes
) -> Attempt:
    values = {"protocol": "fix", "process": "CLIENT", "target": "EXCHANGE", "version": "FIX.4.4", **login}
    found = Login(user=user, password=Secret(b"pa55"), code=Secret(b"123456"), stream=stream, **values)
    return Attempt(found, Origin("c1", "fix-tls", address, 40001), "main", Moment(1.0, NOW))


def admitted(session: str = "s1", user: str = "trader") -> AuditEntry:
    return AuditEntry(NOW, Event.LOGIN_ADMITTED, None, user, session, "192.0.2.7", {"route": "main"})


def refused(reason: Reason = Reason.BAD_CODE, user: str = "trader") -> AuditEntry:
    return AuditEntry(NOW, Event.LOGIN_REFUSED, reason, user, "", "192.0.2.7")


def opened(session: str) -> OpenSession:
    return OpenSession(session, 1800.0, 86400.0)


@dataclass
class Hands:
    """A clock whose hands are moved by the test; the wall clock may also jump alone."""

    mono: float = 1.0
    wall: float = NOW

    def __call__(self) -> Moment:
        return Moment(self.mono, self.wall)

    def move(self, seconds: float) -> None:
        self.mono, self.wall = self.mono + seconds, self.wall + seconds


@dataclass
class World:
    """The open store, its hot path, and the trader's device id."""

    store: Store
    logins: SqlLoginStore
    device: str
    rules: LockoutRules = field(default_factory=LockoutRules)
    clock: Hands = field(default_factory=Hands)

    @classmethod
    async def make(cls, store: Store, rules: LockoutRules | None = None) -> "World":
        rules = rules or LockoutRules()
        user = User("", "trader", password_hash="$argon2id$1", processes=frozenset({"CLIENT"}))
        await store.users.add(user, ADMIN)
        info = await store.devices.add("trader", Device("", Secret(KEY)), "phone", ADMIN)
        clock = Hands()
        return cls(
            store,
            store.logins(node="node-1", policy_of=Policies(Policy(lockout=rules)), clock=clock),
            info.id,
            rules,
            clock,
        )

    def node(self, name: str) -> SqlLoginStore:
        return self.store.logins(node=name, policy_of=Policies(Policy(lockout=self.rules)), clock=self.clock)

    async def snapshot(self, now: float = NOW, **login: str) -> Snapshot:
        return await self.logins.snapshot(attempt(**login), now)

    async def apply(
        self, *changes: Change, entry: AuditEntry | None = None, snapshot: Snapshot | None = None, **login
    ) -> None:
        snapshot = snapshot or await self.snapshot(**login)
        await self.logins.apply(attempt(**login), snapshot, changes, entry or admitted(), NOW)

    async def open(self, session: str, *changes: Change, node: str = "node-1", **login) -> Snapshot:
        """Open a session the way an admitted login does; return what was known before."""
        store = self.node(node)
        snapshot = await store.snapshot(attempt(**login), NOW)
        await store.apply(attempt(**login), snapshot, [*changes, opened(session)], admitted(session), NOW)
        return snapshot

    async def revision(self) -> int:
        return (await self.store.users.show("trader")).revision

    async def at_revision(self, snapshot: Snapshot) -> Snapshot:
        """The same snapshot, as if nothing but the user's revision had been read again."""
        return replace(snapshot, revision=await self.revision())

    async def events(self) -> list[tuple[str, str]]:
        return [(row.event, row.session) for row in await self.store.audit.rows()]
