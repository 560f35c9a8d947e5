"""Profiles: a named preset of settings, and the bounds that a configuration which names it must keep.

Where two sources disagree the profile decides, never the code: this file knows settings, not regulators. Pure: a
profile comes in as the mapping that `config/profiles/<name>.toml` holds. Nothing here reads a file.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import Enum
from typing import Any, get_args, get_origin, get_type_hints

from gateway.policy.rules import Policy

Value = bool | int | float | str | tuple[str, ...]
"""A setting as a file writes it: an enum is its word, a set is a list of words."""


@dataclass(frozen=True, slots=True)
class Bound:
    """What a setting may be, and the row that says so. `also` are values that are allowed beside the range.

    `contains` and `within` are for sets: each of these words must be in it, and no other one than these may be.
    """

    setting: str
    row: str
    why: str
    at_least: float | None = None
    at_most: float | None = None
    equals: Value | None = None
    contains: tuple[str, ...] = ()
    within: tuple[str, ...] = ()
    also: tuple[Value, ...] = ()

    def allows(self, value: Value) -> bool:
        """Say whether `value` keeps the bound."""
        if value in self.also:
            return True
        if isinstance(value, tuple):
            whole = set(self.contains) <= set(value) <= set(self.within or value)
            return whole and (self.equals is None or value == self.equals)
        low = self.at_least is None or (isinstance(value, int | float) and value >= self.at_least)
        high = self.at_most is None or (isinstance(value, int | float) and value <= self.at_most)
        return low and high and (self.equals is None or value == self.equals)

    @property
    def demand(self) -> str:
        """The bound in words: "must be at most 1800"."""
        limits = {
            "be at least": self.at_least,
            "be at most": self.at_most,
            "be": self.equals,
            "contain": self.contains or None,
            "be none but": self.within or None,
        }
        words = " and ".join(f"{verb} {_shown(limit)}" for verb, limit in limits.items() if limit is not None)
        return f"must {words}{f' (or be {_shown(self.also)})' if self.also else ''}"


ALWAYS = (
    Bound("sessions.idle", "SF-9", "a session's idle time-out can't be switched off", at_least=1, at_most=86400),
    Bound("sessions.lifetime", "SF-9", "a session ends, however busy it is", at_least=1, at_most=7 * 86400),
    Bound("sessions.max_per_user", "TW-1", "concurrent sessions are limited", at_least=1, at_most=64),
    Bound("lockout.threshold", "SF-8", "guessing must lock", at_least=1, at_most=100),
    Bound("lockout.duration", "SF-8", "a lock lasts; 0 is: until somebody unlocks", at_least=0),
    Bound("lockout.backoff_base", "SF-8", "seconds", at_least=0),
    Bound("lockout.backoff_limit", "SF-8", "a pause ends", at_least=0, at_most=86400),
    Bound("lockout.address_budget", "SF-8", "brute force from one address must end", at_least=1, at_most=100_000),
    Bound("lockout.address_window", "SF-8", "a blocked address stays blocked for a while", at_least=1),
    Bound("lockout.forget_after", "SF-8", "slow guessing is guessing", at_least=60),
    Bound("channels", "HK-2", "everybody may have an authenticator", contains=("app",)),
    Bound("totp.window", "M7-8", "RFC 6238 §5.2 advises one step, two at the very most", at_least=0, at_most=2),
    Bound("totp.max_devices", "SF-6", "a handful at most", at_least=1, at_most=10),
    Bound("password.min_length", "TW-6", "NIST SP 800-63B: at least 8", at_least=8, at_most=128),
    Bound("password.min_classes", "TW-6", "there are four classes", at_least=1, at_most=4),
    Bound("password.min_age", "TW-6", "seconds", at_least=0),
    Bound("password.max_age", "TW-6", "seconds; 0 is: it does not expire", at_least=0),
    Bound("password.history", "TW-7", "old hashes are kept no longer than needed", at_least=0, at_most=50),
    Bound("detection.crowd.accounts", "SF-18", "one account is no crowd", at_least=2, at_most=10_000),
    Bound("detection.crowd.window", "SF-18", "what was seen is kept for a day", at_least=1, at_most=86400),
    Bound("detection.travel.window", "SF-19", "what was seen is kept for a day", at_least=1, at_most=86400),
    Bound("detection.spray.accounts", "SF-20", "one account is no spray", at_least=2, at_most=10_000),
    Bound("detection.spray.window", "SF-20", "what was seen is kept for a day", at_least=1, at_most=86400),
    Bound("detection.replay.window", "BY-8", "what was seen is kept for a day", at_least=1, at_most=86400),
    Bound(
        "refusal_floor",
        "BY-3",
        "long enough to hide what was checked, short enough for a client",
        at_least=0,
        at_most=10,
    ),
)
"""What holds under every profile: the code knows no "never"."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One setting that is weaker than its bound."""

    value: Value
    bound: Bound

    def __str__(self) -> str:
        return f"{self.bound.setting} = {self.words}"

    @property
    def words(self) -> str:
        """The value, what is demanded, by which row and why: "1860: must be at most 1800 [SF-10: ...]"."""
        return f"{_shown(self.value)}: {self.bound.demand} [{self.bound.row}: {self.bound.why}]"


