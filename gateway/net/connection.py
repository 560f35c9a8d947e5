"""The glue of one client connection: two legs, one session. It executes the session's actions and feeds it events.

It decides nothing: bytes the session can't take yet are held, an authority that fails or never answers is a
refusal (fail closed), and a connection that is over is flushed for a bounded time.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from gateway.core.authority import Ended, Report, Started
from gateway.core.dialect import Dialect, Side, Watch
from gateway.core.events import (
    Action,
    Close,
    Commit,
    Committed,
    Connected,
    Dial,
    DialFailed,
    Dialled,
    End,
    Event,
    Judged,
    Lost,
    Ordered,
    Pipe,
    Received,
    Send,
    Ticked,
    Verify,
)
from gateway.core.login import Admitted, Attempt, Moment, Note, Origin, Refused, Verdict
from gateway.core.reason import Reason, public_text
from gateway.core.route import Route
from gateway.core.session import Session
from gateway.core.states import Admitting, Checking, Closed, Opening, Passing, State
from gateway.net.crowd import Place
from gateway.net.lane import Lane
from gateway.net.leg import Leg
from gateway.net.pipe import pump
from gateway.net.tls import peer_certificate
from gateway.net.upstream import UnreachableError

_BOTH = frozenset(Side)
_CLIENT = frozenset({Side.CLIENT})
_NONE: frozenset[Side] = frozenset()
_HELD: dict[type[State], frozenset[Side]] = {Opening: _BOTH, Checking: _BOTH, Admitting: _CLIENT}
"""Whose bytes the session can't take in a state. They are held and given to it later: it would drop them."""


