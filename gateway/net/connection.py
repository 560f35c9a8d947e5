"""The glue of one client connection: two legs, one session. It executes the session's actions and feeds it events.

It decides nothing: bytes the session can't take yet are held, an authority that fails or never answers is a
refusal (fail closed), and a connection that is over is flushed for a bounded time.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

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
    Post,
    Received,
    Report,
    Send,
    Ticked,
    Unpipe,
    Verify,
)
from gateway.core.login import Admitted, Attempt, Moment, Note, Origin, Refused, Verdict
from gateway.core.reason import Reason, public_text
from gateway.core.route import Route
from gateway.core.session import Session
from gateway.core.states import Admitting, Checking, Closed, Opening, Parting, Passing
from gateway.net.crowd import Place
from gateway.net.lane import Lane
from gateway.net.leg import Leg
from gateway.net.pipe import pump
from gateway.net.record import Record
from gateway.net.tls import common_name, peer_certificate
from gateway.net.upstream import UnreachableError


class Connection:
    """One client connection from the socket to the last record of it; logins may follow one another on it.

    Invariants: only `Session` decides; events are given to it one after another on the loop's thread, each with its
    actions done before the next; the short cut is there only while it passes; its place in the crowd is free once the
    client's socket is gone; after Close nothing is written and both legs are aborted at `_abort_at` at the latest.
    """

    __slots__ = (
        "_abort_at", "_business", "_client", "_dialect", "_dialling", "_grant", "_lane", "_place", "_record",
        "_services", "_upstream", "_via", "_watches", "origin", "session",
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
        self._record: Record
        self._grant: Admitted | None = None
        self._watches: tuple[Watch, ...] = ()
        self._via = ""
        self._business = 0.0
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
        self._record = Record(lane.services, self.origin)
        self._dialect = lane.dialect(self.origin)
        self.session = Session(self._dialect, lane.routes, self.origin, lane.limits, self._services.clock())
        self._services.table.add(self)
        self._drive(Connected())

    def received(self, leg: Leg, data: bytes) -> None:
        """Give bytes to the session, or hold them while it can't take them."""
        now, adopted = self._services.clock(), leg in (self._client, self._upstream)
        if not adopted or leg.held or self._holds(leg):
            leg.hold(data, now)
        else:
            self._drive(Received(leg.side, data, now))

    def lost(self, leg: Leg) -> None:
        """Tell the session that a side is gone; forget the connection when both are."""
        if leg is self._client and leg.gone:
            self._place.leave()
        if leg is self._client or leg is self._upstream:
            self._drive(Lost(leg.side))
        if self._client.gone and (self._upstream is None or self._upstream.gone):
            self._services.table.discard(self)
            self._forget()

    def congested(self, leg: Leg, *, full: bool) -> None:
        """Read the other side only as fast as this one takes it; while parting only the upstream's word counts."""
        other = self._upstream if leg is self._client else self._client
        if other is not None:
            other.choke(choked=full and not isinstance(self.session.state, Parting))

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
        self._act(event)
        while waited := self._taken_up():
            self._act(waited)

    def _act(self, event: Event) -> None:
        for action in self._decided(event):
            try:
                EXECUTED[type(action)](self, action)
            except Exception as error:  # noqa: BLE001 - the actions behind it, the record of the end, must still happen
                self._services.journal.failed("action", error)
                self.abort()
        if self._upstream is not None and isinstance(self.session.state, Parting):
            self._upstream.choke(choked=False)  # a client that does not read must not hide the venue's answer

    def _decided(self, event: Event) -> list[Action]:
        try:
            return self.session.handle(event, self._services.clock())
        except Exception as error:  # noqa: BLE001 - a fault in a dialect costs its own connection, and nobody's admission
            self._services.journal.failed("session", error)
            self.abort()
            return []

    def _holds(self, leg: Leg) -> bool:
        """Say whether the session can't take this side's bytes now: they are given to it later, it would drop them."""
        match self.session.state:
            case Opening():
                return True
            case Checking():
                return leg is self._client
            case Admitting():
                return leg is self._client and self._dialect.holds
        return False

    def _taken_up(self) -> Received | None:
        """Return a piece of what was held and can be taken now, as of when it came."""
        for leg in (self._client, self._upstream):
            if leg is not None and leg.held and not self._holds(leg):
                return Received(leg.side, *leg.next())
        return None

    def _send(self, send: Send) -> None:
        leg = self._client if send.side is Side.CLIENT else self._upstream
        if leg is not None:
            leg.write(send.data)

    def _post(self, post: Post) -> None:
        self._services.errands.once("post", lambda: self._services.courier.post(post.route, post.data))

    def _report(self, report: Report) -> None:
        self._record.declined(report.reason)

    # ── the authority ──

    def _verify(self, verify: Verify) -> None:
        self._services.errands.run("verify", self._ask(verify.attempt))

    async def _ask(self, attempt: Attempt) -> None:
        """Ask for a verdict. One that comes too late is given to the session all the same: it frees the place again."""
        services = self._services
        asked = asyncio.ensure_future(self._after_the_last(attempt))
        done, _ = await asyncio.wait([asked], timeout=services.patience.verify)
        if not done:
            services.journal.verify_overdue(attempt.origin)
            self._judged(_UNAVAILABLE, attempt)
        self._judged(await self._verdict(asked), attempt)

    async def _after_the_last(self, attempt: Attempt) -> Verdict:
        """Verify once the end of this connection's session before is recorded: else it would count against the user."""
        await self._record.settled()
        return await self._services.authority.verify(attempt)

    async def _verdict(self, asked: "asyncio.Future[Verdict]") -> Verdict:
        try:
            return await asked
        except Exception as error:  # noqa: BLE001 - fail closed, whatever it was
            self._services.journal.failed("verify", error)
            return _UNAVAILABLE

    def _judged(self, verdict: Verdict, attempt: Attempt) -> None:
        waiting = self.session.state
        if isinstance(verdict, Admitted) and isinstance(waiting, Checking) and waiting.attempt == attempt:
            self._grant = verdict
            self._services.live[verdict.session] = self
        self._drive(Judged(verdict, attempt))

    def _commit(self, commit: Commit) -> None:
        self._services.errands.run("remember", self._remember(commit.note))

    async def _remember(self, note: Note) -> None:
        stored = False
        try:
            async with asyncio.timeout(self._services.patience.commit):
                stored = await self._services.authority.remember(note)
        except Exception as error:  # noqa: BLE001 - not stored, whatever it was
            self._services.journal.failed("remember", error)
        self._drive(Committed(stored))

    # ── the upstream ──

    def _dial(self, dial: Dial) -> None:
        self._dialling = self._services.errands.run("dial", self._connect(dial.route))

    async def _connect(self, route: Route) -> None:
        made: list[Leg] = []

        def protocol() -> Leg:
            made.append(Leg(Side.UPSTREAM, self))
            return made[-1]

        try:
            identity = common_name(self.origin.certificate_subject)
            self._via = await self._services.upstreams[route.name].dial(protocol, identity)
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

    def _pipe(self, pipe: Pipe) -> None:
        upstream, client = self._upstream, self._client
        if upstream is None or upstream.transport is None or client.transport is None:
            return
        now = self._services.clock()
        self._business = now.wall
        self._place.logged_in()
        up, down = self._dialect.watch(Side.CLIENT), self._dialect.watch(Side.UPSTREAM)
        self._watches = (up, down)
        client.use(pump(up, upstream.transport.write, client.slow))
        upstream.use(pump(down, client.transport.write, upstream.slow))
        self._record.started(pipe.grant, self._via, pipe.will, now.wall)

    def _unpipe(self, _unpipe: Unpipe) -> None:
        self._watches = ()
        self._client.use(self._client.slow)
        if self._upstream is not None:
            self._upstream.use(self._upstream.slow)
        self._place.logged_out()

    # ── the end ──

    def _close(self, _close: Close) -> None:
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
        """Record an end; a grant that came too late is not this session's."""
        self._record.ended(end)
        if end.grant == self._grant:
            self._watches = ()
            self._forget()

    def _forget(self) -> None:
        """Be nobody's session any more."""
        if self._grant is not None:
            self._services.live.pop(self._grant.session, None)
        self._grant = None


_UNAVAILABLE = Refused(Reason.UNAVAILABLE, public_text(Reason.UNAVAILABLE))


EXECUTED: dict[type[Action], Callable[[Connection, Any], None]] = {
    Send: Connection._send,
    Verify: Connection._verify,
    Dial: Connection._dial,
    Commit: Connection._commit,
    Pipe: Connection._pipe,
    Unpipe: Connection._unpipe,
    Report: Connection._report,
    Post: Connection._post,
    Close: Connection._close,
    End: Connection._end,
}
