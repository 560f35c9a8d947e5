"""What is remembered of one channel: its publisher confirms, its consumers, what is under way on it, and whether it is shut."""

from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gateway.core.reason import Reason
    from gateway.protocols.amqp.confirms import Confirms
    from gateway.protocols.amqp.content import Collected


MOST_REMEMBERED: Final = 64
"""Consumers of a channel, and unanswered declares and consumes, that are remembered; a client that asks more is not answered on them."""


class Shut(Enum):
    """How far the closing of a channel is."""

    OPEN = "open"
    LEAVING = "leaving"
    """The client or the broker closed it; the other side's word may still be on its way."""
    REFUSED = "refused"
    """The gateway closes it upstream; the broker's CloseOk becomes a Channel.Close to the client."""
    TOLD = "told"
    """The client was told; its CloseOk is the gateway's."""


class Channel:
    """Invariants: at most one content of the client is collected at a time; `pending` waits for the end of a broker's content.

    `queue` is the last one declared, which "" in a method stands for: "" while the server has not named it yet, None: none.
    `declares` and `consumes` are the questions that the broker has not answered, in order: whether it names the queue, and
    which queue is consumed. `excuse` is what the client hears when the broker has closed a channel for the gateway.
    """

    __slots__ = ("answer", "collecting", "confirms", "consumers", "consumes", "declares", "excuse", "number", "pending",
                 "queue", "reason", "returned", "shut")  # fmt: skip

    def __init__(self, number: int) -> None:
        self.number = number
        self.shut = Shut.OPEN
        self.confirms: Confirms | None = None
        self.consumers: dict[bytes, str] | None = None
        self.declares: list[bool] | None = None
        self.consumes: list[str] | None = None
        self.queue: str | None = None
        self.collecting: Collected | None = None
        self.reason: Reason | None = None
        self.answer: Collected | None = None
        self.returned = False
        self.pending = b""
        self.excuse = b""

    @property
    def attends(self) -> bool:
        """Say whether the broker's frames on this channel need the exact look."""
        return bool(self.pending or self.declares or self.consumes or self.excuse)

    @property
    def refused(self) -> bool:
        """Say whether the gateway closes it, so that the client's frames on it are dropped."""
        return self.shut in (Shut.REFUSED, Shut.TOLD)

    def consumer_of(self, queue: str) -> bytes | None:
        """Return the tag of a consumer of `queue`, if there is one."""
        return next((tag for tag, one in (self.consumers or {}).items() if one == queue), None)

    def consumed(self, tag: bytes) -> None:
        """Take note of the broker's ConsumeOk."""
        if self.consumes:
            self.consuming(tag, self.consumes.pop(0))

    def consuming(self, tag: bytes, queue: str) -> None:
        """Remember a consumer."""
        if self.consumers is None:
            self.consumers = {}
        if len(self.consumers) < MOST_REMEMBERED:
            self.consumers[tag] = queue

    def cancelled(self, tag: bytes) -> None:
        """Forget a consumer."""
        if self.consumers:
            self.consumers.pop(tag, None)
