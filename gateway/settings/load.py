"""Load a configuration and everything it names: its profile's policy and its venues. The only reader of both.

Refuses at once with every fault found (`ConfigError`); what it returns is complete and can be served.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, overload

from pydantic import TypeAdapter, ValidationError

from gateway.policy.organisations import Policies
from gateway.policy.profile import BadSetting, Profile, WeakerThanProfile, resolve
from gateway.policy.profile import load as read_profile
from gateway.policy.rules import Policy
from gateway.protocols.amqp.venue import Venue as AmqpVenue
from gateway.protocols.fix.venue import Venue as FixVenue
from gateway.protocols.names import Protocol as ProtocolName
from gateway.protocols.registry import PROTOCOLS, Venue
from gateway.settings.connections import Listener
from gateway.settings.data import names_in, profile_file, venue_file
from gateway.settings.detection import DetectionOverrides
from gateway.settings.model import Settings
from gateway.settings.policy import FirmPolicyOverrides
from gateway.settings.problems import ConfigError, Problem, path_of, problems_in
from gateway.settings.sources import PREFIX, sources_with, unknown_variables

DEFAULT_FILE = Path("gateway.toml")


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything that is configured. `venues` are by listener name; all `policies` keep every floor of the profile."""

    settings: Settings
    policies: Policies
    venues: Mapping[str, Venue]


def load(
    file: Path | None = None, overrides: Mapping[str, Any] | None = None, *, serving: bool = False
) -> Configuration:
    """Load settings (see `load_settings`), the profile's policy and the venues.

    `serving`: without a listener and a route there is nothing to serve, which is a fault then. Raises ConfigError.
    """
    settings = load_settings(file, overrides)
    problems = list(_nothing_to_serve(settings)) if serving else []
    policies, venues = Policies(Policy()), {}
    try:
        policies = _policies(settings, problems)
    except ConfigError as error:
        problems += error.problems
    for index, listener in enumerate(settings.listener):
        try:
            venue = venues[listener.name] = read_venue(listener.venue, listener.protocol)
        except ValueError as error:
            problems.append(Problem(f"listener[{index}].venue", str(error)))
            continue
        problems += [Problem(f"listener[{index}].password_key", words) for words in _key_rule(listener, venue)]
    if problems:
        raise ConfigError(problems)
    return Configuration(settings, policies, venues)


def _policies(settings: Settings, problems: list[Problem]) -> Policies:
    """Resolve the house's policy, and over it each firm's that sets anything (CQ-8). Raises ConfigError for the profile."""
    profile = named_profile(settings.profile)
    house = _resolved(profile, settings.policy, "policy.", problems)
    house = _resolved(replace(profile, policy=house), settings.detection, "", problems)
    own = {one.name: one.policy for one in settings.organisation if one.policy.as_overrides()}
    within = replace(profile, policy=house)
    path = "organisation.{}.policy.".format
    return Policies(house, {name: _resolved(within, over, path(name), problems) for name, over in own.items()})


def _resolved(
    profile: Profile, over: FirmPolicyOverrides | DetectionOverrides, path: str, problems: list[Problem]
) -> Policy:
    """Return the profile's policy with `over` on top; where that may not be, the profile's own and the problems.

    `path` is what stands before a setting's name in the file.
    """
    try:
        return resolve(profile, over.as_overrides())
    except WeakerThanProfile as error:
        problems += [
            Problem(f"{path}{one.bound.setting}", f"{one.words}, says profile {profile.name!r}")
            for one in error.violations
        ]
    except BadSetting as error:
        problems.append(Problem(path.rstrip("."), str(error)))
    return profile.policy


def _nothing_to_serve(settings: Settings) -> Iterator[Problem]:
    if not settings.listener:
        yield Problem("listener", "there is none, so there is nothing to serve")
    if not settings.route:
        yield Problem("route", "there is none, so no login could go anywhere")


def _key_rule(listener: Listener, venue: Venue) -> Iterator[str]:
    if isinstance(venue, FixVenue) and venue.encrypted != (listener.password_key is not None):
        needed = "is needed" if venue.encrypted else "has no use"
        yield f"{needed}: the venue {venue.name!r} has encrypted = {str(venue.encrypted).lower()}"


def named_profile(name: str) -> Profile:
    """Read a shipped profile. Raises ConfigError where there is none of that name."""
    file = profile_file(name)
    if not file.is_file():
        raise ConfigError([Problem("profile", f"there is no {name!r} (allowed: {', '.join(names_in('profiles'))})")])
    return read_profile(name, tomllib.loads(file.read_text()))


@overload
def read_venue(name: str, protocol: Literal["fix"] = "fix") -> FixVenue: ...
@overload
def read_venue(name: str, protocol: Literal["amqp"]) -> AmqpVenue: ...
@overload
def read_venue(name: str, protocol: ProtocolName) -> Venue: ...
def read_venue(name: str, protocol: ProtocolName = "fix") -> Venue:
    """Read a protocol's venue by its name in config/venues or by its file's path; raises ValueError, which says what is wrong."""
    file = venue_file(name)
    if not file.is_file():
        raise ValueError(f"there is no venue {name!r} (allowed: {_choice(protocol)})")
    data = _keys_of(file)
    _check_keys(data, file, protocol)
    try:
        return TypeAdapter(PROTOCOLS[protocol].venue).validate_python({"name": file.stem, **data})
    except ValidationError as error:
        words = "; ".join(f"{path_of(one['loc'])}: {one['msg']}" for one in error.errors(include_context=False))
        raise ValueError(f"{file}: {words}") from None


def _keys_of(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{file}: is no TOML: {error}") from None


def _check_keys(data: Mapping[str, Any], file: Path, protocol: str) -> None:
    names = _names_of(protocol)
    unknown = sorted(data.keys() - names)
    if not unknown:
        return
    if other := next((one for one in PROTOCOLS if data.keys() <= _names_of(one)), None):
        raise ValueError(
            f'{file}: is a venue for protocol = "{other}", and the listener\'s is "{protocol}" (allowed: {_choice(protocol)})'
        )
    raise ValueError(f"{file}: unknown {', '.join(unknown)} (allowed: {', '.join(sorted(names))})")


def _names_of(protocol: str) -> set[str]:
    return {field.name for field in fields(PROTOCOLS[protocol].venue)}


def _choice(protocol: str) -> str:
    known = _names_of(protocol)
    fitting = [name for name in names_in("venues") if _keys_of(venue_file(name)).keys() <= known]
    return f"{', '.join(fitting)}, or the path of a file"


def load_settings(file: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read file, environment and `overrides` (the command line's, nested as in the file).

    Without `file` it is GATEWAY_CONFIG's, else ./gateway.toml where that exists, else none. Raises ConfigError.
    """
    problems = list(unknown_variables())
    try:
        read = sources_with(_file(file))(**(overrides or {}))
    except ValidationError as error:
        raise ConfigError([*problems_in(error, Settings), *problems]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([Problem(str(_file(file)), f"is no TOML: {error}"), *problems]) from None
    if problems:
        raise ConfigError(problems)
    return Settings(**{name: getattr(read, name) for name in read.model_fields_set})


def _file(file: Path | None) -> Path | None:
    named = file or (Path(os.environ[f"{PREFIX}CONFIG"]) if os.environ.get(f"{PREFIX}CONFIG") else None)
    if named is None:
        return DEFAULT_FILE if DEFAULT_FILE.is_file() else None
    if not named.is_file():
        raise ConfigError([Problem(str(named), "there is no such configuration file")])
    return named
