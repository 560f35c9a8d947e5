"""A raw AMQP peer: writes any bytes it is told to, reads whatever comes, and keeps both in order.

`Peer` plays a client library that does what no library would; `amqp_bytes` is its codec. It must not know M7.
"""

import asyncio
import contextlib
import ssl
import struct
from collections.abc import AsyncIterator, Callable

from tests.blackbox import amqp_bytes as amqp
from tests.blackbox.amqp_bytes import Content, Frame, Method
from tests.blackbox.gateway_process import PATIENCE

Item = Frame | Method | Content
_CLOSE = struct.pack("!HH", *amqp.IDS["connection.close"])


class Peer:
    """One connection. Invariants: `items` is all that came, contents whole; `until` never returns the same item twice.

    `closed` is set once the other side has closed the TCP connection; `reset` if it did so by a reset; `fault` says what it
    sent that is no AMQP.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.items: list[Item] = []
        self.closed = False
        self.reset = False
        self.fault = ""
        self.answers_heartbeats = False
        self._reader = reader
        self._writer = writer
        self._taken: set[int] = set()
        self._partial: dict[int, tuple[Method, int, dict[str, str], bytearray] | Method] = {}
        self._changed = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())

    # ── out ──

    async def send(self, *data: bytes) -> None:
        """Write the bytes; a connection that is gone already swallows them."""
        with contextlib.suppress(OSError):
            self._writer.write(b"".join(data))
            await self._writer.drain()

    async def trickle(self, data: bytes, size: int = 1) -> None:
        """Write the bytes in pieces, each by itself on the wire."""
        for at in range(0, len(data), size):
            await self.send(data[at : at + size])
            await asyncio.sleep(0)

    async def handshake(
        self,
        user: str,
        password: str,
        *,
        vhost: str,
        mechanism: str = "PLAIN",
        frame_max: int = 131_072,
        heartbeat: int = 0,
    ) -> None:
        """Say hello as a library does, up to the broker's open-ok."""
        response = b"" if mechanism == "EXTERNAL" else f"\0{user}\0{password}".encode()
        await self.send(amqp.HEADER)
        await self.method("connection.start")
        await self.send(amqp.start_ok(mechanism, response))
        self.channel_max, offered, _ = struct.unpack("!HIH", (await self.method("connection.tune")).arguments)
        self.frame_max = min(frame_max, offered)
        await self.send(amqp.tune_ok(self.channel_max, self.frame_max, heartbeat), amqp.connection_open(vhost))
        await self.method("connection.open-ok")

    async def open_channel(self, channel: int = 1, *, confirms: bool = False) -> None:
        await self.send(amqp.channel_open(channel))
        await self.method("channel.open-ok", channel)
        if confirms:
            await self.send(amqp.confirm_select(channel))
            await self.method("confirm.select-ok", channel)

    # ── in ──

    async def method(self, name: str, channel: int | None = None, *, within: float = PATIENCE) -> Method:
        """Wait for the next method of that name."""
        found = await self._until(
            lambda item: isinstance(item, Method) and item.name == name and channel in (None, item.channel),
            name,
            within,
        )
        assert isinstance(found, Method)
        return found

    async def content(self, name: str = "basic.deliver", *, within: float = PATIENCE, **properties: str) -> Content:
        """Wait for the next whole message with these properties."""
        found = await self._until(
            lambda item: (
                isinstance(item, Content) and item.method.name == name and properties.items() <= item.properties.items()
            ),
            f"{name} {properties}",
            within,
        )
        assert isinstance(found, Content)
        return found

    async def until_closed(self, *, within: float = PATIENCE) -> None:
        """Wait until the other side has closed the TCP connection."""
        async with self._changed:
            await self._wait(lambda: self.closed or None, "the end of the connection", within)

    def methods(self, name: str) -> list[Method]:
        """Return all methods of that name so far, consumed or not."""
        return [item for item in self.items if isinstance(item, Method) and item.name == name]

    def contents(self) -> list[Content]:
        """Return all whole messages so far, consumed or not."""
        return [item for item in self.items if isinstance(item, Content)]

    def pause(self) -> None:
        """Stop reading: what is sent piles up at the other side."""
        self._reading.cancel()

    async def resume(self) -> None:
        """Read on after `pause`."""
        await asyncio.gather(self._reading, return_exceptions=True)
        self._reading = asyncio.create_task(self._read())

    def vanish(self) -> None:
        """Reset the connection without a word."""
        self._writer.transport.abort()

    def half_close(self) -> None:
        """Say that nothing more will be sent (FIN), and go on reading."""
        self._writer.write_eof()

    async def leave(self) -> None:
        """End; nothing is left behind."""
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        self._writer.transport.abort()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    # Inside.

    async def _until(self, fits: Callable[[Item], bool], what: str, within: float) -> Item:
        async with self._changed:
            at = await self._wait(lambda: self._find(fits), what, within)
            self._taken.add(at)
            return self.items[at]

    async def _wait(self, found: Callable[[], int | bool | None], what: str, within: float) -> int:
        try:
            async with asyncio.timeout(within):
                while (result := found()) is None:
                    assert not self.fault, f"{self.fault}; came: {self.items[-8:]}"
                    assert not self.closed, f"closed before {what}; came: {self.items[-8:]}"
                    await self._changed.wait()
                return int(result)
        except TimeoutError:
            raise AssertionError(f"no {what} within {within} s; came: {self.items[-8:]}") from None

    def _find(self, fits: Callable[[Item], bool]) -> int | None:
        free = (at for at in range(len(self.items)) if at not in self._taken)
        return next((at for at in free if fits(self.items[at])), None)

    async def _read(self) -> None:
        try:
            while True:
                kind, channel, size = struct.unpack("!BHI", await self._reader.readexactly(7))
                payload = (await self._reader.readexactly(size + 1))[:-1]
                await self._take(Frame(kind, channel, payload))
        except asyncio.IncompleteReadError as end:
            if end.partial:
                self.items.append(Frame(-1, 0, end.partial))
        except OSError:
            self.reset = True
        except (AssertionError, KeyError) as fault:
            self.fault = repr(fault)
        async with self._changed:
            self.closed = True
            self._changed.notify_all()

    async def _take(self, frame: Frame) -> None:
        for item in self._assemble(frame):
            async with self._changed:
                self.items.append(item)
                self._changed.notify_all()
        if frame.kind == amqp.HEARTBEAT and self.answers_heartbeats:
            await self.send(amqp.HEARTBEAT_FRAME)
        if frame.kind == amqp.METHOD and frame.payload[:4] == _CLOSE:  # a broker waits half a minute for it
            await self.send(amqp.method("connection.close-ok", 0))

    def _assemble(self, frame: Frame) -> list[Item]:
        if frame.kind == amqp.METHOD:
            ids = struct.unpack_from("!HH", frame.payload)
            method = Method(amqp.NAMES.get(ids, str(ids)), frame.channel, frame.payload[4:])
            if method.name in {"basic.deliver", "basic.get-ok", "basic.return"}:
                assert frame.channel not in self._partial, "a content inside a content"
                self._partial[frame.channel] = method
                return []
            assert frame.channel not in self._partial, "a method inside a content"
            return [method]
        if frame.kind == amqp.CONTENT:
            method = self._partial[frame.channel]
            assert isinstance(method, Method)
            size, properties = amqp.read_properties(frame.payload)
            self._partial[frame.channel] = (method, size, properties, bytearray())
        elif frame.kind == amqp.BODY:
            whole = self._partial[frame.channel]
            assert isinstance(whole, tuple)
            whole[3].extend(frame.payload)
        else:
            return [frame]
        return self._finished(frame.channel)

    def _finished(self, channel: int) -> list[Item]:
        whole = self._partial[channel]
        assert isinstance(whole, tuple)
        method, size, properties, body = whole
        if len(body) < size:
            return []
        del self._partial[channel]
        return [Content(method, bytes(body), properties)]


@contextlib.asynccontextmanager
async def peer(port: int, context: ssl.SSLContext | None = None, buffer: int = 0) -> AsyncIterator[Peer]:
    """Connect; `buffer` bytes at most are read ahead (0: the library's own limit)."""
    limits = {"limit": buffer} if buffer else {}
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, **limits)
    one = Peer(reader, writer)
    try:
        yield one
    finally:
        await one.leave()
