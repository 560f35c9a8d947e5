"""Sessions of the portal: opened by proof, looked at with each request, ended by whatever takes a right away (TW-2).

A token is 256 random bits; its SHA-256 is what the store has. Knows neither cookies nor HTTP; a session here opens
nothing at a venue.
"""

import hmac
import secrets
from dataclasses import dataclass, replace

from gateway.auth.house import House
from gateway.auth.links import digest_of
from gateway.auth.parts import Parts
from gateway.auth.proofs import Claim, Proofs
from gateway.core.secret import Secret
from gateway.policy.channels import has_second_factor, sends
from gateway.policy.decide import code_demanded, password_expired
from gateway.policy.proof import BOTH, Factor
from gateway.policy.roles import role_at
from gateway.policy.snapshot import User
from gateway.store.errors import Conflict, NotFound
from gateway.store.portal import Level, WebRow
from gateway.store.ports import Account, Actor
from gateway.store.store import Store

__all__ = ["Entered", "Level", "SignIn", "WebSession"]

HALFWAY = 600.0
"""Seconds there are for the second factor once the password was proved."""
_LOOKS = 30
"""Times within the idle limit that a request is written down: the others cost no write."""
_PASSWORD = frozenset({Factor.PASSWORD})
_CODE = frozenset({Factor.CODE})
_OVER = "this session is over: sign in again"


@dataclass(frozen=True, slots=True)
class WebSession:
    """One person's session at the portal. `todo`: what must be set before anything else. Times are wall seconds."""

    user: str
    level: Level
    todo: frozenset[Factor]
    created: float
    expires: float
    address: str


@dataclass(frozen=True, slots=True)
class Entered:
    """A session and its token, handed out this once."""

    token: Secret
    session: WebSession


