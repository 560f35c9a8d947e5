"""One of a connection's two sockets: holds bytes back, paces, and closes without cutting off what was written."""

import asyncio
from typing import Protocol, cast

from gateway.core.dialect import Side
from gateway.core.login import Moment
from gateway.net.held import Held
from gateway.net.pipe import Sink, discard

HOLD = 65_536
"""Bytes held for a session that can't take them yet; above it the socket is no longer read (so its EOF goes unseen)."""


class Owner(Protocol):
    """What a leg tells its connection."""

    def made(self, leg: "Leg") -> None:
        """The leg's transport is there."""

    def received(self, leg: "Leg", data: bytes) -> None:
        """Bytes arrived and the watcher's short cut is not taken."""

    def lost(self, leg: "Leg") -> None:
        """The peer will send no more (EOF counts: a half-open login connection is of no use), or the line broke."""

    def congested(self, leg: "Leg", *, full: bool) -> None:
        """The peer reads more slowly than the other side writes, or has caught up."""


class Leg(asyncio.BaseProtocol):
    """A protocol for one transport.

    Invariants: `data_received` is an attribute because uvloop looks it up once, at `set_protocol`; a leg that is
    `closing` passes no byte on, and nothing is written to it any more; at most HOLD bytes plus one chunk are held.
    """

    __slots__ = ("_choked", "_full", "closing", "data_received", "gone", "held", "owner", "side", "transport")

    def __init__(self, side: Side, owner: Owner) -> None:
        self.side = side
        self.owner = owner
        self.transport: asyncio.Transport | None = None
        self.held = Held()
        self.closing = False
        self.gone = False
        self._full = False
        self._choked = False
        self.data_received: Sink = self.slow

    # ── called by the loop ──

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; bytes may follow before anybody asked for them."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its base class
        self.owner.made(self)

    def slow(self, chunk: bytes) -> None:
        """Take bytes outside the pipe's short cut."""
        self.owner.received(self, chunk)

    def eof_received(self) -> None:
        """Count a half-closed connection as lost; what was written to it is still flushed."""
        self._lose()

    def connection_lost(self, _exc: Exception | None) -> None:
        """Forget the transport: it keeps the socket's buffers alive."""
        self.gone = True
        self.data_received = discard
        self._lose()
        self.transport = None

    def pause_writing(self) -> None:
        """Stop reading the other side."""
        self.owner.congested(self, full=True)

    def resume_writing(self) -> None:
        """Read the other side again."""
        self.owner.congested(self, full=False)

    def _lose(self) -> None:
        self.owner.lost(self)

    # ── called by the connection ──

    def use(self, data_received: Sink) -> None:
        """Send what arrives from now on to `data_received`."""
        self.data_received = data_received
        if self.transport is not None:
            self.transport.set_protocol(self)

    def write(self, data: bytes) -> None:
        """Write, unless nobody is there any more."""
        if self.transport is not None and not self.closing:
            self.transport.write(data)

    def hold(self, data: bytes, arrived: Moment) -> None:
        """Keep bytes that can't be taken yet, in order."""
        self.held.add(data, arrived)
        self._fill()

    def next(self) -> tuple[bytes, Moment]:
        """Return the first piece of what was held, and when it came."""
        piece = self.held.first()
        self._fill()
        return piece

    def release(self) -> bytes:
        """Return all that was held, and read again."""
        data = self.held.all()
        self._fill()
        return data

    def choke(self, *, choked: bool) -> None:
        """Stop or resume reading because the other side is congested."""
        self._choked = choked and not self.closing
        self._pace()

    def finish(self) -> None:
        """Close once everything written has gone out.

        Unread bytes would turn a plain close() into a reset that can overtake a Logout, so the peer gets a FIN and
        what it still sends is dropped, until it closes too or `abort` is called. TLS does the same by itself.
        """
        if self.transport is None or self.closing:
            return
        self.closing = True
        self.held.clear()
        self._full = self._choked = False
        self.use(discard)
        if self.transport.is_closing():
            return
        self._pace()
        try:
            if self.transport.can_write_eof():
                self.transport.write_eof()
            else:
                self.transport.close()
        except OSError:  # the peer is gone already and the loop has not said so yet
            self.transport.abort()

    def abort(self) -> None:
        """Drop the connection now, flushed or not."""
        if self.transport is not None:
            self.closing = True
            self.transport.abort()

    def _fill(self) -> None:
        self._full = len(self.held) >= HOLD
        self._pace()

    def _pace(self) -> None:
        if self.transport is None or self.transport.is_closing():
            return
        if self._full or self._choked:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()