class Connection:
    """One client connection from the socket to the last record of it.

    Invariants: only `Session` decides; events are given to it one after another on the loop's thread; its place
    in the crowd is free once the client's socket is gone; after Close nothing is written and both legs are aborted
    at `_abort_at` at the latest.
    """

    __slots__ = (
        "_abort_at", "_business", "_client", "_dialect", "_dialling", "_grant", "_lane", "_place", "_recorded",
        "_services", "_since", "_upstream", "_via", "_watches", "origin", "session",
    )  # fmt: skip

    def __init__(self, lane: Lane, origin: Origin, place: Place) -> None:
        self.origin = origin
        self.session: Session
        self._lane = lane
        self._services = lane.services
        self._dialect: Dialect
        self._place = place
        self._client = Leg(Side.CLIENT, self)
        self._upstream: Leg | None = None
        self._dialling: asyncio.Task[None] | None = None
        self._recorded: asyncio.Task[None] | None = None
        self._grant: Admitted | None = None
        self._watches: tuple[Watch, ...] = ()
        self._via = ""
        self._since = self._business = 0.0
        self._abort_at = 0.0

    def client(self) -> Leg:
        """Return the protocol for the client's transport."""
        return self._client

    # ── what the legs say ──

    def made(self, leg: Leg) -> None:
        """Start the session when the client's transport is there; the upstream's is adopted when its dial is done."""
        if leg is not self._client or leg.transport is None:
            return
        lane, certificate = self._lane, peer_certificate(leg.transport.get_extra_info("ssl_object"))
        self.origin = replace(self.origin, certificate=certificate.fingerprint, certificate_subject=certificate.subject)
        self._dialect = lane.dialect()
        self.session = Session(self._dialect, lane.routes, self.origin, lane.limits, self._services.clock())
        self._services.table.add(self)
        self._drive(Connected())

    def received(self, leg: Leg, data: bytes) -> None:
        """Give bytes to the session, or hold them while it can't take them."""
        if leg is not self._client and leg is not self._upstream:
            leg.hold(data)  # not adopted yet
        elif leg.held or self._holds(leg):
            leg.hold(data)
        else:
            self._drive(Received(leg.side, data))

    def lost(self, leg: Leg) -> None:
        """Tell the session that a side is gone; forget the connection when both are."""
        if leg is self._client and leg.gone:
            self._place.leave()
        if leg is self._client or leg is self._upstream:
            self._drive(Lost(leg.side))
        if self._client.gone and (self._upstream is None or self._upstream.gone):
            self._services.table.discard(self)

    def congested(self, leg: Leg, *, full: bool) -> None:
        """Read the other side only as fast as this one takes it."""
        other = self._upstream if leg is self._client else self._client
        if other is not None:
            other.choke(choked=full)

    # ── what time, operations and shutdown say ──

    def tick(self, now: Moment) -> None:
        """Run the session's time-outs; drop a closed connection that would not flush."""
        if self._abort_at and now.mono >= self._abort_at:
            self.abort()
            return
        self._drive(Ticked(self._was_busy(now)))

    def order(self, reason: Reason) -> None:
        """End the session now."""
        self._drive(Ordered(reason))

    def _was_busy(self, now: Moment) -> bool:
        """Say whether a business message passed, either way, since the last tick (SF-10)."""
        busy = False
        for watch in self._watches:
            busy = busy or watch.business
            watch.business = False
        if busy:
            self._business = now.wall
        return busy

    def sighting(self) -> tuple[str, float] | None:
        """Return id and last business time (seconds since 1970) of a live session."""
        return (
            (self._grant.session, self._business) if self._grant and isinstance(self.session.state, Passing) else None
        )

    # ── events in, actions out ──

    def _drive(self, event: Event) -> None:
        for action in self.session.handle(event, self._services.clock()):
            try:
                self._execute(action)
            except Exception as error:  # noqa: BLE001 - the actions behind it, the record of the end, must still happen
                self._services.journal.failed("action", error)
                self.abort()
        self._replay(self._client)
        if self._upstream is not None:
            self._replay(self._upstream)

    def _holds(self, leg: Leg) -> bool:
        return leg.side in _HELD.get(type(self.session.state), _NONE)

    def _replay(self, leg: Leg) -> None:
        if leg.held and not self._holds(leg):
            leg.data_received(leg.release())

    def _execute(self, action: Action) -> None:
        match action:
            case Send(Side.CLIENT, data):
                self._client.write(data)
            case Send(Side.UPSTREAM, data):
                if self._upstream is not None:
                    self._upstream.write(data)
            case Verify(attempt):
                self._services.errands.run("verify", self._verify(attempt))
            case Dial(route):
                self._dialling = self._services.errands.run("dial", self._dial(route))
            case Commit(note):
                self._services.errands.run("remember", self._commit(note))
            case Pipe(grant):
                self._pipe(grant)
            case Close():
                self._close()
            case End():
                self._end(action)

    # ── the authority ──

    async def _verify(self, attempt: Attempt) -> None:
        """Ask for a verdict. One that comes too late is given to the session all the same: it frees the place again."""
        services = self._services
        asked = asyncio.ensure_future(services.authority.verify(attempt))
        done, _ = await asyncio.wait([asked], timeout=services.patience.verify)
        if not done:
            services.journal.verify_overdue(attempt.origin)
            self._judged(_unavailable())
        self._judged(await self._verdict(asked))

    async def _verdict(self, asked: "asyncio.Future[Verdict]") -> Verdict:
        try:
            return await asked
        except Exception as error:  # noqa: BLE001 - fail closed, whatever it was
            self._services.journal.failed("verify", error)
            return _unavailable()

    def _judged(self, verdict: Verdict) -> None:
        if isinstance(verdict, Admitted) and isinstance(self.session.state, Checking):
            self._grant = verdict
            self._services.live[verdict.session] = self
        self._drive(Judged(verdict))

    async def _commit(self, note: Note) -> None:
        stored = False
        try:
            async with asyncio.timeout(self._services.patience.commit):
                stored = await self._services.authority.remember(note)
        except Exception as error:  # noqa: BLE001 - not stored, whatever it was
            self._services.journal.failed("remember", error)
        self._drive(Committed(stored))

    # ── the upstream ──

    async def _dial(self, route: Route) -> None:
        made: list[Leg] = []

        def protocol() -> Leg:
            made.append(Leg(Side.UPSTREAM, self))
            return made[-1]

        try:
            self._via = await self._services.upstreams[route.name].dial(protocol)
            self._adopt(made[-1])
        except UnreachableError:
            self._drive(DialFailed())
        finally:
            self._dialling = None
            for leg in made:
                if leg is not self._upstream:
                    leg.abort()

    def _adopt(self, leg: Leg) -> None:
        if isinstance(self.session.state, Closed):
            return
        self._upstream = leg
        self._drive(Dialled())
        if leg.gone:
            self._drive(Lost(Side.UPSTREAM))

    # ── passing ──

    def _pipe(self, grant: Admitted) -> None:
        upstream, client = self._upstream, self._client
        if upstream is None or upstream.transport is None or client.transport is None:
            return
        now = self._services.clock()
        self._since = self._business = now.wall
        self._place.logged_in()
        up, down = self._dialect.watch(Side.CLIENT), self._dialect.watch(Side.UPSTREAM)
        self._watches = (up, down)
        client.use(pump(up, upstream.transport.write, client.slow))
        upstream.use(pump(down, client.transport.write, upstream.slow))
        started = Started(grant.session, self._via, now.wall)
        self._record("started", lambda: self._services.authority.started(started))
        self._services.journal.session_started(self.origin, grant, self._via)

    # ── the end ──

    def _close(self) -> None:
        now = self._services.clock()
        self._abort_at = now.mono + self._services.patience.linger
        if self._dialling is not None:
            self._dialling.cancel()
        self._client.finish()
        if self._upstream is not None:
            self._upstream.finish()

    def abort(self) -> None:
        """Drop both sides now, flushed or not."""
        self._client.abort()
        if self._upstream is not None:
            self._upstream.abort()

    def _end(self, end: End) -> None:
        services, wall = self._services, self._services.clock().wall
        self._watches = ()
        if end.grant is not None:
            ended = Ended(end.grant.session, end.reason, wall, end.value)
            services.live.pop(ended.session, None)
            self._record("ended", lambda: services.authority.ended(ended))
            seconds = wall - self._since if self._since else None
            services.journal.session_ended(self.origin, end.grant, end.reason, seconds)
        elif not end.judged:
            report = Report(self.origin, end.reason, wall)
            services.errands.report(lambda: services.authority.report(report))
            services.journal.contact_refused(self.origin, end.reason)

    def _record(self, name: str, told: Callable[[], Coroutine[Any, Any, object]]) -> None:
        self._recorded = self._services.errands.tell(name, told, after=self._recorded)


def _unavailable() -> Refused:
    return Refused(Reason.UNAVAILABLE, public_text(Reason.UNAVAILABLE))
