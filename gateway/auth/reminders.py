"""Who has to be reminded of its password (SF-7, HK-4): data for whoever sends the reminders. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gateway.auth.house import House
from gateway.policy.decide import LOCAL
from gateway.policy.organisations import PolicyOf
from gateway.store.ports import Account


@dataclass(frozen=True, slots=True)
class Reminder:
    """A password that is old, or expires soon. `changed` and `expires` are wall seconds; None: it does not expire."""

    user: str
    email: str
    changed: float
    expires: float | None


def reminders(accounts: Iterable[Account], policy_of: PolicyOf, house: House, now: float) -> Iterator[Reminder]:
    """Yield a reminder for every password older than `remind_after`, or that expires within `remind_before`."""
    for account in accounts:
        user = account.user
        limit = policy_of(user).password.max_age
        late = user.valid_until is not None and now >= user.valid_until
        if not user.enabled or late or user.must_change or user.method not in LOCAL or not user.password_hash:
            continue
        expires = user.password_changed + limit if limit > 0 else None
        old = now - user.password_changed >= house.remind_after
        if old or (expires is not None and expires - now <= house.remind_before):
            yield Reminder(user.name, user.email, user.password_changed, expires)
