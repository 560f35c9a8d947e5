"""What notifications need to know, as plain values. Settings are turned into these in `gateway.wiring`, nowhere else."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from gateway.core.secret import Secret
from gateway.notify.kinds import Kind

MAIL, BROKER, HOOK = "mail", "broker", "hook:"
"""Names of channels in the outbox; a webhook's own name stands behind HOOK."""


@dataclass(frozen=True, slots=True)
class MailSpec:
    """The mail server. `timeout` seconds for each step; `ca`: who may have signed its certificate, None: the system's."""

    host: str
    port: int
    tls: Literal["starttls", "tls", "plain"]
    sender: str
    user: str = ""
    password: Secret | None = None
    ca: Path | None = None
    timeout: float = 10.0


@dataclass(frozen=True, slots=True)
class HookSpec:
    """A receiver of signed JSON. `events` are patterns of kinds; `sms`: it passes text messages on, and gets nothing else."""

    name: str
    url: str
    secret: Secret
    events: tuple[str, ...] = ("*",)
    sms: bool = False
    ca: Path | None = None
    timeout: float = 10.0

    @property
    def channel(self) -> str:
        """Return its name in the outbox."""
        return f"{HOOK}{self.name}"

    def wants(self, kind: Kind) -> bool:
        """Say whether it gets notices of this kind."""
        return not self.sms and any(fnmatchcase(kind.value, pattern) for pattern in self.events)


@dataclass(frozen=True, slots=True)
class BrokerSpec:
    """A topic exchange that gets every event; the routing key is the kind."""

    url: Secret
    exchange: str
    ca: Path | None = None
    timeout: float = 10.0


@dataclass(frozen=True, slots=True)
class NotifySpec:
    """Every channel there is. `operations`: addresses told of what they have to look at; `portal`: its URL, or ""."""

    mail: MailSpec | None = None
    hooks: tuple[HookSpec, ...] = ()
    broker: BrokerSpec | None = None
    operations: tuple[str, ...] = ()
    portal: str = ""

    @property
    def channels(self) -> tuple[str, ...]:
        """Return the channels' names in the outbox."""
        mail, broker = ((MAIL,) if self.mail else ()), ((BROKER,) if self.broker else ())
        return (*mail, *(hook.channel for hook in self.hooks), *broker)

    def machines(self, kind: Kind) -> tuple[str, ...]:
        """Return the channels that get notices of this kind as data."""
        broker = (BROKER,) if self.broker else ()
        return (*(hook.channel for hook in self.hooks if hook.wants(kind)), *broker)
