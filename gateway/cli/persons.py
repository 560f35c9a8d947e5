"""A user as the command line shows it. Never its password's hash or an authenticator's key."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.store.ports import Account


def state_of(account: "Account", now: float) -> str:
    """Return one word for whether the user can log in now."""
    user, failures = account.user, account.failures
    if not user.enabled:
        return "disabled"
    if (user.valid_from and now < user.valid_from) or (user.valid_until and now >= user.valid_until):
        return "outside its dates"
    if failures.revoked:
        return "revoked"
    return "locked" if failures.locked_until > now else "enabled"


def as_fields(account: "Account", now: float) -> dict[str, Any]:
    """Return what `user show --json` prints; times are seconds since 1970, null for none."""
    user, failures = account.user, account.failures
    return {
        "name": user.name,
        "organisation": user.organisation,
        "enabled": user.enabled,
        "locked": failures.revoked or failures.locked_until > now,
        "locked_until": failures.locked_until if failures.locked_until > now else None,
        "revoked": failures.revoked,
        "failures": failures.count,
        "method": user.method.value,
        "second_factor": user.second_factor.value if user.second_factor else None,
        "enrolled": any(device.confirmed for device in account.devices),
        "must_change": user.must_change,
        "password_changed": user.password_changed or None,
        "valid_from": user.valid_from,
        "valid_until": user.valid_until,
        "comp_ids": sorted(user.processes),
        "certificates": sorted(user.certificates),
        "routes": sorted(user.routes),
        "groups": sorted(user.groups),
        "email": user.email,
        "phone": user.phone,
        "channel": user.channel.value,
        "role": user.grant.role.value if user.grant else "user",
        "role_until": user.grant.until if user.grant else None,
        "devices": [asdict(device) for device in account.devices],
        "created": account.created,
    }
