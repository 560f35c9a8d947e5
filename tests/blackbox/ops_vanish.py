"""A FIX client on a host of its own that falls off the network: `unshare -rn python -m tests.blackbox.ops_vanish FOLDER`.

Prints how the gateway's session ended, as JSON. It must not import the gateway.
"""

import asyncio
import contextlib
import json
import sys
from pathlib import Path

from tests.blackbox.floor import Floor
from tests.blackbox.ops_peers import Client, Exchange
from tests.blackbox.ops_rig import add_user, config
from tests.blackbox.ops_vanish_hosts import HERE, another_host, connect_from, vanish


class FarClient(Client):
    """A client on the other host."""

    host = 0

    async def connect(self) -> None:
        sock = await connect_from(self.host, self.port)
        reader, self._writer = await asyncio.open_connection(sock=sock)
        self._reader = asyncio.create_task(self._read(reader))


async def main(folder: Path, *, sending: bool) -> None:
    """Log in, vanish, and wait until the gateway has noticed."""
    async with contextlib.AsyncExitStack() as stack:
        host = stack.enter_context(another_host())
        exchange = await stack.enter_async_context(Exchange())
        floor = Floor(stack, folder)
        gateway = await floor.gateway(config(exchange.port).replace("127.0.0.1:{port}", HERE + ":{port}"))
        person = await add_user(gateway, "trader", "ALGO")
        client = await stack.enter_async_context(FarClient(gateway.port, person))
        client.host = host
        assert await client.log_in() == "A", gateway.report()
        await client.trade("one")

        vanish(host)
        if sending:
            await exchange.push("ALGO")

        ended = await gateway.until(event="session_ended", within=60)
        sys.stdout.write(json.dumps(ended) + "\n")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sending="sending" in sys.argv))
