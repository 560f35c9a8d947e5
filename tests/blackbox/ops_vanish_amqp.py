"""An AMQP client on a host of its own that falls off the network: `unshare -rn python -m tests.blackbox.ops_vanish_amqp STAGE`.

The gateway, the exchange and a client that stays are here, the broker comes in through a tunnel. Prints how the session
ended, what the exchange heard, and how the user's next login went, as JSON. It must not import the gateway.
"""

import asyncio
import contextlib
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from simulators.m7_node import Broker
from tests.blackbox import amqp_bytes as amqp
from tests.blackbox import amqp_m7 as m7
from tests.blackbox.amqp_floor import Hand, Market
from tests.blackbox.amqp_peer import Peer
from tests.blackbox.broker import Vhost
from tests.blackbox.floor import Floor
from tests.blackbox.gateway_process import GatewayProcess
from tests.blackbox.ops_vanish_hosts import another_host, connect_from, vanish
from tests.blackbox.ops_vanish_tunnel import imported
from tests.blackbox.people import settle

FLOOD = [m7.element("Flood", {"text": "x" * 60_000})] * 200
"""More than both hosts' socket buffers and the gateway's own hold."""


@dataclass(frozen=True)
class Stage:
    """What the script is told: the broker and its vhost, folders, the heartbeat to negotiate, and what happens behind the client's back."""

    broker: str
    vhost: str
    people: str
    folder: str
    tunnel: str
    heartbeat: int
    what: str

    def argument(self) -> str:
        return json.dumps(asdict(self))


async def main(stage: Stage) -> None:
    """Log in, vanish, and wait until the gateway has noticed and the user is back."""
    broker, folder = Broker.from_json(stage.broker), Path(stage.folder)
    async with contextlib.AsyncExitStack() as stack:
        host = stack.enter_context(another_host())
        await stack.enter_async_context(imported(broker.amqp, Path(stage.tunnel)))
        vhost = Vhost(broker, stage.vhost, folder)
        floor = Floor(stack, folder)
        market = await stack.enter_async_context(Market(floor, settle(Path(stage.people)), vhost))
        market.people.move_in(folder / "gateway")
        gateway = await floor.gateway(market.config().replace("127.0.0.1:{port}", "0.0.0.0:{port}"))
        far = await far_hand(stack, host, market, gateway)
        await far.open(heartbeat=stage.heartbeat)
        await far.peer.send(amqp.queue_declare(1, BROADCASTS, 0), amqp.consume(1, BROADCASTS))
        await far.logged_in()
        await far.trade("one")

        vanish(host)
        for body in FLOOD if stage.what == "flooded" else ():
            await market.exchange.broadcast("trader", body)

        ended = await gateway.until(event="session_ended", within=60)
        (logout,) = await market.exchange.until_logged_out()
        near = await market.hand(port=gateway.port)
        again = await near.log_in(force=False)
        await near.trade("two")
        told = {
            "ended": ended,
            "logout": [logout.user, logout.key, logout.read["sessionId"], logout.properties.user_id],
            "again": again.name,
            "orders": market.exchange.orders(),
            "live": market.exchange.live,
        }
        sys.stdout.write(json.dumps(told) + "\n")


BROADCASTS = m7.broadcasts_of("trader")


async def far_hand(stack: contextlib.AsyncExitStack, host: int, market: Market, gateway: GatewayProcess) -> Hand:
    """Return a client on the other host, on which nothing was said yet; it answers heartbeats while it can."""
    reader, writer = await asyncio.open_connection(sock=await connect_from(host, gateway.port))
    peer = Peer(reader, writer)
    stack.push_async_callback(peer.leave)
    peer.answers_heartbeats = True
    return Hand(peer, market.trader, market.vhost.name)


if __name__ == "__main__":
    asyncio.run(main(Stage(**json.loads(sys.argv[1]))))
