"""The authority in the same process (core/authority.py): verdicts from the Verifier, the record into the store."""

from collections.abc import AsyncIterator, Sequence

from gateway.auth.engine import EngineAnswers
from gateway.auth.parts import Parts
from gateway.auth.quiet import Quiet
from gateway.auth.turns import Turns
from gateway.auth.verify import Limits, Verifier
from gateway.core.authority import Ended, Order, Owed, Report, Seen, Started
from gateway.core.login import Attempt, Note, Verdict
from gateway.policy.lockout import address_key
from gateway.store.audit import AuditEntry, Detail, Event
from gateway.store.errors import StoreError, StoreUnavailable
from gateway.store.ports import AuditStore

AGAIN = (0.2, 1.0, 3.0)
"""Seconds between the tries to record an end: a place that is not freed keeps its user out until the lease is over."""


class LocalAuthority:
    """`Authority` by direct calls. Only `verify` never raises; the others raise StoreError and the caller says "no"."""

    def __init__(  # noqa: PLR0913 - what may be set, by name
        self,
        parts: Parts,
        audit: AuditStore,
        *,
        help_url: str = "",
        limits: Limits | None = None,
        turns: Turns | None = None,
        report_every: float = 60.0,
    ) -> None:
        self._store = parts.store
        self._clock = parts.clock
        self._observer = parts.observer
        self._sleep = parts.sleep
        self._engine = EngineAnswers(parts)
        self._verifier = Verifier(parts, self._engine, help_url=help_url, limits=limits, turns=turns)
        self._audit = audit
        self._reports = Quiet(report_every)

    async def verify(self, attempt: Attempt) -> Verdict:
        """Judge a login once. Never raises."""
        return await self._verifier.verify(attempt)

    async def remember(self, note: Note) -> bool:
        """Store a dialect's note durably; False if the memory changed meanwhile or the store is away."""
        try:
            return await self._store.remember(note)
        except StoreError as error:
            self._observer.failed("remember", error)
            return False

    async def started(self, started: Started) -> None:
        """Record that the session is live; where the engine checked the password, a row of failures is over."""
        await self._store.started(started)
        await self._engine.accepted(started.session)

    async def seen(self, sightings: Sequence[Seen]) -> None:
        """Renew the leases."""
        await self._store.seen(sightings, self._clock().wall)

    async def ended(self, ended: Ended) -> None:
        """Record the end and free the place; tried again while the store is away. Raises StoreError at last."""
        for pause in (*AGAIN, None):
            try:
                await self._store.ended(ended)
                break
            except StoreUnavailable:
                if pause is None:
                    raise
                await self._sleep(pause)
        await self._engine.over(ended.session, ended.reason)

    async def report(self, report: Report) -> None:
        """Record a contact that never became a login: one row a minute per address and reason, with a count."""
        kind = (address_key(report.origin.address), report.reason)
        kept_back = self._reports.lets(kind, self._clock().mono)
        if kept_back is None:
            return
        details: dict[str, Detail] = {
            "listener": report.origin.listener,
            "port": report.origin.port,
            "count": kept_back + 1,
        }
        entry = AuditEntry(
            report.wall, Event.CONTACT_REFUSED, report.reason, address=report.origin.address, details=details
        )
        await self._audit.append(entry)

    def orders(self) -> AsyncIterator[Order | Owed]:
        """Yield the orders for this node's sessions, and the wills this process has to deliver."""
        return self._store.orders()

    async def ready(self) -> bool:
        """Say whether the store answers and can be written."""
        return await self._store.ready()
