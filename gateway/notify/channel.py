"""What a carrier asks of a channel, and how a channel says no."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, Self

from gateway.store.notices import Claimed


class Away(Exception):  # noqa: N818 - a state
    """The server cannot be reached or does not let us in: nothing is said about this message. The text is for the log."""


class Declined(Exception):  # noqa: N818 - what happened
    """This message was not taken; it is tried again, later and later. The text is for the log and the list."""


class Undeliverable(Exception):  # noqa: N818 - what it is
    """This message can never go out. The text is for the log and the list."""


@dataclass(frozen=True, slots=True)
class Message:
    """A claimed notice, opened. `kind` names text and event, `to` is an address or "", `facts` is what there is to say.

    It may hold a link's token or a code: it goes into a channel and nowhere else.
    """

    key: str
    kind: str
    to: str
    wall: float
    facts: Mapping[str, Any]

    @classmethod
    def of(cls, claimed: Claimed) -> Self:
        """Open a claimed notice. Raises ValueError, LookupError or TypeError for what is none."""
        body = json.loads(claimed.notice.body.reveal())
        return cls(claimed.key, body["kind"], body["to"], body["wall"], body["facts"])

    def __repr__(self) -> str:
        return f"Message(key={self.key!r}, kind={self.kind!r})"

    def data(self) -> bytes:
        """Return it as JSON for machines: id, event, time (RFC 3339, UTC) and what there is to say."""
        time = datetime.fromtimestamp(self.wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return json.dumps({**self.facts, "id": self.key, "event": self.kind, "time": time}).encode()


class Channel(Protocol):
    """A way out."""

    async def send(self, message: Message) -> None:
        """Hand a message over; returns once somebody else answers for it. Raises Away, Declined, Undeliverable."""

    async def close(self) -> None:
        """Let go of connections."""
