"""The import itself (HK-8): everything is checked first, then written in one transaction. Prints nothing."""

import asyncio
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.auth.house import House
from gateway.auth.intake.values import Candidate, Fault, Reading
from gateway.policy.organisations import PolicyOf
from gateway.policy.roles import Role
from gateway.policy.snapshot import User
from gateway.store.imports import Entry, Known, Watch, unwatched
from gateway.store.ports import Actor
from gateway.store.store import Store
from gateway.store.users import check_texts

BREATH = 100
"""Lines checked before others have their turn: the portal may share a loop with order entry."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A checked file: what would be written, and every fault by line. `users` are new; `devices` for new and known."""

    entries: tuple[Entry, ...]
    faults: tuple[Fault, ...]
    users: int
    devices: int


class FaultyFile(ValueError):  # noqa: N818 - reads as what it says
    """The file has faults, so nothing of it was imported."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__(f"{len(self.faults)} faults, so nothing was imported")


class Intake:
    """Invariant: what is written was checked as a whole, against the store as it was then; what changed since is a
    conflict, and nothing is written.
    """

    def __init__(self, store: Store, policy_of: PolicyOf, house: House) -> None:
        self._store = store
        self._policy_of = policy_of
        self._house = house

    async def check(
        self,
        reading: Reading,
        *,
        organisation: str | None = None,
        strangers: bool = False,
        watch: Watch = unwatched,
    ) -> Checked:
        """Find everything that is wrong with a file; `watch` is told how far it is.

        `organisation`: the only one whose users may be in it (and who are, where the file does not say), who then have no
        bindings but their names; None: any.
        `strangers`: authenticators may be for users who are there already, which changes another person's credentials.
        """
        names = list(dict.fromkeys(one.user.name for one in reading.candidates))
        known = await self._store.imports.known([name for name in names if "\0" not in name])
        faults, good, spoilt = list(reading.faults), list[Candidate](), set[str]()
        groups = {group.name for group in await self._store.groups.list()}
        seen: dict[str, int] = {}
        for number, one in enumerate(reading.candidates):
            if number % BREATH == 0:
                watch("checked", number, len(reading.candidates))
                await asyncio.sleep(0)
            missing = [f"there is no group called {name!r}" for name in sorted(one.user.groups - groups)]
            wrong = [*missing, *self._faults(one, organisation), *_taken(one, known, seen, strangers=strangers)]
            seen.setdefault(one.user.name, one.line)
            faults += [Fault(one.line, text) for text in wrong]
            good += [] if wrong else [one]
            spoilt |= {one.user.name} if wrong else set()
        # A person one of whose lines is wrong is not imported by halves.
        whole = [_placed(one, organisation or "") for one in good if one.user.name not in spoilt]
        good, many = self._within_limit(whole, known)
        entries = tuple(_entries(good, known))
        new = sum(not entry.known for entry in entries)
        everything = tuple(sorted([*faults, *many], key=lambda fault: fault.line))
        return Checked(entries, everything, new, sum(len(entry.devices) for entry in entries))

    async def write(self, checked: Checked, by: Actor, *, partial: bool = False, watch: Watch = unwatched) -> None:
        """Write what is right, if all is or `partial` was asked for; `watch` is told from the store's thread.

        Raises FaultyFile, Conflict.
        """
        if checked.faults and not partial:
            raise FaultyFile(checked.faults)
        if checked.entries:
            await self._store.imports.write(checked.entries, by, watch)

    def _faults(self, one: Candidate, organisation: str | None) -> Iterable[str]:
        user = one.user
        checks: tuple[Callable[[User], None], ...] = (
            self._check_texts,
            lambda user: self._house.check_dates(user.valid_from, user.valid_until),
            lambda user: self._house.check_address(user.email) if user.email else None,
        )
        for check in checks:
            try:
                check(user)
            except ValueError as error:
                yield str(error)
        if organisation is not None:
            yield from _foreign(user, organisation)

    def _check_texts(self, user: User) -> None:
        check_texts(user)
        self._house.check_name(user.name, Role.USER)

    def _within_limit(
        self, good: Sequence[Candidate], known: Mapping[str, Known]
    ) -> tuple[list[Candidate], list[Fault]]:
        """Keep as many authenticators per user as it may have (SF-6)."""
        owned = Counter({name: one.authenticators for name, one in known.items()})
        users = {name: User("", name, one.organisation) for name, one in known.items()}
        kept: list[Candidate] = []
        faults: list[Fault] = []
        for one in good:
            most = self._policy_of(users.setdefault(one.user.name, one.user)).totp.max_devices
            owned[one.user.name] += one.device is not None
            if owned[one.user.name] > most:
                faults.append(Fault(one.line, f"user {one.user.name!r} would have more than {most} authenticators"))
            else:
                kept.append(one)
        return kept, faults


def _foreign(user: User, organisation: str) -> Iterable[str]:
    if user.organisation not in ("", organisation):
        yield f"belongs to another organisation than {organisation!r}"
    if user.processes - {user.name} or user.certificates or user.routes or user.groups:
        yield "processes, certificates, routes and groups are given by the exchange"


def _taken(one: Candidate, known: Container[str], seen: dict[str, int], *, strangers: bool) -> Iterable[str]:
    name = one.user.name
    bare = one.user == User("", name) and one.device is not None
    if name in known and not (bare and strangers):
        yield f"a user called {name!r} exists already"
    elif name in seen and not bare:
        yield f"the user {name!r} is in line {seen[name]} already"


def _placed(one: Candidate, organisation: str) -> Candidate:
    """Return a line with the firm that it is of where the file does not say."""
    return replace(one, user=replace(one.user, organisation=one.user.organisation or organisation))


def _entries(good: Sequence[Candidate], known: Container[str]) -> Iterable[Entry]:
    """Put a person's lines together; one without a process may present its own name as one."""
    users: dict[str, User] = {}
    owned: dict[str, list[Candidate]] = {}
    for one in good:
        users.setdefault(one.user.name, one.user)
        owned.setdefault(one.user.name, []).append(one)
    for name, user in users.items():
        devices = tuple((one.label, one.device) for one in owned[name] if one.device is not None)
        yield Entry(replace(user, processes=user.processes or frozenset({name})), devices, name in known)
