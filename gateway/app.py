"""The composition root: turns a configuration into a running gateway, and a signal into its end.

Everything is put together here and nowhere else; nothing is decided here. `--workers N` is `gateway.supervisor`.
"""

import asyncio
import contextlib
import gc
import os
import secrets
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import uvloop

from gateway.auth.authority import LocalAuthority
from gateway.auth.parts import Parts, Where, nowhere
from gateway.credentials import envelopes, password_check, policies_of
from gateway.net.listener import rehearse
from gateway.net.server import Server, clock
from gateway.net.spec import Courier, NoCourier, Patience, StartError
from gateway.net.upstream import Upstream
from gateway.notifications import channels_of, notifying, spec_of
from gateway.observe.admin import Admin
from gateway.observe.journal import Journal
from gateway.observe.log import configure
from gateway.observe.manager import Manager
from gateway.policy.rules import Action, Policy
from gateway.settings.load import Configuration
from gateway.settings.model import Settings, StoreSettings
from gateway.settings.types import split_address
from gateway.store.store import Store
from gateway.store.vault import MasterKey, create_master_key, load_master_key, parse_master_key
from gateway.supervisor import Place, supervise, worker_place
from gateway.wiring import couriers, listeners, upstreams

PRUNE_EVERY = 3600.0
Reload = Callable[[], None]


def serve(configuration: Configuration) -> int:
    """Serve until SIGTERM or SIGINT and return the exit code. SIGHUP reads the certificates again.

    Raises StartError and the store's errors, each one line for the operator.
    """
    place = worker_place()
    if configuration.settings.workers > 1 and place is None:
        return uvloop.run(_parent(configuration))
    return uvloop.run(_process(configuration, place))


# ── processes ──


async def _parent(configuration: Configuration) -> int:
    settings = configuration.settings
    configure(settings.log.format, settings.log.level)
    journal = Journal()
    await (await open_store(configuration, journal)).close()  # migrate, and make the key, once and not N times
    _rehearse(configuration, journal)
    manager = Manager.asked()
    return await supervise(
        settings.workers,
        settings.shutdown.grace,
        lambda ready: _admin(settings, journal, ready),
        manager.informed,
        journal,
    )


def _rehearse(configuration: Configuration, journal: Journal) -> None:
    """Find what no worker could do, so that it is said once. Alone on the ports: no other gateway shares them. Raises StartError."""
    for listener in listeners(configuration, shared=False):
        rehearse(listener)
    for upstream in upstreams(configuration.settings):
        Upstream(upstream, journal)
    _courier(configuration.settings, journal)
    channels_of(spec_of(configuration.settings))
    password_check(configuration.settings).close()
    envelopes(configuration.settings).close()
    _where(configuration.policies.house, journal)


async def _process(configuration: Configuration, place: Place | None) -> int:
    settings = configuration.settings
    configure(settings.log.format, settings.log.level, worker=place.index if place else 0)
    journal = Journal()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: journal.failed("loop", _error_in(context)))
    store = await open_store(configuration, journal)
    try:
        async with _parts(configuration, store, journal) as parts:
            authority = LocalAuthority(parts, store.audit, help_url=settings.portal.url)
            courier, reload_courier = _courier(settings, journal)
            server = Server(
                listeners(configuration, shared=place is not None),
                upstreams(settings),
                authority,
                journal,
                patience=Patience(),
                courier=courier,
            )

            async def ready() -> bool:
                return server.bound and await authority.ready()

            async with (
                notifying(configuration, store, journal),
                _web(configuration, store, parts, journal, shared=place is not None) as reload_web,
            ):
                await _run(server, (server.reload, reload_courier, reload_web), settings, journal, ready, place)
    finally:
        await store.close()
    return 0


def _courier(settings: Settings, journal: Journal) -> tuple[Courier, Reload]:
    """Return who speaks to the brokers for the gateway itself, and what reads its certificates again."""
    specs = couriers(settings)
    if not specs:
        return NoCourier(), lambda: None
    from gateway.courier.couriers import Couriers  # noqa: PLC0415 - who speaks FIX alone need not load aio-pika

    found = Couriers(specs, journal)
    return found, found.reload


def serve_portal(configuration: Configuration) -> int:
    """Serve the portal alone until SIGTERM or SIGINT (SF-12), and return the exit code. Raises as `serve` does."""
    return uvloop.run(_portal_process(configuration))


async def _portal_process(configuration: Configuration) -> int:
    from gateway.web import portal  # noqa: PLC0415 - see _web

    settings, stop = configuration.settings, asyncio.Event()
    configure(settings.log.format, settings.log.level)
    journal = Journal()
    store = await open_store(configuration, journal)
    try:
        async with (
            _parts(configuration, store, journal) as parts,
            portal(configuration, store, parts, journal, shared=False) as reload_web,
        ):
            _on_signals(stop.set, (reload_web,), journal)
            journal.say("serving", pid=os.getpid(), profile=settings.profile)
            await stop.wait()
            journal.say("stopped")
    finally:
        await store.close()
    return 0


