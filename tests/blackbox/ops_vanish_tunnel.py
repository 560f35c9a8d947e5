"""Brings a port of this host into a network namespace that has no way out: through a Unix socket, which needs no network.

`exported` runs outside, `imported` inside, where the port has the same number. It must not read what it carries.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_CHUNK = 65536


@contextlib.asynccontextmanager
async def exported(port: int, folder: Path) -> AsyncIterator[None]:
    """Offer a loopback port in a folder."""
    carry = _carrier(lambda: asyncio.open_connection("127.0.0.1", port))
    async with await asyncio.start_unix_server(carry, _place(port, folder)):
        yield


@contextlib.asynccontextmanager
async def imported(port: int, folder: Path) -> AsyncIterator[None]:
    """Take up in this namespace what is offered there."""
    carry = _carrier(lambda: asyncio.open_unix_connection(_place(port, folder)))
    async with await asyncio.start_server(carry, "127.0.0.1", port):
        yield


def _place(port: int, folder: Path) -> str:
    return str(folder / f"port-{port}")


def _carrier(dial: Callable[[], Awaitable[Ends]]) -> Callable[..., Awaitable[None]]:
    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await dial()
        await asyncio.gather(_one_way(reader, far_writer), _one_way(far_reader, writer))

    return carry


async def _one_way(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await source.read(_CHUNK):
            sink.write(chunk)
            await sink.drain()
    sink.close()