class SignIn:
    """Invariants: a session is good only while its user's credentials, role and rights are those it was opened with; a
    token is void as soon as another one is handed out for its session.
    """

    def __init__(self, store: Store, parts: Parts, proofs: Proofs, house: House) -> None:
        self._accounts = store.users
        self._sessions = store.web_sessions
        self._parts = parts
        self._proofs = proofs
        self._house = house

    async def enter(self, claim: Claim, by: Actor) -> Entered:
        """Prove who somebody is and open a session; what is still to come is in its level. Raises Denied.

        Without code or recovery code the password alone is proved only of who has no authenticator, or another second
        factor that is asked for next: else a guessed password would show that it is right.
        """
        arrived, claim = self._parts.clock(), replace(claim, address=by.address)
        account = await self._known(claim.user)
        alone = account is not None and (not _enrolled(account) or self._more_to_come(account))
        factors = _PASSWORD if alone and not (claim.code or claim.recovery) else BOTH
        await self._proofs.prove(claim, factors, "web", arrived=arrived)
        if account is None:
            raise AssertionError("nobody proves to be who is not there")
        halfway = factors != BOTH and self._more_to_come(account)
        return await self._open(account, Level.PASSWORD if halfway else Level.FULL, by)

    async def step_up(self, token: Secret, claim: Claim, by: Actor) -> Entered:
        """Prove the second factor of a session that has proved its password; it goes on under a new token.

        `claim` holds the code, recovery code or passkey's answer; whose it is, the session says. Raises NotFound,
        Conflict where nothing is to be proved any more, Denied.
        """
        arrived = self._parts.clock()
        row, account = await self._good(token, by)
        if row.level is not Level.PASSWORD:
            raise Conflict("this session has proved everything already")
        mine = replace(claim, user=row.user, password=None, address=by.address)
        await self._proofs.prove(mine, _CODE, "web", held=_PASSWORD, arrived=arrived)
        return await self._replace(row, self._row(account, Level.FULL, by), account, by)

    async def resume(self, token: Secret, by: Actor) -> WebSession:
        """Return the session of a token. Raises NotFound: there is none, idle too long, over, or its user's credentials or
        rights are not those it was opened with.
        """
        row, account = await self._good(token, by)
        if by.wall - row.seen >= self._house.web_idle / _LOOKS:
            await self._sessions.seen(row.digest, by.wall)
        return self._session(row, account, by.wall)

    async def renew(self, token: Secret, by: Actor) -> Entered:
        """Let a session go on under a new token after its user changed its own credentials; all its others are over.

        To be called by whoever resumed the session, made the change, and nothing between. Raises NotFound.
        """
        row, account = await self._sessions.show(digest_of(token))
        if self._late(row, by.wall) or not _active(account.user, by.wall):
            raise NotFound(_OVER)
        new = replace(self._row(account, row.level, by), created=row.created, expires=row.expires)
        return await self._replace(row, new, account, by)

    async def leave(self, token: Secret, by: Actor) -> None:
        """End a session; one that is over already is none."""
        await self._sessions.close(digest_of(token), "signed out", by)

    async def leave_all(self, name: str, by: Actor) -> None:
        """End all sessions of a user at the portal. Raises NotFound."""
        await self._sessions.close_all(name, by)

    # ── what a session is ──

    async def _known(self, name: str) -> Account | None:
        try:
            return await self._accounts.show(name)
        except NotFound:
            return None

    async def _good(self, token: Secret, by: Actor) -> tuple[WebRow, Account]:
        row, account = await self._sessions.show(digest_of(token))
        if self._late(row, by.wall):
            why = "too old"
        elif not _active(account.user, by.wall) or not hmac.compare_digest(row.stamp, self._stamp(account, by.wall)):
            why = "credentials or rights changed"
        else:
            return row, account
        await self._sessions.close(row.digest, why, by)
        raise NotFound(_OVER)

    def _late(self, row: WebRow, now: float) -> bool:
        """Whoever sets a clock back by more than the idle limit prolongs nothing: what was seen then says no more."""
        return now >= row.expires or abs(now - row.seen) >= self._house.web_idle

    def _row(self, account: Account, level: Level, by: Actor) -> WebRow:
        lifetime = HALFWAY if level is Level.PASSWORD else self._house.web_lifetime
        stamp = self._stamp(account, by.wall)
        return WebRow(b"", account.user.name, level, stamp, by.wall, by.wall, by.wall + lifetime, by.address)

    async def _open(self, account: Account, level: Level, by: Actor) -> Entered:
        token = _token()
        row = replace(self._row(account, level, by), digest=digest_of(token))
        await self._sessions.open(row, by, at_most=self._most(account))
        return Entered(token, self._session(row, account, by.wall))

    async def _replace(self, old: WebRow, new: WebRow, account: Account, by: Actor) -> Entered:
        token = _token()
        row = replace(new, digest=digest_of(token))
        await self._sessions.replace(old.digest, row, by, at_most=self._most(account))
        return Entered(token, self._session(row, account, by.wall))

    def _session(self, row: WebRow, account: Account, now: float) -> WebSession:
        level, todo = Level.PASSWORD, frozenset[Factor]()
        if row.level is not Level.PASSWORD:
            todo = self._todo(account, now)
            level = Level.SETUP if todo else Level.FULL
        return WebSession(row.user, level, todo, row.created, row.expires, row.address)

    def _todo(self, account: Account, now: float) -> frozenset[Factor]:
        user, policy = account.user, self._parts.policy_of(account.user)
        password = user.must_change or password_expired(policy, user, now)
        code = not has_second_factor(policy, user, account.devices) and code_demanded(policy, user, ())
        wanted = {Factor.PASSWORD: password, Factor.CODE: code}
        return frozenset(factor for factor, missing in wanted.items() if missing)

    def _more_to_come(self, account: Account) -> bool:
        """Say whether there is a second factor that is asked for once the password was proved: a passkey, a sent code."""
        return bool(account.passkeys) or sends(self._parts.policy_of(account.user), account.user)

    def _most(self, account: Account) -> int:
        """Return how many sessions one may have at the portal: as many as at a venue (TW-1, SF-6)."""
        return self._parts.policy_of(account.user).sessions.max_per_user

    def _stamp(self, account: Account, now: float) -> bytes:
        """Return what tells whether credentials, role and rights are still the same."""
        user = account.user
        role = f"{role_at(user.grant, now).value} {user.grant.until if user.grant else 0}"
        return self._parts.digest(
            b"web session", user.id.encode(), user.password_hash.encode(), user.method.value.encode(), role.encode(),
            str(user.must_change).encode(), user.organisation.encode(),
            user.channel.value.encode(), user.email.encode(), user.phone.encode(),
            ",".join(one.id for one in account.devices if one.confirmed).encode(),
            ",".join(one.id for one in account.passkeys).encode(),
        )  # fmt: skip


def _enrolled(account: Account) -> bool:
    return any(device.confirmed for device in account.devices)


def _active(user: User, now: float) -> bool:
    early = user.valid_from is not None and now < user.valid_from
    late = user.valid_until is not None and now >= user.valid_until
    return user.enabled and not early and not late


def _token() -> Secret:
    return Secret(secrets.token_urlsafe(32))
