"""The store: reachable, of this program's schema, opened by this master key, and its audit chain whole.

Makes nothing: a database or a key that is not there yet is left to the first start.
"""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from gateway.cli.checkup.finding import Finding, failed, ok, warning
from gateway.cli.checkup.host import software
from gateway.cli.checkup.notices import unreachable
from gateway.compliance.survey import Server, server
from gateway.settings.model import StoreSettings
from gateway.store.audit import Verification
from gateway.store.errors import KeyRefused, SchemaMismatch, StoreError
from gateway.store.schema import users
from gateway.store.store import Store
from gateway.store.vault import MasterKey, load_master_key, parse_master_key

DRIFT = 1.0
"""Seconds between this clock and the database server's: codes are judged by the one, several hosts by both."""


def store(settings: StoreSettings, *, mail: bool = False) -> Iterator[Finding]:
    """Open the store as `serve` would, but without making or migrating anything, and walk its audit chain.

    `mail`: people are told by mail, so say who has no address.
    """
    if settings.embedded:
        database = Path(settings.database().removeprefix("sqlite:///"))
        if not database.exists():
            yield _not_there(settings, database)
            return
    try:
        with asyncio.Runner() as runner:
            seen, audit, nowhere = runner.run(_look(settings, _master_key(settings)))
    except KeyRefused as error:
        yield failed(
            "master key", str(error), "give the key this store was made with; without it no one-time code can be judged"
        )
    except SchemaMismatch as error:
        yield failed("store", str(error), "start this version's `gateway serve` once to migrate it, after a back-up")
    except StoreError as error:
        yield failed("store", str(error), "check that the database runs, store.url, and the rights of its user")
    else:
        yield from _opened(seen, audit)
        if mail:
            yield unreachable(nowhere)


def _not_there(settings: StoreSettings, database: Path) -> Finding:
    key = settings.key_file()
    if key is not None and key.exists():
        found = f"{database} is not there, but its key {key} is"
        return failed(
            "store", found, "restore the database, or check store.url: the first start would make an empty one"
        )
    return warning("store", f"{database} is not there yet", "the first start makes it, or check store.url")


def _master_key(settings: StoreSettings) -> MasterKey:
    if settings.master_key is not None:
        return parse_master_key(settings.master_key.reveal(), "store.master_key")
    file = settings.key_file()
    if file is None:
        raise KeyRefused("there is no master key: set store.master_key_file")
    return load_master_key(file)


async def _look(settings: StoreSettings, key: MasterKey) -> tuple[Server, Verification, list[str]]:
    opened = await Store.open(settings.database(), key, migrate=False, timeout=settings.statement_timeout)
    try:
        return await opened.survey(server), await opened.audit.verify(), await opened.survey(_without_address)
    finally:
        await opened.close()


def _without_address(connection: sa.Connection) -> list[str]:
    bare = sa.select(users.c.name).where(users.c.enabled.is_(True), users.c.email == "").order_by(users.c.name)
    return list(connection.execute(bare).scalars())


def _opened(seen: Server, audit: Verification) -> Iterator[Finding]:
    yield ok("store", "answers, has this version's schema, and the master key fits")
    if seen.version:
        yield from software({"postgresql": seen.version})
    if seen.encrypted is False:
        yield warning(
            "store", "the connection to PostgreSQL is not encrypted (SF-16)", "let the server demand TLS (hostssl)"
        )
    if seen.clock is not None:
        yield _drift(time.time() - seen.clock)
    if audit.intact:
        yield ok("audit", f"{audit.count} rows, unbroken up to the signed head")
    else:
        mend = "keep a copy, find out who had access, and restore a back-up"
        yield failed("audit", f"broken at row {audit.row}: {audit.fault}", mend)


def _drift(seconds: float) -> Finding:
    if abs(seconds) <= DRIFT:
        return ok("clock", "agrees with the database server's")
    found = f"{abs(seconds):.1f} s {'ahead of' if seconds > 0 else 'behind'} the database server's"
    return warning("clock", found, "synchronise both: one-time codes are judged by this clock")
