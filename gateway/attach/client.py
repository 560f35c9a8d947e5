"""One client of the sidecar and its two sockets: tells its Passage what happens, and does what that says."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from gateway.attach.dialect import Dialect
from gateway.attach.passage import Action, Dial, Event, Passage, Patience, Read, Say, Wake
from gateway.attach.turns import Turns
from gateway.core.dialect import Side, Watch
from gateway.core.events import Close, DialFailed, Dialled, Lost, Received, Send, Ticked
from gateway.core.login import Moment
from gateway.net.leg import Leg
from gateway.net.pipe import Sink, pump
from gateway.net.upstream import UnreachableError, Upstream
from gateway.observe.journal import Journal

LINGER = 3.0
"""Seconds that a closing connection may take to flush."""


@dataclass(frozen=True, slots=True)
class Post:
    """What all clients share. `connections` bounds how many there are; `table` holds each until both its legs are gone."""

    turns: Turns
    dialect: Callable[[], Dialect]
    upstream: Upstream
    patience: Patience
    connections: int
    journal: Journal
    now: Callable[[], Moment]
    table: "set[Client]"


class Client:
    """One client's two legs.

    Invariants: only its Passage decides; nothing is written once it is closing; both legs are gone LINGER after that.
    """

    __slots__ = ("_dialling", "_name", "_passage", "_post", "_timer", "_upstream", "client")

    def __init__(self, post: Post) -> None:
        self.client = Leg(Side.CLIENT, self)
        self._post = post
        self._passage = Passage(post.turns, post.dialect(), post.patience, post.now())
        self._name = secrets.token_hex(8)
        self._upstream: Leg | None = None
        self._dialling: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def passing(self) -> bool:
        """Whether the upstream is there and nothing of this client's waits."""
        return self._upstream is not None and not self._passage.holds

    # ── what the legs say ──

    def made(self, leg: Leg) -> None:
        """Take a client, if there is a place for it."""
        if leg is not self.client or leg.transport is None:
            return
        if len(self._post.table) >= self._post.connections:
            self._post.journal.warn("attach_full", count=len(self._post.table))
            leg.abort()
            return
        self._post.table.add(self)
        self._wake(self._post.patience.opening)

    def received(self, leg: Leg, data: bytes) -> None:
        """Give bytes to the passage, or hold them while a login waits."""
        now = self._post.now()
        if leg not in {self.client, self._upstream} or leg.held or self._holds(leg):
            leg.hold(data, now)
        else:
            self._drive(Received(leg.side, data, now))

    def lost(self, leg: Leg) -> None:
        """Tell the passage that a side is gone; forget the client when both are."""
        if leg in {self.client, self._upstream}:
            self._drive(Lost(leg.side))
        if self.client.gone and (self._upstream is None or self._upstream.gone):
            self._cancel()
            self._post.table.discard(self)

    def congested(self, leg: Leg, *, full: bool) -> None:
        """Read the other side only as fast as this one takes it."""
        other = self._upstream if leg is self.client else self.client
        if other is not None:
            other.choke(choked=full)

    # ── events in, actions out ──

    def _drive(self, event: Event) -> None:
        for action in self._passage.handle(event, self._post.now()):
            self._execute(action)
        for leg in (self.client, self._upstream):
            if leg is not None and leg.held and not self._holds(leg):
                leg.data_received(leg.release())

    def _holds(self, leg: Leg) -> bool:
        return leg is self.client and self._passage.holds

    def _execute(self, action: Action) -> None:
        match action:
            case Send(Side.CLIENT, data):
                self.client.write(data)
            case Send(_, data) if self._upstream is not None:
                self._upstream.write(data)
            case Dial():
                self._dialling = asyncio.get_running_loop().create_task(self._dial())
            case Wake(seconds):
                self._wake(seconds)
            case Read(along):
                self._pipe(along=along)
            case Say(event, seconds):
                self._say(event, seconds)
            case Close():
                self.close()

    def _pipe(self, *, along: bool) -> None:
        upstream, client, dialect = self._upstream, self.client, self._passage.dialect
        if upstream is None or upstream.transport is None or client.transport is None:
            return
        client.use(_short(dialect.watch(Side.CLIENT), upstream.transport.write, client.slow))
        upstream.use(
            upstream.slow if along else _short(dialect.watch(Side.UPSTREAM), client.transport.write, upstream.slow)
        )

    def _say(self, event: str, seconds: float) -> None:
        keys = {"connection": self._name, "seconds": round(seconds, 2)}
        calm = event in {"attach_sent", "attach_held", "attach_accepted"}
        (self._post.journal.say if calm else self._post.journal.warn)(event, **keys)

    # ── the upstream ──

    async def _dial(self) -> None:
        made: list[Leg] = []

        def protocol() -> Leg:
            made.append(Leg(Side.UPSTREAM, self))
            return made[-1]

        try:
            await self._post.upstream.dial(protocol)
            self._adopt(made[-1])
        except UnreachableError:
            self._drive(DialFailed())
        except Exception as error:  # noqa: BLE001 - whatever it was, the client must not wait for ever
            self._post.journal.failed("dial", error)
            self._drive(DialFailed())
        finally:
            self._dialling = None
            for leg in made:
                if leg is not self._upstream:
                    leg.abort()

    def _adopt(self, leg: Leg) -> None:
        if self.client.closing or self.client.gone:
            return
        self._upstream = leg
        self._drive(Dialled())
        if leg.gone:
            self._drive(Lost(Side.UPSTREAM))

    # ── time and the end ──

    def _wake(self, seconds: float) -> None:
        self._cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._drive, Ticked())

    def close(self) -> None:
        """Close both sides once what was written has gone out."""
        if self.client.closing:
            return
        self._cancel()
        if self._dialling is not None:
            self._dialling.cancel()
        self._post.turns.leave(self._passage)
        self.client.finish()
        if self._upstream is not None:
            self._upstream.finish()
        if not self.client.gone or (self._upstream is not None and not self._upstream.gone):
            self._timer = asyncio.get_running_loop().call_later(LINGER, self.abort)

    def abort(self) -> None:
        """Drop both sides now, flushed or not."""
        self.client.abort()
        if self._upstream is not None:
            self._upstream.abort()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _short(watch: Watch | None, write: Sink, slow: Sink) -> Sink:
    """Return the short cut of one direction: what `watch` lets by, or everything where nobody looks."""
    return pump(watch, write, slow) if watch else write
