"""The whole configuration as one model. `config/gateway.toml` and `docs/options.md` are generated from it.

A plain value: it reads no file and no environment (that is `gateway.settings.load`) except the `*_file` options.
"""

from collections import Counter
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from gateway.core.secret import Secret
from gateway.settings.connections import Listener, RouteSettings
from gateway.settings.credentials import PasswordKey, PasswordSettings
from gateway.settings.detection import DetectionOverrides
from gateway.settings.notify import NotifySettings
from gateway.settings.people import OrganisationSettings, PeopleSettings
from gateway.settings.policy import PolicyOverrides
from gateway.settings.portal import PortalSettings
from gateway.settings.types import (
    AddressOrOff,
    File,
    Name,
    Seconds,
    SecondsOrNone,
    SecretText,
    Section,
    Unit,
    read_secret_file,
)


class StoreSettings(Section):
    """Where users, keys, attempts, sessions, holes and audit rows are kept."""

    url: SecretText = Secret("sqlite:///var/gateway.db")
    """sqlite:///relative/path, sqlite:////absolute/path or postgresql://user:password@host:5432/database."""
    url_file: File | None = None
    """File that holds the url instead, so that its password stands in no configuration."""
    master_key: SecretText | None = None
    """Base64 of 32 bytes that seal the TOTP keys; meant for the environment (GATEWAY_STORE__MASTER_KEY)."""
    master_key_file: Path | None = None
    """File with the master key; with SQLite it is made with mode 0600 where it is missing. Default there: the database's name + ".key"."""
    statement_timeout: Seconds = 5.0
    """Longest wait for the database; past it the login is refused (fail closed)."""

    @field_validator("url")
    @classmethod
    def _database_url(cls, url: Secret) -> Secret:
        if not url.reveal().startswith((b"sqlite:///", b"postgresql://")):
            raise ValueError("must begin with sqlite:/// or postgresql://")
        return url

    @model_validator(mode="after")
    def _one_url(self) -> Self:
        self._database_url(Secret(self.database()))
        if self.url_file and "url" in self.model_fields_set:
            raise ValueError("url and url_file are both set; keep one")
        if self.master_key and self.master_key_file:
            raise ValueError("master_key and master_key_file are both set; keep one")
        if not self.embedded and not (self.master_key or self.master_key_file):
            raise ValueError("postgresql:// needs master_key or master_key_file: several hosts share one key")
        return self

    @property
    def embedded(self) -> bool:
        """Say whether the store is SQLite."""
        return self.database().startswith("sqlite")

    def database(self) -> str:
        """Return the url with its password: for the engine, never for a log."""
        if self.url_file is None:
            return self.url.reveal().decode()
        return read_secret_file(self.url_file).reveal().decode()

    def key_file(self) -> Path | None:
        """Return the master key's file; None where the key came by master_key."""
        if self.master_key is not None:
            return None
        return self.master_key_file or Path(self.database().removeprefix("sqlite:///") + ".key")


class LogSettings(Section):
    """The log goes to standard output, one line per event; secrets are never in it (TW-10)."""

    format: Literal["json", "console"] = "json"
    """json for machines, console for people."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe line written."""


class AdminSettings(Section):
    """Health and metrics over HTTP; no secret and no personal data, but keep it inside."""

    address: AddressOrOff = "127.0.0.1:9464"
    """Where /metrics, /healthz and /readyz answer; "off": nowhere."""


class ShutdownSettings(Section):
    """What SIGTERM does."""

    grace: SecondsOrNone = 30.0
    """Live sessions may end by themselves for this long; then they are logged out with a reason."""


