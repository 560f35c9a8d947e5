"""Did every application message arrive exactly once, in both directions, and what do both stores say afterwards?

One call after a scenario: `books = await settled(algo, engine)`, which waits for the messages under way (bounded) and
fails with the ids that are lost or doubled. It must not know what stands between the two.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass

from tests.blackbox.counterparties import PATIENCE, Algo, Engine, Side


@dataclass(frozen=True)
class Ledger:
    """Both sides' accounts at one moment."""

    algo: Side
    engine: Side

    @property
    def orders(self) -> Counter[str]:
        """How often the engine got each ClOrdID."""
        return Counter(self.engine.received)

    @property
    def reports(self) -> Counter[str]:
        """How often the algorithm got each ExecID."""
        return Counter(self.algo.received)

    @property
    def to_client_difference(self) -> int:
        """Numbers the client has counted that the engine never used: the gateway's own Logouts (its holes)."""
        return self.algo.next_target - self.engine.next_sender

    @property
    def to_engine_difference(self) -> int:
        """Numbers the client has used that the engine hasn't seen yet: 0 once a Logon has closed the gap."""
        return self.algo.next_sender - self.engine.next_target

    @property
    def in_order(self) -> bool:
        """Whether each side got exactly what the other sent, in the order it was sent."""
        return (self.engine.received, self.algo.received) == (self.algo.sent, self.engine.sent)

    def faults(self) -> list[str]:
        """Return one line for each kind of loss or doubling; empty when every message came exactly once."""
        return [
            *_faults("order", self.algo.sent, self.orders),
            *_faults("report", self.engine.sent, self.reports),
        ]


def _faults(kind: str, sent: list[str], received: Counter[str]) -> list[str]:
    lost = [f"{kind} {name} lost" for name in sent if not received[name]]
    doubled = [f"{kind} {name} arrived {count} times" for name, count in received.items() if count > 1]
    unknown = [f"{kind} {name} was never sent" for name in received if name not in sent]
    return [*lost, *doubled, *unknown]


async def ledger(algo: Algo, engine: Engine) -> Ledger:
    """Return both accounts as they are now, each message counted that was taken."""
    await algo.counted()
    await engine.counted()
    return Ledger(await algo.state(engine_name(algo)), await engine.state(algo_name(algo)))


async def settled(algo: Algo, engine: Engine, *, within: float = PATIENCE) -> Ledger:
    """Wait until all has arrived and nothing moves any more; AssertionError names what was lost or doubled."""
    before, books = None, await ledger(algo, engine)
    try:
        async with asyncio.timeout(within):
            while books.faults() or books != before or not books.algo.logged_on:
                await asyncio.sleep(0.05)
                before, books = books, await ledger(algo, engine)
    except TimeoutError:
        pass
    assert books.faults() == [], f"{books.faults()}\n{algo.report()}\n{engine.report()}"
    return books


async def closed(algo: Algo, engine: Engine, *, prefix: str = "closing") -> Ledger:
    """Settle, then let both sides close their last gaps with one more order, and return the books.

    A QuickFIX engine doesn't count a ResendRequest that lies in a gap; the next message makes it ask, and then the
    numbers agree but for the holes: `to_engine_difference` is 0, `to_client_difference` the number of counted Logouts.
    """
    await settled(algo, engine)
    closing = (await algo.orders(1, prefix=prefix))[0]
    await engine.until("order", cl_ord_id=closing)
    await algo.until("report", cl_ord_id=closing, ord_status="2")
    return await settled(algo, engine)


def engine_name(algo: Algo) -> str:
    """Return the TargetCompID that the algorithm was given, or none for its only session."""
    return _option(algo, "--target")


def algo_name(algo: Algo) -> str:
    """Return the algorithm's own CompID, or none for the engine's only session."""
    return _option(algo, "--sender")


def _option(algo: Algo, name: str) -> str:
    arguments = list(algo.arguments)
    return arguments[arguments.index(name) + 1] if name in arguments else ""
