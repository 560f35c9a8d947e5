"""Who may administer whom: roles, their grants, and the one function that decides (HK-6, SF-13, TW-2).

Pure: standings in, one ruling out. It knows no store, no password and no clock; whether a grant is over was judged by
whoever made the standing (`role_at`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Role(Enum):
    """What an account is for; everybody is a user."""

    USER = "user"
    DELEGATED_ADMIN = "delegated_admin"
    """Maintains the users of its own organisation."""
    EXCHANGE_ADMIN = "exchange_admin"
    """Maintains everybody, administrators too."""
    AUDITOR = "auditor"
    """Reads everything, changes nothing."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A role beyond `user`, until wall second `until`. Invariant: it has an end, and USER needs no grant (SF-13)."""

    role: Role
    until: float

    def __post_init__(self) -> None:
        """Refuse what is no grant (ValueError)."""
        if self.role is Role.USER:
            raise ValueError("everybody is a user: that needs no grant")
        if not 0 < self.until < float("inf"):
            raise ValueError("an administrator's grant has an end date (SF-13)")


class Act(Enum):
    """What one person may want to do to another; the value is the audit tag."""

    READ = "read"
    READ_AUDIT = "read_audit"
    CREATE = "create"
    CHANGE = "change"
    UNLOCK = "unlock"
    END_SESSION = "end_session"
    CHANGE_BINDINGS = "change_bindings"
    """Which process, certificate and route a person may present: those of another firm must not be given away."""
    SETUP_LINK = "setup_link"
    RESET_PASSWORD = "reset_password"  # noqa: S105 - an act
    RESET_AUTHENTICATOR = "reset_authenticator"
    CHANGE_EMAIL = "change_email"
    CHANGE_ROLE = "change_role"
    CHANGE_GROUPS = "change_groups"
    """What a group may use, for all of its members."""
    ACKNOWLEDGE = "acknowledge"
    """That an alert was looked at: whom it shut out is let in again."""


class Ruling(Enum):
    """The answer; the value is what the actor reads."""

    ALLOWED = "allowed"
    CHECKED = "a second administrator has to approve that"
    NO_ROLE = "this role may not do that"
    NO_SECOND_FACTOR = "an administrator needs an authenticator first (TW-2)"
    DISABLED = "this account is disabled or outside its dates"
    OTHER_ORGANISATION = "that belongs to another organisation"
    ADMINISTRATOR = "administrators are maintained by the exchange (HK-6)"
    ONESELF = "nobody administers himself"


@dataclass(frozen=True, slots=True)
class Standing:
    """A person at one moment. `two_factors`: has a confirmed authenticator; `active`: enabled and within its dates."""

    name: str
    organisation: str = ""
    role: Role = Role.USER
    two_factors: bool = False
    active: bool = True


READS = frozenset({Act.READ, Act.READ_AUDIT})
CHECKED = frozenset({Act.RESET_PASSWORD, Act.RESET_AUTHENTICATOR, Act.CHANGE_EMAIL, Act.CHANGE_ROLE})
"""Changes of another person's credentials, and of where the links to them go: maker and checker (HK-6)."""

_MAY: Mapping[Role, frozenset[Act]] = {
    Role.USER: frozenset(),
    Role.AUDITOR: READS,
    Role.DELEGATED_ADMIN: frozenset(Act)
    - {Act.READ_AUDIT, Act.CHANGE_ROLE, Act.CHANGE_GROUPS, Act.CHANGE_BINDINGS, Act.ACKNOWLEDGE},
    Role.EXCHANGE_ADMIN: frozenset(Act),
}


def role_at(grant: Grant | None, now: float) -> Role:
    """Return the role a grant gives at `now`: a grant that is over gives none."""
    return grant.role if grant and now < grant.until else Role.USER


def ruling(actor: Standing, act: Act, subject: Standing) -> Ruling:
    """Decide whether `actor` may do `act` to `subject`. The first thing that speaks against it is the answer."""
    delegated, changes = actor.role is Role.DELEGATED_ADMIN, act not in READS
    objections = {
        Ruling.NO_ROLE: act not in _MAY[actor.role],
        Ruling.DISABLED: not actor.active,
        Ruling.NO_SECOND_FACTOR: not actor.two_factors,
        Ruling.OTHER_ORGANISATION: delegated and not _same_house(actor, subject),
        Ruling.ONESELF: changes and actor.name == subject.name,
        Ruling.ADMINISTRATOR: changes and delegated and subject.role is not Role.USER,
        Ruling.CHECKED: act in CHECKED,
    }
    return next((why for why, holds in objections.items() if holds), Ruling.ALLOWED)


def check_ruling(checker: Standing, maker: str, act: Act, subject: Standing) -> Ruling:
    """Decide whether `checker` may approve what `maker` asked for: as if it asked itself, but never its own wish."""
    found = ruling(checker, act, subject)
    if found is not Ruling.CHECKED:
        return Ruling.NO_ROLE if found is Ruling.ALLOWED else found
    return Ruling.ONESELF if checker.name == maker else Ruling.ALLOWED


def _same_house(actor: Standing, subject: Standing) -> bool:
    """An administrator without an organisation has nobody to administer (fail closed)."""
    return bool(actor.organisation) and actor.organisation == subject.organisation
