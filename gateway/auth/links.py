"""One-time links: asking, sending, opening and finishing them (M7-7, TW-9, CQ-5, CQ-6). Prints nothing.

A token is handed out once and its hash kept. Whoever asks learns nothing: not whether the user exists, not whether a
link was sent. What a link may do is decided in `policy/links.py`, at the moment it is used.
"""

import secrets
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from gateway.auth.house import House
from gateway.auth.parts import Parts
from gateway.auth.proofs import Claim, Proofs
from gateway.auth.users import Enrolment, People
from gateway.auth.verify import until_floor
from gateway.core.secret import Secret
from gateway.policy.links import SELF_SERVICE, Plan, Purpose, plan
from gateway.policy.proof import Factor
from gateway.policy.roles import Grant, Role
from gateway.policy.snapshot import Device
from gateway.store.audit import AuditEntry, Event
from gateway.store.errors import Conflict, NotFound
from gateway.store.people import Link, Redemption
from gateway.store.ports import Account, Actor
from gateway.store.store import Store

AN_HOUR = 3600.0
PER_HOUR = 3
"""Links one may ask for in an hour: nobody's letter box is filled by a stranger (TW-8)."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A link on its way to its user; `url` is the only place where its token stands."""

    user: str
    email: str
    purpose: Purpose
    expires: float
    url: Secret


class Post(Protocol):
    """Delivers letters."""

    async def send(self, letter: Letter) -> None:
        """Queue a letter. Raises where that fails."""


class NoPost:
    """Delivers nothing: links are copied by hand."""

    async def send(self, letter: Letter) -> None:
        """Look away."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What a good link asks for and sets. `begun`: the new authenticator's key was shown already."""

    user: str
    purpose: Purpose
    expires: float
    plan: Plan
    begun: bool = False


@dataclass(frozen=True, slots=True)
class Given:
    """What a person typed to finish a link: proofs of what is there, and what is new."""

    password: Secret | None = None
    code: Secret | None = None
    recovery: Secret | None = None
    new_password: Secret | None = None
    new_code: Secret | None = None


class Missing(ValueError):  # noqa: N818 - reads as what it says
    """Something that the link asks for was not given."""


