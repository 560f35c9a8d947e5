"""Notifications as configured: settings into the plain values of `gateway.notify`, and its parts put together.

Nothing is decided here. A process without a channel does nothing of it.
"""

import contextlib
import ssl
from collections.abc import AsyncIterator, Iterable, Iterator

from gateway.auth.reminders import Reminder, reminders
from gateway.credentials import house_of, policies_of
from gateway.net.spec import StartError
from gateway.notify.carrier import Carrier
from gateway.notify.channel import Channel
from gateway.notify.follower import Follower
from gateway.notify.post import Queue
from gateway.notify.service import Count, at_work, channels
from gateway.notify.spec import HOOK, BrokerSpec, HookSpec, MailSpec, NotifySpec
from gateway.observe.journal import Journal
from gateway.settings.load import Configuration
from gateway.settings.model import Settings
from gateway.settings.notify import BrokerSettings, MailSettings, WebhookSettings
from gateway.settings.types import split_address
from gateway.store.ports import Account
from gateway.store.store import Store

PAGE = 1000


def spec_of(settings: Settings) -> NotifySpec:
    """Return every channel there is. Raises ValueError where a secret's file can't be read."""
    notify = settings.notify
    return NotifySpec(
        mail=_mail(notify.mail) if notify.mail else None,
        hooks=tuple(map(_hook, notify.webhook)),
        broker=_broker(notify.broker) if notify.broker else None,
        operations=notify.operations,
        portal=settings.portal.url,
    )


def _mail(mail: MailSettings) -> MailSpec:
    host, port = split_address(mail.server)
    return MailSpec(host, port, mail.tls, mail.sender, mail.user or "", mail.secret(), mail.ca, mail.timeout)


def _hook(hook: WebhookSettings) -> HookSpec:
    return HookSpec(hook.name, hook.url, hook.key(), hook.events, hook.sms, hook.ca, hook.timeout)


def _broker(broker: BrokerSettings) -> BrokerSpec:
    return BrokerSpec(broker.address(), broker.exchange, broker.ca, broker.timeout)


def channels_of(spec: NotifySpec) -> dict[str, Channel]:
    """Return every channel by its name. Raises StartError."""
    try:
        return channels(spec)
    except (OSError, ssl.SSLError) as error:
        raise StartError(f"notify: a ca file can't be used: {error.strerror or type(error).__name__}") from None


def post_of(settings: Settings, store: Store) -> Queue:
    """Return who delivers links and codes; without mail links are copied by hand."""
    notify = settings.notify
    sms = next((f"{HOOK}{hook.name}" for hook in notify.webhook if hook.sms), "")
    return Queue(store.outbox, mail=notify.mail is not None, sms=sms)


@contextlib.asynccontextmanager
async def notifying(configuration: Configuration, store: Store, journal: Journal) -> AsyncIterator[None]:
    """Tell of what happens while the block runs, from its beginning on. Raises StartError, StoreError."""
    spec = spec_of(configuration.settings)
    if not spec.channels:
        yield
        return
    policies, house = policies_of(configuration), house_of(configuration.settings)

    def remind(accounts: Iterable[Account], now: float) -> Iterator[Reminder]:
        return reminders(accounts, policies, house, now)

    follower = Follower(store.readers, spec, lambda: _everybody(store), remind, journal)
    carriers = [Carrier(name, channel, store.outbox, journal) for name, channel in channels_of(spec).items()]
    await follower.begin()
    async with at_work([follower, *carriers, Count(store.outbox, journal)]):
        yield


async def _everybody(store: Store) -> AsyncIterator[Account]:
    last = ""
    while page := await store.users.list(last, PAGE):
        for account in page:
            yield account
        last = page[-1].user.name
