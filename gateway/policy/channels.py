"""Whether a user's codes are sent to it, and what counts as its second factor then (HK-2, SF-1..3, TW-2). Pure."""

from collections.abc import Iterable
from typing import Protocol

from gateway.policy.rules import Channel, Policy
from gateway.policy.snapshot import User


class Confirmable(Protocol):
    """An authenticator, or what is known of one."""

    @property
    def confirmed(self) -> bool:
        """Say whether a first code of it was seen."""


def address_of(user: User, channel: Channel) -> str:
    """Return where codes go by that channel; "" where nothing is registered, or nothing is sent."""
    return {Channel.EMAIL: user.email, Channel.SMS: user.phone}.get(channel, "")


def sends(policy: Policy, user: User) -> bool:
    """Say whether codes are sent to this user: the policy allows its channel and an address is registered.

    Never to who administers others: it has an authenticator (TW-2).
    """
    sent = user.channel is not Channel.APP and user.grant is None
    return sent and user.channel in policy.channels and bool(address_of(user, user.channel))


def has_second_factor(policy: Policy, user: User, devices: Iterable[Confirmable]) -> bool:
    """Say whether there is something a code of this user can come from."""
    return any(device.confirmed for device in devices) or sends(policy, user)
