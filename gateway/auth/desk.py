"""The administrators' desk: who may do what to whom, asked each time, then done (HK-6, CQ-5, CQ-6, HK-7). Prints nothing.

An act names its administrator by `by.name`; its standing is read anew for every act, so that a role that ended ends
what it gave at once. That it is really that person was proved before (`Proofs`). What needs a second one: `requests.py`.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

from gateway.auth.history import PAGE, Visit, visits
from gateway.auth.house import House
from gateway.auth.intake.intake import Checked, Intake
from gateway.auth.intake.values import Reading
from gateway.auth.links import Letter, Links
from gateway.auth.users import People
from gateway.core.authority import Order
from gateway.core.reason import Reason
from gateway.policy.decide import LOCAL
from gateway.policy.roles import Act, Role, Ruling, Standing, role_at, ruling
from gateway.policy.snapshot import User
from gateway.store.alerts import Alert
from gateway.store.errors import NotFound
from gateway.store.finding import Condition, Which
from gateway.store.people import Group
from gateway.store.ports import Account, Actor, SessionRow
from gateway.store.store import Store


class Forbidden(Exception):  # noqa: N818 - what happened
    """This administrator may not do that; `ruling` says why."""

    def __init__(self, found: Ruling) -> None:
        self.ruling = found
        super().__init__(found.value)


NOBODY = Standing("", active=False)
MANY = 500
"""Accounts read at once, where some of them do not count."""


def standing_of(account: Account, now: float) -> Standing:
    """Return what an account is at wall second `now`."""
    user = account.user
    early = user.valid_from is not None and now < user.valid_from
    late = user.valid_until is not None and now >= user.valid_until
    enrolled = any(device.confirmed for device in account.devices)
    return Standing(
        user.name, user.organisation, role_at(user.grant, now), enrolled, user.enabled and not early and not late
    )


def _bindings(user: User) -> frozenset[str]:
    kinds = (("p", user.processes), ("c", user.certificates), ("r", user.routes))
    return frozenset(f"{kind}:{value}" for kind, values in kinds for value in values)


class Desk:
    """Invariants: every act is ruled on first; nobody administers himself; an account of another firm is not there."""

    def __init__(self, store: Store, people: People, links: Links, intake: Intake, house: House) -> None:
        self._store = store
        self._intake = intake
        self._people = people
        self._links = links
        self._house = house

    async def standing(self, by: Actor) -> Standing:
        """Return what the actor is now; nobody where there is no such account."""
        try:
            return standing_of(await self._store.users.show(by.name), by.wall)
        except NotFound:
            return NOBODY

    async def permit(self, by: Actor, act: Act, subject: Standing) -> None:
        """Raise Forbidden unless the actor may do that alone; NotFound where it may not even know of the account."""
        actor = await self.standing(by)
        found = ruling(actor, act, subject)
        if found is Ruling.OTHER_ORGANISATION and subject.name:
            raise NotFound(f"there is no user called {subject.name!r}")
        if found is not Ruling.ALLOWED:
            raise Forbidden(found)

    # ── reading ──

    async def everybody(self, by: Actor) -> list[Account]:
        """Return the accounts the actor may see, by name. Raises Forbidden."""
        own = await self._own(by)
        return [one for one in await self._people.everybody() if own is None or one.user.organisation == own]

    async def find(self, which: Which, by: Actor, after: str = "", limit: int = PAGE) -> tuple[Account, ...]:
        """Return a page of those of them whom `which` is about, by name, beginning behind `after` (HK-7, CQ-6).

        What `which` says of time is the house's to say; an unfinished one lacks what a setup link would set under its own
        policy. Raises Forbidden.
        """
        own = await self._own(by)
        asked = replace(which, now=by.wall, old=by.wall - self._house.remind_after)
        asked = asked if own is None else replace(asked, organisation=own)
        exact, found = which.condition is Condition.UNFINISHED, list[Account]()
        while len(found) < limit:
            size = MANY if exact else limit - len(found)
            page = await self._store.users.list(after, size, asked)
            found += [one for one in page if not exact or self.incomplete(one)]
            if len(page) < size:
                break
            after = page[-1].user.name
        return tuple(found[:limit])

    async def known(self, names: Collection[str], by: Actor) -> frozenset[str]:
        """Return those of the names whose accounts the actor may see. Raises Forbidden."""
        own, wanted = await self._own(by), sorted(set(names))
        if own is None:
            return frozenset(wanted)
        seen: set[str] = set()
        for start in range(0, len(wanted), MANY):
            some = Which(organisation=own, names=frozenset(wanted[start : start + MANY]))
            seen |= {one.user.name for one in await self._store.users.list(limit=MANY, which=some)}
        return frozenset(seen)

    def incomplete(self, account: Account) -> bool:
        """Say whether a setup link would have something to set (CQ-6)."""
        return self._links.incomplete(account)

    async def may(self, act: Act, by: Actor) -> bool:
        """Say whether the actor may do that alone to what it looks after: for a page that offers nothing in vain."""
        actor = await self.standing(by)
        return ruling(actor, act, Standing("", actor.organisation)) is Ruling.ALLOWED

    async def rulings(self, account: Account, by: Actor) -> Mapping[Act, Ruling]:
        """Return what the actor may do to an account, and why not: for a page that offers nothing in vain."""
        actor, subject = await self.standing(by), standing_of(account, by.wall)
        return {act: ruling(actor, act, subject) for act in Act}

    async def show(self, name: str, by: Actor) -> Account:
        """Return an account. Raises Forbidden, NotFound."""
        return await self._seen(name, Act.READ, by)

    async def sessions(self, name: str, by: Actor) -> tuple[SessionRow, ...]:
        """Return a user's live sessions (TW-12). Raises Forbidden, NotFound."""
        await self._seen(name, Act.READ, by)
        return await self._store.sessions.live(by.wall, name)

    async def live(self, by: Actor) -> tuple[SessionRow, ...]:
        """Return the live sessions of everybody whom the actor may see (TW-12), oldest first. Raises Forbidden."""
        live = await self._store.sessions.live(by.wall)
        known = await self.known([one.user for one in live], by)
        return tuple(one for one in live if one.user in known)

    async def history(self, name: str, by: Actor, before: int | None = None, limit: int = PAGE) -> tuple[Visit, ...]:
        """Return a user's logins, newest first, a page at a time (HK-7, TW-12). Raises Forbidden, NotFound."""
        await self._seen(name, Act.READ, by)
        return await visits(self._store.audit, name, before, limit)

    async def groups(self, by: Actor) -> tuple[Group, ...]:
        """Return the groups the actor may see, by name. Raises Forbidden."""
        own = await self._own(by)
        return tuple(one for one in await self._store.groups.list() if own is None or one.organisation == own)

    async def alerts(self, by: Actor, *, open_only: bool = False) -> tuple[Alert, ...]:
        """Return what detection found, the latest first: everything, or what concerns one's own firm. Raises Forbidden."""
        return await self._store.alerts.list(open_only=open_only, organisation=await self._own(by))

    # ── acts ──

    async def acknowledge(self, alert: str, by: Actor) -> Alert:
        """Say that an alert was looked at, which ends what it blocks. Raises Forbidden, NotFound, Conflict."""
        found = await self._store.alerts.show(alert)
        whose = found.user if found.rule.personal else ""
        await self.permit(by, Act.ACKNOWLEDGE, Standing(whose, found.organisation))
        return await self._store.alerts.acknowledge(alert, by)

    async def add(self, user: User, by: Actor) -> Account:
        """Add a user, without password and role: a setup link lets the person choose, a request gives the role.

        Raises Forbidden, BadName (HK-1), AlreadyExists, and ValueError for what no engine can hold.
        """
        self._house.check_name(user.name, Role.USER)
        self._house.check_dates(user.valid_from, user.valid_until)
        if user.email:
            self._house.check_address(user.email)
        await self.permit(by, Act.CREATE, Standing("", user.organisation))
        await self._check_groups(user.groups, user, by)
        if _bindings(user) - {f"p:{user.name}"}:
            await self.permit(by, Act.CHANGE_BINDINGS, Standing("", user.organisation))
        return await self._people.add(replace(user, grant=None, password_hash="", password_changed=0.0), None, by)

    async def check_import(self, reading: Reading, by: Actor) -> Checked:
        """Find everything that is wrong with a file of new people (HK-8). Raises Forbidden."""
        actor = await self.standing(by)
        await self.permit(by, Act.CREATE, Standing("", actor.organisation))
        own = actor.organisation if actor.role is Role.DELEGATED_ADMIN else None
        return await self._intake.check(reading, organisation=own)

    async def import_people(self, reading: Reading, by: Actor, *, partial: bool = False) -> Checked:
        """Check a file once more and import it, all or (`partial`) what is right. Raises Forbidden, FaultyFile, Conflict."""
        checked = await self.check_import(reading, by)
        await self._intake.write(checked, by, partial=partial)
        return checked

    async def change(self, user: User, revision: int, by: Actor) -> Account:
        """Replace what may be changed alone; see UserStore. Raises Forbidden, NotFound, Conflict.

        The registered addresses are not among it: links and codes go there (see requests).
        """
        before = await self._seen(user.name, Act.CHANGE, by)
        if any(getattr(user, name) != getattr(before.user, name) for name in ("email", "phone", "channel")):
            raise Forbidden(Ruling.CHECKED)
        if before.user.grant is not None and user.method not in LOCAL:
            raise ValueError("an administrator's password is checked here: end its role first (TW-2)")
        self._house.check_dates(user.valid_from, user.valid_until)
        await self.permit(by, Act.CHANGE, Standing("", user.organisation))
        await self._check_groups(user.groups ^ before.user.groups, user, by)
        if _bindings(user) != _bindings(before.user):
            await self.permit(by, Act.CHANGE_BINDINGS, Standing("", user.organisation))
        return await self._store.users.change(user, revision, by)

    async def set_enabled(self, name: str, by: Actor, *, enabled: bool) -> None:
        """Enable or disable a user; disabling ends its sessions. Raises Forbidden, NotFound, Conflict."""
        await self._seen(name, Act.CHANGE, by)
        await self._people.set_enabled(name, by, enabled=enabled)

    async def unlock(self, name: str, why: str, by: Actor) -> None:
        """Forget failures and locks; `why` says how the person was identified (TW-5). Raises Forbidden, NotFound."""
        if not why.strip():
            raise ValueError("say how the person was identified (TW-5)")
        await self._seen(name, Act.UNLOCK, by)
        await self._people.unlock(name, replace(by, name=f"{by.name}, proof: {why}"))

    async def end_session(self, session: str, by: Actor) -> None:
        """End a live session. Raises Forbidden, NotFound."""
        row = await self._store.sessions.show(session)
        await self._seen(row.user, Act.END_SESSION, by)
        await self._store.sessions.order(Order(session, Reason.KICKED), by)

    async def setup_link(self, name: str, by: Actor) -> Letter:
        """Send a setup link, and return it to be copied (CQ-5, CQ-6). Raises Forbidden, NotFound, Conflict."""
        await self._seen(name, Act.SETUP_LINK, by)
        return await self._links.setup(name, by)

    async def make_group(self, group: Group, by: Actor) -> None:
        """Make a group (HK-9). Raises Forbidden, AlreadyExists, ValueError."""
        await self.permit(by, Act.CHANGE_GROUPS, Standing("", group.organisation))
        await self._store.groups.make(group, by)

    async def remove_group(self, name: str, by: Actor) -> None:
        """Remove a group without members. Raises Forbidden, NotFound, Conflict where it has some."""
        await self.permit(by, Act.CHANGE_GROUPS, Standing(""))
        await self._store.groups.remove(name, by)

    async def put_group(self, group: Group, by: Actor) -> None:
        """Change a group's routes, for all of its members (HK-9). Raises Forbidden, ValueError."""
        await self.permit(by, Act.CHANGE_GROUPS, Standing("", group.organisation))
        await self._store.groups.put(group, by)

    async def _check_groups(self, changed: frozenset[str], user: User, by: Actor) -> None:
        """A firm puts its users into its own groups; everything else is the exchange's (HK-9)."""
        owners = {group.name: group.organisation for group in await self._store.groups.list()} if changed else {}
        if any(owners.get(name, user.organisation) != user.organisation for name in changed):
            await self.permit(by, Act.CHANGE_BINDINGS, Standing("", user.organisation))

    async def _own(self, by: Actor) -> str | None:
        """Return the only organisation the actor may look at; None: all of them. Raises Forbidden."""
        actor = await self.standing(by)
        found = ruling(actor, Act.READ, actor)
        if found is not Ruling.ALLOWED:
            raise Forbidden(found)
        return actor.organisation if actor.role is Role.DELEGATED_ADMIN else None

    async def _seen(self, name: str, act: Act, by: Actor) -> Account:
        account = await self._store.users.show(name)
        await self.permit(by, act, standing_of(account, by.wall))
        return account
