"""Puts the portal together from settings, store and parts. Decides nothing; what listens is `gateway.portal.server`."""

import contextlib
import ssl
from collections.abc import AsyncIterator, Callable

from gateway.auth.office import Office
from gateway.auth.parts import Parts
from gateway.auth.passwords import Passwords
from gateway.auth.users import People
from gateway.credentials import house_of
from gateway.net.spec import StartError, TlsSpec
from gateway.net.tls import server_context
from gateway.notifications import post_of
from gateway.observe.journal import Journal
from gateway.portal.app import application
from gateway.portal.server import Port, running
from gateway.portal.shield import App
from gateway.portal.spec import Portal, Site
from gateway.settings.load import Configuration
from gateway.settings.portal import PortalSettings, PortalTls
from gateway.settings.types import split_address
from gateway.store.store import Store
from gateway.wiring import blocked_words

Reload = Callable[[], None]


@contextlib.asynccontextmanager
async def portal(
    configuration: Configuration, store: Store, parts: Parts, journal: Journal, *, shared: bool
) -> AsyncIterator[Reload]:
    """Serve the portal as long as the context lasts; yields what reads its certificate again. Raises StartError.

    `shared` with the other processes of this gateway.
    """
    settings = configuration.settings
    context = _context(settings.portal)
    passwords = Passwords(**settings.argon2.model_dump())
    blocked = blocked_words(settings.people.blocked_passwords)
    people, post = People(store, parts.policy_of, passwords, blocked), post_of(settings, store)
    app = application(
        Portal(
            Office.over(store, parts, people, house_of(settings), post, post),
            Site(settings.portal.url, settings.portal.name),
            store.vault.credential_digest,
            parts.clock,
            parts.policy_of,
            journal,
            own_passwords=settings.passwords.backend == "local",
            puzzles=settings.portal.proof_of_work,
        )
    )
    try:
        async with _listening(app, _port(settings.portal, context, shared=shared), settings.portal) as (host, port):
            journal.say("portal_listening", address=host, port=port)
            yield lambda: _reload(settings.portal, context)
    finally:
        passwords.close()


@contextlib.asynccontextmanager
async def _listening(app: App, port: Port, settings: PortalSettings) -> AsyncIterator[tuple[str, int]]:
    async with contextlib.AsyncExitStack() as stack:
        try:
            where = await stack.enter_async_context(running(app, port))
        except OSError as error:
            raise StartError(
                f"portal: can't listen on {settings.address}: {error.strerror or error}; free the port or change portal.address"
            ) from None
        yield where


def _port(settings: PortalSettings, context: ssl.SSLContext | None, *, shared: bool) -> Port:
    host, number = split_address(settings.address)
    return Port(host, number, context, tuple(str(one) for one in settings.forwarded_from), shared)


def _context(settings: PortalSettings) -> ssl.SSLContext | None:
    return server_context(_spec(settings.tls)) if settings.tls else None


def _reload(settings: PortalSettings, context: ssl.SSLContext | None) -> None:
    """Take a renewed certificate for connections to come; a bad one leaves the old one. Raises StartError."""
    if settings.tls and context:
        server_context(_spec(settings.tls))
        context.load_cert_chain(settings.tls.certificate, settings.tls.private_key)


def _spec(tls: PortalTls) -> TlsSpec:
    return TlsSpec(tls.certificate, tls.private_key, minimum=tls.minimum)
