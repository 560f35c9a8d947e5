"""A TCP pipe on uvloop that never looks at a byte: the floor of what a Python proxy can reach.

python -m bench.uvloop_pipe PORT UPSTREAM_PORT [CERTIFICATE_AND_KEY.pem]
"""

import asyncio
import gc
import ssl
import sys
from typing import cast

import uvloop


class Half(asyncio.Protocol):
    """One side of a pipe; `other` is the transport bytes go to. Until the upstream is there, early bytes are kept."""

    def __init__(self, upstream_port: int | None = None) -> None:
        self.upstream_port = upstream_port
        self.other: asyncio.Transport | None = None
        self.early = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        if self.upstream_port is not None:
            self.dial = asyncio.get_running_loop().create_task(self.connect())

    async def connect(self) -> None:
        far = Half()
        upstream, _ = await asyncio.get_running_loop().create_connection(
            lambda: far, "127.0.0.1", self.upstream_port or 0
        )
        self.other, far.other = upstream, self.transport
        upstream.write(self.early)

    def data_received(self, data: bytes) -> None:
        if self.other is None:
            self.early += data
        else:
            self.other.write(data)

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None:
            self.other.resume_reading()

    def connection_lost(self, _: Exception | None) -> None:
        if self.other is not None:
            self.other.close()


async def serve(port: int, upstream_port: int, pem: str | None) -> None:
    context = None
    if pem is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
    server = await asyncio.get_running_loop().create_server(
        lambda: Half(upstream_port), "127.0.0.1", port, ssl=context, backlog=4096
    )
    gc.freeze()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None))
