"""A user as the command line shows it. Never its password's hash or an authenticator's key."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gateway.auth.condition import state_of
from gateway.cli.output import print_fields, print_json, print_table, when

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.store.ports import Account


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


def print_accounts(accounts: "Iterable[Account]", now: float, *, as_json: bool) -> None:
    """Print users, a row for each."""
    if as_json:
        print_json([as_fields(account, now) for account in accounts])
        return
    columns = ("user", "state", "organisation", "method", "authenticators", "CompIDs")
    print_table(columns, (_row(account, now) for account in accounts))


def print_account(account: "Account", now: float, *, as_json: bool) -> None:
    """Print one user with everything that is known of it."""
    fields = as_fields(account, now)
    if as_json:
        print_json(fields)
        return
    dates = ("valid_from", "valid_until", "password_changed", "created", "locked_until", "role_until")
    devices = [f"{one['name']} ({one['id']}{'' if one['confirmed'] else ', unconfirmed'})" for one in fields["devices"]]
    times = {key: when(fields[key]) for key in dates}
    print_fields({"state": state_of(account, now), **fields, **times, "devices": devices})


def _row(account: "Account", now: float) -> tuple[object, ...]:
    user = account.user
    confirmed = sum(device.confirmed for device in account.devices)
    comp_ids = ", ".join(sorted(user.processes))
    return user.name, state_of(account, now), user.organisation, user.method.value, confirmed, comp_ids