@contextlib.asynccontextmanager
async def _web(
    configuration: Configuration, store: Store, parts: Parts, journal: Journal, *, shared: bool
) -> AsyncIterator[Reload]:
    """Serve the portal where this process is to do it."""
    settings = configuration.settings.portal
    if settings.address == "off" or settings.process == "own":
        yield lambda: None
        return
    from gateway.web import portal  # noqa: PLC0415 - who has no portal need not load its libraries

    async with portal(configuration, store, parts, journal, shared=shared) as reload_web:
        yield reload_web


async def _run(  # noqa: PLR0913, PLR0917 - the parts of a process, put together once
    server: Server, reloads: Sequence[Reload], settings: Settings, journal: Journal, ready: Any, place: Place | None
) -> None:
    stop, manager = asyncio.Event(), Manager.asked()
    server.start()
    async with contextlib.AsyncExitStack() as stack:
        if place is None:
            await stack.enter_async_context(_admin(settings, journal, ready))
        else:
            await stack.enter_async_context(place.reporting(ready, stop.set))

        def stopped() -> None:
            if stop.is_set():
                server.hurry()
            stop.set()

        _on_signals(stopped, reloads, journal)
        gc.collect()
        gc.freeze()  # what is here now stays: no collection need look at it again
        journal.say("serving", pid=os.getpid(), profile=settings.profile)
        async with manager.informed(ready):
            await stop.wait()
        journal.say("stopping", count=len(server.services.live))
        await server.stop(settings.shutdown.grace)
        journal.say("stopped")


def _on_signals(stopped: Callable[[], None], reloads: Sequence[Reload], journal: Journal) -> None:
    loop = asyncio.get_running_loop()

    def reload() -> None:
        try:
            for each in reloads:
                each()
        except StartError as error:
            journal.warn("reload_failed", detail=str(error))
        else:
            journal.say("reloaded")

    loop.add_signal_handler(signal.SIGTERM, stopped)
    loop.add_signal_handler(signal.SIGINT, stopped)
    loop.add_signal_handler(signal.SIGHUP, reload)


@contextlib.asynccontextmanager
async def _admin(settings: Settings, journal: Journal, ready: Any) -> AsyncIterator[None]:
    if settings.admin.address == "off":
        yield
        return
    admin = Admin(journal.metrics, ready)
    host, port = split_address(settings.admin.address)
    try:
        where = await admin.start(host, port)
    except OSError as error:
        raise StartError(
            f"admin: can't listen on {host}:{port}: {error.strerror or error}; free the port or change admin.address"
        ) from None
    journal.say("admin_listening", address=where[0], port=where[1])
    try:
        yield
    finally:
        await admin.stop()


def _error_in(context: dict[str, Any]) -> BaseException:
    error = context.get("exception")
    return error if isinstance(error, BaseException) else RuntimeError(context.get("message"))


# ── the store and the authority ──


async def open_store(configuration: Configuration, journal: Journal | None = None) -> Store:
    """Open the configured store. Raises the store's errors (StoreUnavailable, SchemaMismatch, KeyRefused)."""
    settings = configuration.settings.store
    file = Path(settings.database().removeprefix("sqlite:///")) if settings.embedded else None
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = _master_key(settings, file, journal)
    return await Store.open(settings.database(), key, timeout=settings.statement_timeout)


def _master_key(settings: StoreSettings, database: Path | None, journal: Journal | None) -> MasterKey:
    if settings.master_key is not None:
        return parse_master_key(settings.master_key.reveal(), "store.master_key")
    file = settings.key_file()
    if file is None:
        raise StartError("store: there is no master key; set store.master_key_file")
    if (
        database is None or file.exists() or database.exists()
    ):  # a database whose key is lost needs the key, not a new one
        return load_master_key(file)
    key = create_master_key(file)
    if journal is not None:
        journal.warn("master_key_created", detail=f"{file} (mode 0600): keep a copy apart from the database")
    return key


@contextlib.asynccontextmanager
async def _parts(configuration: Configuration, store: Store, journal: Journal) -> AsyncIterator[Parts]:
    settings = configuration.settings
    policies = policies_of(configuration)
    passwords, keys = password_check(settings), envelopes(settings)
    parts = Parts(
        store=store.logins(node=_node(), policy_of=policies),
        passwords=passwords,
        policy_of=policies,
        digest=store.vault.credential_digest,
        clock=clock,
        observer=journal,
        envelopes=keys,
        where=_where(policies.house, journal),
    )
    pruning = asyncio.create_task(_prune(store, journal))
    try:
        yield parts
    finally:
        pruning.cancel()
        passwords.close()
        keys.close()


def _where(policy: Policy, journal: Journal) -> Where:
    """Return what knows countries, where a rule asks. Raises TableUnusable."""
    if policy.detection.travel.action is Action.OFF:
        return nowhere
    from gateway.auth.places import Places  # noqa: PLC0415 - 50 MB that nobody else needs

    return Places(journal.failed)


def _node() -> str:
    """Return a name that no other running process has."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


async def _prune(store: Store, journal: Journal) -> None:
    while True:
        await asyncio.sleep(PRUNE_EVERY)
        try:
            await store.prune(time.time())
        except Exception as error:  # noqa: BLE001 - tried again in an hour
            journal.failed("prune", error)