class BadSetting(ValueError):  # noqa: N818 - the message is a list of them
    """A setting that does not exist, or a value of the wrong kind: all of them, one a line."""


class WeakerThanProfile(ValueError):  # noqa: N818 - reads as what it says
    """A configuration that is weaker than the profile it names: *all* violations, each naming the row."""

    def __init__(self, profile: str, violations: tuple[Violation, ...]) -> None:
        self.violations = violations
        lines = "\n".join(f"  {violation}" for violation in violations)
        super().__init__(f"weaker than profile {profile!r}:\n{lines}")


@dataclass(frozen=True, slots=True)
class Profile:
    """A preset and its bounds. Invariant: the preset itself keeps them all."""

    name: str
    title: str
    policy: Policy
    bounds: tuple[Bound, ...]


def load(name: str, data: Mapping[str, Any]) -> Profile:
    """Return the profile that `data`, a parsed profile file, describes.

    Raises BadSetting for anything the file should not hold, WeakerThanProfile where it breaks its own bounds.
    """
    unknown = set(data) - {"title", "settings", "bounds"}
    if unknown:
        raise BadSetting(f"profile {name!r}: unknown {', '.join(sorted(unknown))}")
    bounds = tuple(_bound(name, entry) for entry in data.get("bounds", ()))
    profile = Profile(name, str(data.get("title", name)), Policy(), bounds)
    return replace(profile, policy=resolve(profile, data.get("settings", {})))


def resolve(profile: Profile, overrides: Mapping[str, Any]) -> Policy:
    """Return the profile's policy with `overrides` (nested, or with dotted names) on top.

    Raises BadSetting listing every unknown setting and unusable value, then WeakerThanProfile listing every value
    that is weaker than the profile.
    """
    values = dict(_flat(overrides))
    faults: list[str] = []
    policy = profile.policy
    for setting, value in values.items():
        try:
            policy = _with(policy, setting.split("."), value)
        except BadSetting as fault:
            faults.append(f"{setting}: {fault}")
    if faults:
        raise BadSetting("\n".join(faults))
    weaker = tuple(violations(profile, policy))
    if weaker:
        raise WeakerThanProfile(profile.name, weaker)
    return policy


def violations(profile: Profile, policy: Policy) -> Iterator[Violation]:
    """Yield every bound of the profile, and of all profiles, that `policy` does not keep."""
    values = settings(policy)
    for bound in (*profile.bounds, *ALWAYS):
        if not bound.allows(values[bound.setting]):
            yield Violation(values[bound.setting], bound)


def settings(policy: Policy) -> dict[str, Value]:
    """Return every setting of the policy under its dotted name, as a file would write it."""
    return {name: _plain(value) for name, value in _walk(policy)}


# ── names and values ────────────────────────────────────────────────────────────────────────────────────────────────


def _walk(part: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for each in fields(part):
        value = getattr(part, each.name)
        if is_dataclass(value):
            yield from _walk(value, f"{prefix}{each.name}.")
        else:
            yield f"{prefix}{each.name}", value


def _flat(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in data.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _with(part: Any, path: list[str], value: Any) -> Any:
    name, *rest = path
    kind = get_type_hints(type(part)).get(name)
    if kind is None:
        raise BadSetting("there is no such setting")
    if is_dataclass(kind) != bool(rest):
        raise BadSetting("there is no such setting")
    new = _with(getattr(part, name), rest, value) if rest else _typed(kind, value)
    return replace(part, **{name: new})


def _typed(kind: Any, value: Any) -> Any:
    if get_origin(kind) is frozenset:
        if isinstance(value, str) or not hasattr(value, "__iter__"):
            raise BadSetting(f"a list is expected, not {value!r}")
        return frozenset(_typed(get_args(kind)[0], each) for each in value)
    convert = _CONVERT.get(kind)
    return convert(value) if convert else _word(kind, value)


def _word(kind: type[Enum], value: Any) -> Enum:
    try:
        return kind(value)
    except ValueError:
        raise BadSetting(f"{value!r} is not one of {', '.join(repr(each.value) for each in kind)}") from None


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise BadSetting(f"true or false is expected, not {value!r}")
    return value


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadSetting(f"a whole number is expected, not {value!r}")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadSetting(f"a finite number is expected, not {value!r}")
    return float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise BadSetting(f"text is expected, not {value!r}")
    return value


_CONVERT: dict[Any, Callable[[Any], Any]] = {bool: _flag, int: _whole, float: _number, str: _text}


def _plain(value: Any) -> Value:
    if isinstance(value, frozenset):
        return tuple(sorted(each.value if isinstance(each, Enum) else each for each in value))
    plain: Value = value.value if isinstance(value, Enum) else value
    return plain


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return ", ".join(_shown(each) for each in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _bound(name: str, entry: Mapping[str, Any]) -> Bound:
    known = {each.name for each in fields(Bound)}
    given: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
    missing = {"setting", "row", "why"} - set(given)
    limits = set(given) & {"at_least", "at_most", "equals", "contains", "within"}
    if set(given) - known or missing or not limits or given["setting"] not in settings(Policy()):
        raise BadSetting(f"profile {name!r}: not a bound: {dict(entry)!r}")
    return Bound(**given)
