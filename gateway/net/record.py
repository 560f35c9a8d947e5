"""What a connection leaves behind: the authority's record and the journal, in the words of `Reason`.

Nothing waits for it but the next login on the same connection; what could not be recorded is tried again or given up in
`gateway.net.errands`.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from gateway.core.authority import Ended, Report, Started
from gateway.core.events import End
from gateway.core.login import Admitted, Origin
from gateway.core.reason import Reason
from gateway.net.lane import Services


class Record:
    """Of one connection. Invariant: what is told of its sessions is told in order, one after another."""

    __slots__ = ("_began", "_declined", "_last", "_origin", "_services")

    def __init__(self, services: Services, origin: Origin) -> None:
        self._services = services
        self._origin = origin
        self._declined: frozenset[Reason] = frozenset()
        self._last: asyncio.Task[None] | None = None
        self._began: tuple[str, float] = ("", 0.0)

    async def settled(self) -> None:
        """Wait until everything told so far is recorded, or given up."""
        if self._last is not None:
            await asyncio.wait([self._last])

    def started(self, grant: Admitted, upstream: str, will: bytes, wall: float) -> None:
        """A login became a live session."""
        services, started = self._services, Started(grant.session, upstream, wall, will)
        self._began = grant.session, wall
        self._tell("started", lambda: services.authority.started(started))
        services.journal.session_started(self._origin, grant, upstream)

    def ended(self, end: End) -> None:
        """A grant is over, or the contact is; a judged login without a grant is on record already."""
        if end.grant is not None:
            self._session_ended(end, end.grant)
        elif not end.judged:
            self._contact(end.reason)
            self._services.journal.contact_refused(self._origin, end.reason)
        self._declined = frozenset()

    def declined(self, reason: Reason) -> None:
        """A message was swallowed: counted, and the first of its kind between two sessions logged and recorded."""
        first = reason not in self._declined
        self._services.journal.message_declined(self._origin, reason, first=first)
        if first:
            self._declined |= {reason}
            self._contact(reason)

    def _session_ended(self, end: End, grant: Admitted) -> None:
        services, wall = self._services, self._services.clock().wall
        ended = Ended(grant.session, end.reason, wall, end.value, end.owed)
        self._tell("ended", lambda: services.authority.ended(ended))
        session, since = self._began
        seconds = wall - since if session == grant.session else None
        services.journal.session_ended(self._origin, grant, end.reason, seconds, owed=end.owed)

    def _contact(self, reason: Reason) -> None:
        services, report = self._services, Report(self._origin, reason, self._services.clock().wall)
        services.errands.once("report", lambda: services.authority.report(report))

    def _tell(self, name: str, told: Callable[[], Coroutine[Any, Any, object]]) -> None:
        self._last = self._services.errands.tell(name, told, after=self._last)
