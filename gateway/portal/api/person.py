"""A person as the API tells and is told of one. No password, key or hash is among it."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import Field

from gateway.auth.condition import state_of
from gateway.policy.roles import Role, role_at
from gateway.policy.rules import Channel, SecondFactor
from gateway.policy.snapshot import Method, User
from gateway.portal.api.models import MANY, Line, Lines, Model, Name, Subject, Until, When, moment
from gateway.store.ports import Account

_SETS = frozenset({"processes", "certificates", "routes", "groups"})
_TIMES = frozenset({"valid_from", "valid_until"})


class Person(Model):
    """An account. `state` is one word for whether it can log in; `revision` moves with every change, and is its ETag."""

    name: str
    organisation: str
    state: str
    method: Method
    second_factor: SecondFactor | None
    valid_from: When | None
    valid_until: When | None
    must_change: bool
    processes: list[str]
    certificates: list[str]
    routes: list[str]
    groups: list[str]
    email: str
    phone: str
    channel: Channel
    role: Role
    role_until: When | None
    authenticators: int
    passkeys: int
    failures: int
    created: When
    revision: int

    @classmethod
    def of(cls, account: Account, now: float) -> Self:
        """Return what is told of an account at wall second `now`."""
        user = account.user
        plain = {name: getattr(user, name) for name in cls.model_fields if hasattr(user, name)}
        return cls.model_validate(
            plain
            | {name: sorted(getattr(user, name)) for name in _SETS}
            | {
                "state": state_of(account, now),
                "role": role_at(user.grant, now),
                "role_until": user.grant.until if user.grant else None,
                "authenticators": sum(one.confirmed for one in account.devices),
                "passkeys": len(account.passkeys),
                "failures": account.failures.count,
                "created": account.created,
                "revision": account.revision,
            }
        )


class People(Model):
    """A page of people, by name. `next` is what to send as `after` for the page behind this one."""

    users: list[Person]
    next: str | None


class Change(Model):
    """What may be changed alone; a field that is not sent stays as it is. Lists are replaced as a whole."""

    organisation: Line = ""
    method: Method = Method.PASSWORD_TOTP
    second_factor: SecondFactor | None = None
    valid_from: Until | None = None
    valid_until: Until | None = None
    processes: Lines = Field(default_factory=list)
    certificates: Annotated[list[Subject], Field(max_length=MANY)] = Field(default_factory=list)
    routes: Lines = Field(default_factory=list)
    groups: Lines = Field(default_factory=list)

    def said(self) -> dict[str, Any]:
        """Return what was sent, as a User has it. Raises ValueError."""
        return {name: _as_kept(name, getattr(self, name)) for name in sorted(self.model_fields_set)}


class NewPerson(Change):
    """Somebody new, without password and authenticator: a setup link lets the person choose both (CQ-5)."""

    name: Name
    email: Line = ""
    phone: Line = ""
    channel: Channel = Channel.APP

    def user(self, organisation: str) -> User:
        """Return it as a user, of `organisation` unless it says another one."""
        return User("", **{"organisation": organisation, **self.said()})


def _as_kept(name: str, value: Any) -> Any:
    if name in _SETS:
        return frozenset(value)
    return _wall(value) if name in _TIMES and value is not None else value


def _wall(time: datetime) -> float:
    try:
        wall = time.timestamp()
        moment(wall)
    except (ValueError, OverflowError):
        raise ValueError("that time can't be told in UTC") from None
    return wall
