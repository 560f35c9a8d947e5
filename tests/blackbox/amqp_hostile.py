"""What the tests of hostile bytes share: one gateway takes case after case, and nothing of any of them may be seen behind it."""

import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeVar

from tests.blackbox.amqp_floor import SAME_CODE_AGAIN, Hand, Market

PATIENT = f"{SAME_CODE_AGAIN}lockout.address_budget = 100000\nlockout.threshold = 100\n"
"""Case after case comes from one address and one user."""
Case = TypeVar("Case")


async def each(cases: Mapping[str, Case], play: Callable[[Case], Awaitable[None]]) -> None:
    """Play every case; AssertionError names all that failed."""
    faults = []
    for what, case in cases.items():
        try:
            await play(case)
        except AssertionError as fault:
            faults.append(f"{what}: {fault}")
    assert not faults, "\n".join(faults)


async def takes_nothing(market: Market, hand: Hand) -> None:
    """Behind what was sent an order is refused, or the line closed; the exchange saw nothing of this user's."""
    await hand.peer.send(hand.order("behind-it"))
    await settled(hand, "ErrResp")
    assert market.exchange.names(hand.person.name) == []
    await hand.peer.leave()


async def settled(hand: Hand, expected: str = "") -> None:
    """Wait until the order behind it was answered (as expected), or the line closed."""
    try:
        answer = await hand.answer("behind-it")
    except AssertionError:
        assert hand.peer.closed, "neither answered nor closed"
    else:
        assert expected in ("", answer.name), answer


async def serves_on(market: Market) -> None:
    """Somebody else logs in and trades; nothing of the gateway failed."""
    other = await (await market.hand(market.people.other)).logged_in(force=True)
    await other.trade("still-there")
    assert market.last.seen(event="failed") == []
    assert "Traceback" not in "".join(market.last.stderr)
    await other.peer.leave()


def resident(pid: int) -> int:
    """Return the bytes of memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