class Argon2Settings(Section):
    """Password hashing (TW-11); the defaults are the least that OWASP advises, as a login waits for it."""

    time_cost: Annotated[int, Field(ge=1, le=20), Unit("passes")] = 2
    """Passes over the memory."""
    memory_cost: Annotated[int, Field(ge=8192, le=4194304), Unit("KiB")] = 19456
    """Memory of one hash."""
    parallelism: Annotated[int, Field(ge=1, le=16), Unit("lanes")] = 1
    """Lanes of one hash."""
    workers: Annotated[int, Field(ge=0, le=64), Unit("threads")] = 0
    """Hashes computed at one time; 0: one on each core that the process may use. More take turns and cost each other the cache."""


class Settings(Section):
    """The gateway's configuration."""

    profile: Name = "default"
    """Policy preset: a name in config/profiles. Nothing below may be weaker than its floors."""
    workers: Annotated[int, Field(ge=1, le=256), Unit("processes")] = 1
    """Proxy processes sharing each listener's port (SO_REUSEPORT)."""
    store: StoreSettings = StoreSettings()
    """Where everything is kept."""
    listener: tuple[Listener, ...] = ()
    """Ports that clients connect to."""
    route: tuple[RouteSettings, ...] = ()
    """Ways to the engines."""
    passwords: PasswordSettings = PasswordSettings()
    """Who checks passwords."""
    password_key: tuple[PasswordKey, ...] = ()
    """Keys that clients encrypt passwords for."""
    policy: PolicyOverrides = PolicyOverrides()
    """Overrides of the profile."""
    detection: DetectionOverrides = DetectionOverrides()
    """What no single account shows, noticed at login (SF-18, SF-19, SF-20, BY-8)."""
    log: LogSettings = LogSettings()
    """The log."""
    admin: AdminSettings = AdminSettings()
    """Health and metrics."""
    shutdown: ShutdownSettings = ShutdownSettings()
    """What SIGTERM does."""
    portal: PortalSettings = PortalSettings()
    """The web pages of people and their administrators."""
    notify: NotifySettings = NotifySettings()
    """Who is told what happened."""
    people: PeopleSettings = PeopleSettings()
    """Enrolment, self-service and delegated administration."""
    organisation: tuple[OrganisationSettings, ...] = ()
    """Firms that have terms of their own."""
    argon2: Argon2Settings = Argon2Settings()
    """Password hashing."""

    @model_validator(mode="after")
    def _names(self) -> Self:
        problems = [f"two {kind}s are named {name}" for kind, name in self._twice()]
        known = {route.name for route in self.route}
        for listener in self.listener:
            unknown = sorted(set(listener.routes) - known)
            problems += [f"listener {listener.name} names the route {name}, which does not exist" for name in unknown]
            problems += [] if unknown else self._misrouted(listener)
            if listener.password_key and listener.password_key not in {key.name for key in self.password_key}:
                problems.append(
                    f"listener {listener.name} names the password key {listener.password_key}, which does not exist"
                )
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _misrouted(self, listener: Listener) -> list[str]:
        """Say which routes lead to a broker from a FIX port, or to none from an AMQP port."""
        if listener.protocol == "fix":
            brokers = [route.name for route in self.routes_of(listener) if route.service]
            return [f"listener {listener.name} speaks FIX, and route {name} has a service account" for name in brokers]
        routes = self.routes_of(listener)
        if len(routes) != 1:
            return [f"listener {listener.name} speaks AMQP, so it has exactly one route: name it in routes"]
        lonely = [route.name for route in routes if route.service is None]
        return [f"listener {listener.name} speaks AMQP, so route {name} needs a service account" for name in lonely]

    def _twice(self) -> list[tuple[str, str]]:
        named = [("listener", one.name) for one in self.listener] + [("route", one.name) for one in self.route]
        named += [("password key", one.name) for one in self.password_key]
        named += [("organisation", one.name) for one in self.organisation]
        return [both for both, times in Counter(named).items() if times > 1]

    def routes_of(self, listener: Listener) -> tuple[RouteSettings, ...]:
        """Return the listener's routes in the order in which they are tried."""
        if not listener.routes:
            return self.route
        by_name = {route.name: route for route in self.route}
        return tuple(by_name[name] for name in listener.routes)
