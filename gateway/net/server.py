"""All listeners, the table of connections, and how both end."""

import asyncio
import time
from collections.abc import Callable, Sequence

from gateway.core.authority import Authority
from gateway.core.login import Moment
from gateway.core.reason import Reason
from gateway.core.states import Passing
from gateway.net.connection import Connection
from gateway.net.errands import Errands
from gateway.net.janitor import Janitor
from gateway.net.lane import Lane, Services
from gateway.net.listener import Listener
from gateway.net.spec import Courier, ListenerSpec, NoCourier, Patience, UpstreamSpec
from gateway.net.upstream import Upstream
from gateway.observe.journal import Journal

POLL = 0.05


def clock() -> Moment:
    """Read both clocks."""
    return Moment(time.monotonic(), time.time())


class Server:
    """One process's sockets.

    Invariants: `stop` returns within its `grace` plus what Patience allows, whatever peers and store do; a session that
    is still live then was told SHUTDOWN.
    """

    def __init__(  # noqa: PLR0913 - the parts of a process, put together once
        self,
        listeners: Sequence[ListenerSpec],
        upstreams: Sequence[UpstreamSpec],
        authority: Authority,
        journal: Journal,
        *,
        patience: Patience | None = None,
        courier: Courier | None = None,
    ) -> None:
        patience, courier = patience or Patience(), courier or NoCourier()
        routes = {spec.route: Upstream(spec, journal) for spec in upstreams}
        self._errands = Errands(journal, patience.record)
        self.services = Services(
            authority, routes, courier, journal, self._errands, patience, clock, live={}, table=set()
        )
        self.listeners = [
            Listener(spec, Lane(spec.dialect, spec.routes, spec.limits, self.services)) for spec in listeners
        ]
        self._janitor = Janitor(self.services)
        self._hurried = False

    def start(self) -> None:
        """Bind all listeners and start the janitor. Raises StartError, and then listens nowhere."""
        try:
            for listener in self.listeners:
                listener.start()
        except BaseException:
            self._stop_accepting()
            raise
        self._janitor.start()

    @property
    def bound(self) -> bool:
        """Say whether every listener accepts."""
        return bool(self.listeners) and all(listener.bound for listener in self.listeners)

    def reload(self) -> None:
        """Read every certificate again; live sessions keep theirs. Raises StartError."""
        for listener in self.listeners:
            listener.reload()
        for upstream in self.services.upstreams.values():
            upstream.reload()

    def hurry(self) -> None:
        """Give live sessions no more time to end by themselves."""
        self._hurried = True

    async def stop(self, grace: float) -> None:
        """Stop accepting, let live sessions end by themselves for `grace` seconds, then log them out, then drop them."""
        patience = self.services.patience
        self._stop_accepting()
        self._order(lambda one: not isinstance(one.session.state, Passing))
        await self._empty(grace, unless=lambda: self._hurried)
        self._order(lambda _one: True)
        await self._empty(patience.commit + patience.linger)
        for connection in list(self.services.table):
            connection.abort()
        await self._empty(1.0)
        await self._errands.drain(patience.commit)
        await self._janitor.stop()
        await self.services.courier.close()

    def _stop_accepting(self) -> None:
        for listener in self.listeners:
            listener.stop()

    def _order(self, chosen: Callable[[Connection], bool]) -> None:
        for connection in list(self.services.table):
            if chosen(connection):
                connection.order(Reason.SHUTDOWN)

    async def _empty(self, seconds: float, unless: Callable[[], bool] = lambda: False) -> None:
        """Wait until no connection is left, at most so long."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while self.services.table and loop.time() < until and not unless():  # noqa: ASYNC110 - an event per connection would cost all of them
            await asyncio.sleep(POLL)
