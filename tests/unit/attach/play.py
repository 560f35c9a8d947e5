"""The sidecar's passages, played without a socket: a clock that tests turn, and what a passage answers to what it is told."""

import base64
from dataclasses import replace

from gateway.attach.dialects import dialects
from gateway.attach.key import parse_key
from gateway.attach.passage import Passage, Patience, Say, Wake
from gateway.attach.turns import Turns
from gateway.core.dialect import Side
from gateway.core.events import Received, Send, Ticked
from gateway.core.login import Moment
from gateway.protocols.registry import Venue

KEY = parse_key(base64.b32encode(b"12345678901234567890").decode(), "test")
STEP = 1_000_000


class Play:
    """A clock, a Turns, and passages that share it."""

    def __init__(self, venue: Venue, hold: float = 31.0) -> None:
        self.turns = Turns(30)
        self.now = Moment(100.0, STEP * 30.0 + 10)
        self._dialect = dialects(venue, KEY)
        self._hold = hold

    def client(self) -> Passage:
        return Passage(self.turns, self._dialect(), Patience(hold=self._hold), self.now)

    def later(self, seconds: float) -> None:
        self.now = replace(self.now, mono=self.now.mono + seconds, wall=self.now.wall + seconds)

    def gives(self, passage: Passage, event) -> list:
        return passage.handle(event, self.now)

    def says(self, passage: Passage, data: bytes) -> list:
        return self.gives(passage, Received(Side.CLIENT, data, self.now))

    def hears(self, passage: Passage, data: bytes) -> list:
        return self.gives(passage, Received(Side.UPSTREAM, data, self.now))

    def waited(self, passage: Passage, limit: float = 100.0) -> list:
        """Tick, as the Wakes ask for it, until something else happens."""
        while limit > 0:
            self.later(0.5)
            limit -= 0.5
            found = self.gives(passage, Ticked())
            if any(not isinstance(action, Wake) for action in found):
                return found
        raise AssertionError("nothing ever happened")


def sent(actions) -> list[bytes]:
    return [action.data for action in actions if isinstance(action, Send) and action.side is Side.UPSTREAM]


def said(actions) -> list[str]:
    return [action.event for action in actions if isinstance(action, Say)]
