"""Who is told what happened, and by which way: mail, webhooks, a broker."""

import re
from email.utils import formataddr, parseaddr
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from gateway.core.secret import Secret
from gateway.settings.types import (
    Address,
    File,
    Form,
    Name,
    Seconds,
    SecretText,
    Section,
    given_secret,
)

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


def _host_of(rest: str) -> str:
    authority = rest.split("/", 1)[0].rpartition("@")[2]
    return authority if authority.endswith("]") else authority.rpartition(":")[0] or authority


def encrypted(url: str, scheme: str) -> str:
    """Return a URL of `scheme` with TLS (its name with an s), or without it to this very machine. Raises ValueError."""
    for prefix, safe in ((f"{scheme}s://", True), (f"{scheme}://", False)):
        rest = url.removeprefix(prefix)
        if rest != url and rest and (safe or _host_of(rest) in _LOOPBACK):
            return url
    raise ValueError(f'must begin with "{scheme}s://" ("{scheme}://" is for this machine alone: SF-16)')


def _hook_url(url: str) -> str:
    return encrypted(url, "http")


_BARE = re.compile(r"[^\s<>()\[\],;:\\\"@]+@[A-Za-z0-9.-]+")


def _address(text: str) -> str:
    if not text.isascii() or not _BARE.fullmatch(text):
        raise ValueError('a mail address is "name@host"')
    return text


def _mailbox(text: str) -> str:
    words, address = parseaddr(text)
    if not words.isprintable() or formataddr((words, _address(address))) not in (text, f"{words} <{address}>"):
        raise ValueError('a sender is "name@host", or "Words <name@host>"')
    return text


HookUrl = Annotated[str, AfterValidator(_hook_url), Form("https://…"), Field(max_length=2000)]
MailAddress = Annotated[str, AfterValidator(_address), Form("name@host"), Field(max_length=254)]
Mailbox = Annotated[str, AfterValidator(_mailbox), Form("name@host | Words <name@host>"), Field(max_length=254)]
Wait = Annotated[Seconds, Field(le=30)]


class MailSettings(Section):
    """The mail server. Users without an address of their own are told nothing; `gateway doctor` lists them."""

    server: Address
    """Where it is: 587 or 25 with STARTTLS, 465 with TLS."""
    tls: Literal["starttls", "tls", "plain"] = "starttls"
    """starttls: a server that does not offer it gets no mail; tls: from the first byte; plain: none, for a server on this machine."""
    sender: Mailbox
    """What mails come from."""
    user: Annotated[str, Field(min_length=1)] | None = None
    """Name to log in with, where the server wants that; never without TLS."""
    password: SecretText | None = None
    """Its password; meant for the environment."""
    password_file: File | None = None
    """File that holds the password instead."""
    ca: File | None = None
    """PEM file with the authorities that may have signed the server's certificate; default: the system's."""
    timeout: Wait = 10.0
    """For each step: connecting, TLS, one mail."""

    @model_validator(mode="after")
    def _login(self) -> Self:
        if self.user and self.tls == "plain":
            raise ValueError('user and tls = "plain" don\'t go together: the password would travel in clear')
        if not self.user and (self.password or self.password_file):
            raise ValueError("a password needs a user")
        self.secret()
        return self

    def secret(self) -> Secret | None:
        """Return the password, None where there is no login. Raises ValueError where its file can't be read."""
        return given_secret(self.password, self.password_file, "password") if self.user else None


class WebhookSettings(Section):
    """A receiver of events as signed JSON. There may be several."""

    name: Name
    """Its name in logs, metrics and the outbox."""
    url: HookUrl
    """Where events are posted to. Redirects are not followed."""
    secret: SecretText | None = None
    """What the signature is made with, 32 characters or more; meant for the environment (in GATEWAY_NOTIFY__WEBHOOK)."""
    secret_file: File | None = None
    """File that holds the secret instead."""
    events: tuple[Annotated[str, Field(pattern=r"^[a-z.*_?]{1,64}$")], ...] = Field(default=("*",), min_length=1)
    """Shell-style patterns of the events it gets: docs/notifications.md lists them."""
    sms: bool = False
    """It passes text messages on (codes: HK-2, SF-1) and gets nothing else; one receiver at most."""
    ca: File | None = None
    """PEM file with the authorities that may have signed its certificate; default: the system's."""
    timeout: Wait = 10.0
    """For one event."""

    @model_validator(mode="after")
    def _long_secret(self) -> Self:
        if len(self.key().reveal()) < 32:  # noqa: PLR2004 - as long as the hash's output
            raise ValueError("the secret has 32 characters at least: head -c 32 /dev/urandom | base64")
        return self

    def key(self) -> Secret:
        """Return the secret. Raises ValueError where its file can't be read."""
        return given_secret(self.secret, self.secret_file, "secret")


class BrokerSettings(Section):
    """A RabbitMQ that gets every event; the routing key is the event's name. It is not one of the routes' brokers by itself."""

    url: SecretText | None = None
    """amqps://user:password@host:5671/vhost; meant for the environment (GATEWAY_NOTIFY__BROKER__URL)."""
    url_file: File | None = None
    """File that holds the url instead."""
    exchange: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,127}$")] = "gateway.events"
    """A durable topic exchange; declared where it is not there. An event that no queue takes is tried again."""
    ca: File | None = None
    """PEM file with the authorities that may have signed its certificate; default: the system's."""
    timeout: Wait = 10.0
    """For one event, connecting included."""

    @model_validator(mode="after")
    def _encrypted(self) -> Self:
        encrypted(self.address().reveal().decode(), "amqp")
        return self

    def address(self) -> Secret:
        """Return the url with its password. Raises ValueError where its file can't be read."""
        return given_secret(self.url, self.url_file, "url")


class NotifySettings(Section):
    """Who is told of logins, locks and changes. Without a channel nobody is told, and links are copied by hand."""

    operations: tuple[MailAddress, ...] = ()
    """Addresses told of alerts, replayed codes (BY-8) and locks of administrators."""
    mail: MailSettings | None = None
    """Mail to users."""
    webhook: tuple[WebhookSettings, ...] = ()
    """Receivers of events."""
    broker: BrokerSettings | None = None
    """Events over RabbitMQ."""

    @field_validator("webhook")
    @classmethod
    def _names(cls, hooks: tuple[WebhookSettings, ...]) -> tuple[WebhookSettings, ...]:
        if len({hook.name for hook in hooks}) < len(hooks):
            raise ValueError("two webhooks have the same name")
        if sum(hook.sms for hook in hooks) > 1:
            raise ValueError("only one webhook passes text messages on")
        return hooks

    @model_validator(mode="after")
    def _mail_for_operations(self) -> Self:
        if self.operations and self.mail is None:
            raise ValueError("operations are told by mail: [notify.mail] is missing")
        return self
