"""The hot path: what happens to a chunk once the session passes.

No await, no lock, no log, no clock, and no allocation but the watcher's own. Everything else of a
connection is in `gateway.net.connection`.
"""

from collections.abc import Callable

from gateway.core.dialect import Watch

Sink = Callable[[bytes], None]


def pump(watch: Watch, write: Sink, dialect: Sink) -> Sink:
    """Return the `data_received` of one direction: forward what the watcher lets by, give the rest to the dialect.

    `write` is the other connection's bound `transport.write`; `dialect` takes chunks that need the exact look.
    """
    look = watch.__call__  # bound: calling an object's type costs as much again

    def data_received(chunk: bytes) -> None:
        out = look(chunk)
        if out is None:
            dialect(chunk)
        elif out:
            write(out)

    return data_received


def discard(_chunk: bytes) -> None:
    """Drop bytes that arrive at a closing connection."""
