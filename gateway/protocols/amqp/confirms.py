"""Publisher confirms of one channel, where the gateway swallowed some of the publishes and acked them itself.

The broker counts what it saw, the client what it sent. Must never name a swallowed publish in the broker's ack.
RabbitMQ, Consumer Acknowledgements and Publisher Confirms; AMQP 0-9-1 §1.8.3.13.
"""

from bisect import bisect_left
from typing import Final

from gateway.protocols.amqp.frames import GarbledError

MOST_GAPS: Final = 4096
"""Places on one channel where publishes were swallowed; more is no client's honest work."""


class Confirms:
    """`sent` counts the client's publishes since Confirm.Select; its publishes have the tags 1 to `sent`.

    Invariant: `_gaps` holds, ascending, how many publishes had passed before each run of swallowed ones, `_swallowed` how many
    were swallowed up to and with that run.
    """

    __slots__ = ("_gaps", "_swallowed", "sent")

    def __init__(self) -> None:
        self.sent = 0
        self._gaps: list[int] = []
        self._swallowed: list[int] = []

    @property
    def renumbers(self) -> bool:
        """Say whether the broker's tags differ from the client's."""
        return bool(self._gaps)

    def swallow(self) -> int:
        """Take the last publish out of the broker's count; return the client's tag of it. Raises GarbledError for far too many."""
        total = self._swallowed[-1] if self._swallowed else 0
        passed = self.sent - 1 - total
        if self._gaps and self._gaps[-1] == passed:
            self._swallowed[-1] += 1
        elif len(self._gaps) >= MOST_GAPS:
            raise GarbledError("too many refused messages")
        else:
            self._gaps.append(passed)
            self._swallowed.append(total + 1)
        return self.sent

    def brokers(self) -> int:
        """Return the broker's tag of the last publish, one that passes."""
        return self.sent - (self._swallowed[-1] if self._swallowed else 0)

    def clients(self, tag: int) -> int:
        """Return the client's tag of a broker's; 0 (all) stays."""
        at = bisect_left(self._gaps, tag)
        return tag + (self._swallowed[at - 1] if at and tag else 0)
