"""A TCP relay that a test puts between two peers: it counts the bytes, keeps them, holds them back, or cuts the line.

Holding one direction and then cutting is a line that broke with a message in flight. It must not read messages.
"""

import asyncio
from typing import Self

_CHUNK = 65536


class Direction:
    """One way through the relay. Invariants: `seen` is all that came in; while held nothing goes out."""

    def __init__(self) -> None:
        self.seen = bytearray()
        self.changed = asyncio.Condition()
        self._open = asyncio.Event()
        self._open.set()

    def hold(self) -> None:
        """Keep back what comes from now on."""
        self._open.clear()

    def release(self) -> None:
        """Let go what was kept back."""
        self._open.set()

    async def until(self, needle: bytes, *, within: float = 30.0) -> None:
        """Wait until the bytes have come in, held or not."""
        try:
            async with asyncio.timeout(within), self.changed:
                await self.changed.wait_for(lambda: needle in self.seen)
        except TimeoutError:
            raise AssertionError(f"{needle!r} not in {bytes(self.seen)!r}") from None

    async def carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Carry bytes until the source ends; it is read on while they are held, and they are lost when the line is cut."""
        chunks: asyncio.Queue[bytes] = asyncio.Queue()
        writing = asyncio.create_task(self._write(chunks, sink))
        try:
            while chunk := await source.read(_CHUNK):
                async with self.changed:
                    self.seen += chunk
                    self.changed.notify_all()
                chunks.put_nowait(chunk)
            chunks.put_nowait(b"")
            await writing
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

    async def _write(self, chunks: asyncio.Queue[bytes], sink: asyncio.StreamWriter) -> None:
        while chunk := await chunks.get():
            await self._open.wait()
            sink.write(chunk)
            await sink.drain()


class Wire:
    """A relay on a loopback port to another one. Invariant: nothing of it is left after the `async with`."""

    def __init__(self, target_port: int, host: str = "127.0.0.1") -> None:
        self.target_port = target_port
        self.port = 0
        self.connections = 0
        self.forth = Direction()
        self.back = Direction()
        self._host = host
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accepted, self._host, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Reset every connection on both sides, as a network does; held bytes are lost. New ones may come."""
        for writer in list(self._writers):
            writer.transport.abort()
        self.forth.release()
        self.back.release()

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._relay(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _relay(self, near_in: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(near_out)
        try:
            far_in, far_out = await asyncio.open_connection(self._host, self.target_port)
        except OSError:
            near_out.transport.abort()
            return
        self._writers.add(far_out)
        await asyncio.gather(self._one_way(self.forth, near_in, far_out), self._one_way(self.back, far_in, near_out))
        self._writers -= {near_out, far_out}

    async def _one_way(self, way: Direction, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            await way.carry(source, sink)
        except OSError:
            pass
        finally:
            sink.close()
