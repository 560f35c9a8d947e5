"""What a one-time link may change, and what must be proved beside it (M7-7, TW-9, CQ-5, CQ-6).

Pure. The rule behind all of it: a link stands for the factor that is missing, never for the one that is there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from gateway.policy.channels import sends
from gateway.policy.decide import LOCAL, code_demanded
from gateway.policy.proof import Factor
from gateway.policy.rules import Channel, Policy
from gateway.policy.snapshot import Method, User

_NONE: frozenset[Factor] = frozenset()


class Purpose(Enum):
    """What a link is for; it is good for nothing else."""

    SETUP = "setup"
    """Sets what the person does not have yet."""
    BOOTSTRAP = "bootstrap"
    """The same, for the first administrator."""
    RESET_PASSWORD = "reset_password"  # noqa: S105 - a purpose
    RESET_AUTHENTICATOR = "reset_authenticator"


SELF_SERVICE = frozenset({Purpose.RESET_PASSWORD, Purpose.RESET_AUTHENTICATOR})
"""What somebody who claims to be the user may ask for."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked (proved with what is there) and what is set. Invariant: they share nothing; `sets` is not empty."""

    asks: frozenset[Factor]
    sets: frozenset[Factor]


def plan(
    policy: Policy, user: User, confirmed: Sequence[object], purpose: Purpose, *, own_passwords: bool = True
) -> Plan | None:
    """Return what a link of this purpose does for a user as it is now; None where it may do nothing.

    `confirmed` are the user's confirmed authenticators; a code that is sent is one it has, too (HK-2). A reset that would leave nothing to prove is not one person's
    to make: an administrator's act and a new setup link are needed (CQ-6). Without `own_passwords` a directory keeps
    them (M7-18): they can be proved here, and are never set.
    """
    coded = bool(confirmed) or sends(policy, user)
    known = _known(user, coded=coded, own_passwords=own_passwords)
    match purpose:
        case Purpose.SETUP | Purpose.BOOTSTRAP:
            sets = _needed(user) - known
            return Plan(known, sets) if sets else None
        case Purpose.RESET_PASSWORD:
            # Who reads the letter would read the code, too, where that comes by e-mail (SF-3).
            apart = bool(confirmed) or (coded and user.channel is not Channel.EMAIL)
            alone = not apart and code_demanded(policy, user, ())
            return (
                None
                if user.method not in LOCAL or alone or not own_passwords
                else Plan(known - {Factor.PASSWORD}, _of(Factor.PASSWORD))
            )
        case Purpose.RESET_AUTHENTICATOR:
            fits = Factor.CODE in _needed(user) and Factor.PASSWORD in known
            return Plan(known - {Factor.CODE}, _of(Factor.CODE)) if fits else None


def _of(factor: Factor) -> frozenset[Factor]:
    return frozenset({factor})


def _known(user: User, *, coded: bool, own_passwords: bool) -> frozenset[Factor]:
    """An initial password proves nothing: whoever made it knows it, too (TW-3)."""
    kept = bool(user.password_hash) and not user.must_change
    password = user.method in LOCAL and (kept or not own_passwords)
    return (_of(Factor.PASSWORD) if password else _NONE) | (_of(Factor.CODE) if coded else _NONE)


def _needed(user: User) -> frozenset[Factor]:
    """A method with a code is set up with one, even where the policy would let it wait."""
    password = _of(Factor.PASSWORD) if user.method in LOCAL else _NONE
    code = user.method in (Method.PASSWORD_TOTP, Method.UPSTREAM_TOTP) or user.grant is not None
    return password | (_of(Factor.CODE) if code else _NONE)
