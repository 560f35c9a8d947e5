"""A watch beside its own loop: the straight lines may save time, and decide nothing."""

from collections.abc import Iterable

from gateway.protocols.amqp.confirms import Confirms
from gateway.protocols.amqp.line import Line
from gateway.protocols.amqp.rows import Rows
from gateway.protocols.amqp.watch import BrokerWatch, ClientWatch, Watch
from tests.unit.protocols.amqp.talk import FRAME_MAX, VENUE


class NoRows(Rows):
    """Never gets past anything."""

    def past(self, _chunk: bytes, at: int) -> int:
        return at


class ClientLoop(ClientWatch):
    """Looks at one frame after another."""

    def __init__(self, line: Line) -> None:
        super().__init__(line)
        self._rows = NoRows(line, frozenset())


class BrokerLoop(BrokerWatch):
    """Looks at one frame after another."""

    def __call__(self, chunk: bytes) -> bytes | None:
        return self._walk(chunk)


LOOPS = {ClientWatch: ClientLoop, BrokerWatch: BrokerLoop}


def fresh(kind: type[Watch], renumbers: bool = False) -> tuple[Watch, Line]:
    """Return a watch of a session that passes, with confirms on channel 1, and the line that it shares."""
    line = Line(VENUE, "")
    for stream in (line.up, line.down):
        stream.exact, stream.limit = False, FRAME_MAX - 8
    confirms = line.confirming[1] = Confirms()
    if renumbers:
        confirms.sent = 1
        confirms.swallow()
        line.renumbering[1] = confirms
    line.contents.switch(1)
    return kind(line), line


def noted(line: Line) -> object:
    """Everything that a watch notes."""
    streams = [
        (bytes(one.held or b""), one._need, one.exact, one.business, one.given, one.looked)
        for one in (line.up, line.down)
    ]
    contents = line.contents
    return streams, contents.current, contents.due, contents.parked, [one.sent for one in line.confirming.values()]


def agree(kind: type[Watch], chunks: Iterable[bytes], renumbers: bool = False) -> None:
    """The watch and its loop alone do the same with the same chunks."""
    (watch, line), (loop, other) = fresh(kind, renumbers), fresh(LOOPS[kind], renumbers)
    for chunk in chunks:
        came, due = watch(chunk), loop(chunk)
        assert (came, came is chunk) == (due, due is chunk)
        assert noted(line) == noted(other)
