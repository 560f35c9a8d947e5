"""Maker and checker (HK-6): what one administrator asks for, another one approves with a fresh code. Prints nothing.

Whoever asks can't approve, which the store holds to as well; both may still do it when it is decided, or it is not.
"""

import secrets
from dataclasses import dataclass

from gateway.auth.desk import Desk, Forbidden, standing_of
from gateway.auth.house import House
from gateway.auth.links import Letter, Links
from gateway.auth.proofs import Claim, Proofs
from gateway.core.secret import Secret
from gateway.policy.decide import LOCAL
from gateway.policy.proof import Factor
from gateway.policy.roles import Act, Grant, Role, Ruling, check_ruling, ruling
from gateway.policy.snapshot import User
from gateway.store.errors import Conflict, NotFound
from gateway.store.people import Request
from gateway.store.ports import Actor
from gateway.store.store import Store

_RESETS = frozenset({Act.RESET_PASSWORD, Act.RESET_AUTHENTICATOR})


@dataclass(frozen=True, slots=True)
class Wish:
    """What an administrator wants: `grant` for CHANGE_ROLE (None ends the role), `email` for CHANGE_EMAIL."""

    act: Act
    user: str
    why: str
    grant: Grant | None = None
    email: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """An approved request, and the setup link that a reset makes (sent where the user has an address); None where the reset
    left nothing to set up: who needs no code has lost no code.
    """

    request: Request
    letter: Letter | None


class Requests:
    """Invariant: nothing is asked or approved by who may not do it at that moment."""

    def __init__(self, store: Store, proofs: Proofs, links: Links, desk: Desk, house: House) -> None:
        self._store = store
        self._proofs = proofs
        self._links = links
        self._desk = desk
        self._house = house

    async def ask(self, wish: Wish, by: Actor) -> Request:
        """Ask for a change of another person's credentials or role.

        Raises Forbidden, NotFound, Conflict where the same is asked for already, ValueError for a wish without a reason
        or a grant that may not be.
        """
        subject = await self._subject(wish.user, wish.act, by)
        if wish.act is Act.RESET_PASSWORD and not self._house.own_passwords:
            raise ValueError("passwords are kept in a directory: reset it there")
        if not wish.why.strip():
            raise ValueError("say why, and how the person was identified: the other administrator has to know")
        if wish.grant is not None:
            self._check_grant(wish.grant, subject, by.wall)
        if wish.act is Act.CHANGE_EMAIL:
            self._house.check_address(wish.email)
        expires = by.wall + self._house.request
        grant = wish.grant if wish.act is Act.CHANGE_ROLE else None
        email = wish.email if wish.act is Act.CHANGE_EMAIL else ""
        made = Request(
            secrets.token_hex(4), wish.act, wish.user, by.name, by.wall, expires, wish.why.strip(), grant, email
        )
        await self._store.requests.make(made, by)
        return made

    async def waiting(self, by: Actor) -> list[Request]:
        """Return the requests that wait for a decision and that the actor may know of, oldest first. Raises Forbidden."""
        waiting = await self._store.requests.open(by.wall)
        known = await self._desk.known([one.user for one in waiting], by)
        return [one for one in waiting if one.user in known]

    async def show(self, id_: str, by: Actor) -> tuple[Request, Ruling]:
        """Return a request, decided or not, and whether the actor may approve it. Raises Forbidden, NotFound."""
        request = await self._store.requests.show(id_)
        account = await self._desk.show(request.user, by)
        subject = standing_of(account, by.wall)
        return request, check_ruling(await self._desk.standing(by), request.asked_by, request.act, subject)

    async def approve(self, id_: str, code: Secret, by: Actor) -> Outcome:
        """Approve a request with one's own fresh code, and make its change.

        Raises Denied for the code, Forbidden, NotFound, Conflict where it was decided or has expired.
        """
        request = await self._may_decide(id_, by)
        await self._still_asked(request, by.wall)
        claim = Claim(by.name, code=code, address=by.address)
        await self._proofs.prove(claim, frozenset({Factor.CODE}), f"request.{request.act.value}")
        decided = await self._store.requests.approve(id_, by)
        return Outcome(decided, await self._letter(decided, by))

    async def refuse(self, id_: str, why: str, by: Actor) -> Request:
        """Refuse a request, or take one's own back. Raises Forbidden, NotFound, Conflict."""
        request = await self._store.requests.show(id_)
        if request.asked_by != by.name:
            await self._may_decide(id_, by)
        return await self._store.requests.refuse(id_, why, by)

    async def _letter(self, decided: Request, by: Actor) -> Letter | None:
        if decided.act not in _RESETS or not self._links.incomplete(await self._store.users.show(decided.user)):
            return None
        return await self._links.setup(decided.user, by)

    async def _subject(self, name: str, act: Act, by: Actor) -> User:
        """Return who is concerned. Raises Forbidden unless the actor may ask for that, NotFound."""
        account = await self._store.users.show(name)
        found = ruling(await self._desk.standing(by), act, standing_of(account, by.wall))
        if found is Ruling.OTHER_ORGANISATION:
            raise NotFound(f"there is no user called {name!r}")
        if found is not Ruling.CHECKED:
            raise Forbidden(Ruling.NO_ROLE if found is Ruling.ALLOWED else found)
        return account.user

    async def _may_decide(self, id_: str, by: Actor) -> Request:
        request = await self._store.requests.show(id_)
        account = await self._store.users.show(request.user)
        checker = await self._desk.standing(by)
        found = check_ruling(checker, request.asked_by, request.act, standing_of(account, by.wall))
        if found is Ruling.OTHER_ORGANISATION:
            raise NotFound(f"there is no request {id_!r}")
        if found is not Ruling.ALLOWED:
            raise Forbidden(found)
        return request

    async def _still_asked(self, request: Request, now: float) -> None:
        """Raise Conflict where the asker could not ask for that any more, or the grant has become too late."""
        try:
            subject = await self._subject(request.user, request.act, Actor(request.asked_by, now))
            if request.grant is not None:
                self._check_grant(request.grant, subject, now)
        except (Forbidden, NotFound, ValueError) as error:
            raise Conflict(f"request {request.id} does not hold any more: {error}") from None

    def _check_grant(self, grant: Grant, subject: User, now: float) -> None:
        self._house.check_grant(grant, now)
        self._house.check_name(subject.name, grant.role)
        if subject.method not in LOCAL:
            raise ValueError("an administrator's password is checked here: change the user's method first (TW-2)")
        if grant.role is Role.DELEGATED_ADMIN and not subject.organisation:
            raise ValueError("a delegated administrator belongs to an organisation")