class Links:
    """Invariants: a link is used up in the very transaction that makes its change; opening one changes nothing."""

    def __init__(self, store: Store, parts: Parts, people: People, house: House, post: Post | None = None) -> None:
        self._store = store
        self._parts = parts
        self._people = people
        self._house = house
        self._proofs = Proofs(parts, store.recovery)
        self._post = post or NoPost()

    # ── making them ──

    async def ask(self, purpose: Purpose, name: str, by: Actor) -> None:
        """Send the user a link, if there is one who may have it; says nothing either way, at the same floor (TW-9).

        Each time costs its address what a failure does, whoever is asked for.
        `by` is the visitor: its name is the claimed one. Raises ValueError for a purpose nobody may ask for.
        """
        if purpose not in SELF_SERVICE:
            raise ValueError(f"nobody asks for a link to {purpose.value}")
        began = self._parts.clock().mono
        try:
            await self._answer(purpose, name, by)
        except Exception as error:  # noqa: BLE001 - whatever happens, the answer is the same
            self._parts.observer.failed("link", error)
        floor = self._parts.policy_of(None).refusal_floor
        await self._parts.sleep(until_floor(self._parts.clock().mono - began, floor))

    async def _answer(self, purpose: Purpose, name: str, by: Actor) -> None:
        details = {"actor": by.name, "purpose": purpose.value}
        if not await self._proofs.allow(AuditEntry(by.wall, Event.LINK_ASKED, None, name, "", by.address, details)):
            return
        account = await self._reachable(name, by.wall)
        wanted = account and self._plan(account, purpose)
        if account is None or not wanted or await self._store.links.recent(name, by.wall - AN_HOUR) >= PER_HOUR:
            return
        await self._post.send(await self._issue(account, purpose, Actor(name, by.wall, by.address)))

    async def _reachable(self, name: str, now: float) -> Account | None:
        try:
            account = await self._store.users.show(name)
        except NotFound:
            return None
        user = account.user
        late = user.valid_until is not None and now >= user.valid_until
        return account if user.enabled and not late and user.email else None

    async def setup(self, name: str, by: Actor) -> Letter:
        """Make a setup link, send it where the user has an address, and return it to be copied (CQ-5).

        Whether `by` may do that is the desk's question. Raises NotFound, Conflict where nothing is left to set up.
        """
        account = await self._store.users.show(name)
        if self._plan(account, Purpose.SETUP) is None:
            raise Conflict(f"user {name!r} has all it needs: a reset has to be asked for")
        letter = await self._issue(account, Purpose.SETUP, by)
        if letter.email:
            await self._post.send(letter)
        return letter

    async def bootstrap(self, name: str, until: float, by: Actor) -> Letter:
        """Make an exchange administrator until wall second `until`, and its link (TW-2). See `LinkStore.bootstrap`."""
        grant = Grant(Role.EXCHANGE_ADMIN, until)
        self._house.check_grant(grant, by.wall)
        self._house.check_name(name, grant.role)
        letter, link = self._made(name, "", Purpose.BOOTSTRAP, "", by.wall)
        await self._store.links.bootstrap(link, grant, by)
        return letter

    async def _issue(self, account: Account, purpose: Purpose, by: Actor) -> Letter:
        user = account.user
        letter, link = self._made(user.name, user.email, purpose, user.organisation, by.wall)
        await self._store.links.issue(link, by)
        return letter

    def _made(self, name: str, email: str, purpose: Purpose, organisation: str, now: float) -> tuple[Letter, Link]:
        token = secrets.token_urlsafe(32)
        expires = now + self._house.link_validity(purpose, organisation)
        letter = Letter(name, email, purpose, expires, Secret(self._house.url(token)))
        return letter, Link(digest_of(Secret(token)), name, purpose, expires)

    def incomplete(self, account: Account) -> bool:
        """Say whether a user still lacks what a setup link would set (CQ-6)."""
        return self._plan(account, Purpose.SETUP) is not None

    # ── using them ──

    async def open(self, token: Secret, now: float) -> Opened:
        """Return what a link asks for and sets. Raises NotFound where it is not good (any more)."""
        link, account, wanted = await self._good(token, now)
        return Opened(account.user.name, link.purpose, link.expires, wanted, begun=bool(link.device))

    async def enrol(self, token: Secret, by: Actor) -> Enrolment:
        """Begin an authenticator: its key is shown this once (M7-4); one that was begun before is gone.

        Raises NotFound, and Missing where this link sets no authenticator.
        """
        _, account, wanted = await self._good(token, by.wall)
        if Factor.CODE not in wanted.sets:
            raise Missing("this link sets no authenticator")
        blank, name = Device("", Secret(b""), confirmed=False), account.user.name
        made = await self._people.enroll(name, blank, "authenticator", by, replaces="")
        await self._store.links.enrolling(digest_of(token), made.device, by)
        return made

    async def finish(self, token: Secret, given: Given, by: Actor) -> str:
        """Make the link's change and use it up; return the user's name. Sessions end.

        Raises NotFound, Missing, Denied, WeakPassword, WrongCode; the link stays good for another try.
        """
        link, account, wanted = await self._good(token, by.wall)
        name = account.user.name
        for factor, new in ((Factor.PASSWORD, given.new_password), (Factor.CODE, given.new_code)):
            if factor in wanted.sets and not new:
                raise Missing(f"a new {factor.value} is needed")
        hashed, step = "", 0
        if given.new_password and Factor.PASSWORD in wanted.sets:
            hashed = await self._people.hashed(name, given.new_password)
        if given.new_code and Factor.CODE in wanted.sets:
            step = await self._people.step_of(name, link.device, given.new_code, by.wall)
        if wanted.asks:
            claim = Claim(name, given.password, given.code, given.recovery, by.address)
            await self._proofs.prove(claim, wanted.asks, f"link.{link.purpose.value}")
        device = link.device if step else ""
        change = Redemption(hashed, device, step, others_go=bool(device))
        return await self._store.links.redeem(link.digest, change, by)

    async def _good(self, token: Secret, now: float) -> tuple[Link, Account, Plan]:
        link = await self._store.links.show(digest_of(token), now)
        account = await self._store.users.show(link.user)
        wanted = self._plan(account, link.purpose)
        if wanted is None or not account.user.enabled:
            raise NotFound("this link is not good any more: what it was for has been done, or may not be done")
        return link, account, wanted

    def _plan(self, account: Account, purpose: Purpose) -> Plan | None:
        confirmed = [device for device in account.devices if device.confirmed]
        policy, own = self._parts.policy_of(account.user), self._house.own_passwords
        return plan(policy, account.user, confirmed, purpose, own_passwords=own)


def digest_of(token: Secret) -> bytes:
    """Return what the store holds of a token: 256 random bits need no salt and no slow hash."""
    return sha256(token.reveal()).digest()
