"""One word for whether an account can log in: for lists of people. Pure."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.store.ports import Account


def state_of(account: "Account", now: float) -> str:
    """Return one word for whether the user can log in at wall second `now`."""
    user, failures = account.user, account.failures
    if not user.enabled:
        return "disabled"
    if (user.valid_from and now < user.valid_from) or (user.valid_until and now >= user.valid_until):
        return "outside its dates"
    if failures.revoked:
        return "revoked"
    return "locked" if failures.locked_until > now else "enabled"
