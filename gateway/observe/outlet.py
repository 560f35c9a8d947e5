"""Where log lines go out: a thread writes them, so that a reader who stalls or dies holds up no login and no session.

It must not block or raise towards whoever logs; lines that can't be written are dropped, counted, and owned up to.
"""

import contextvars
import os
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue

LIMIT = 10_000
"""Lines waiting at most: a few MB, some seconds of a busy day."""
BATCH = 256
PAUSE = 0.05
LAST_WORDS = 2.0
"""Seconds the end of the process waits for the lines that are still to go out."""


class Outlet:
    """A text file for one writer. Invariants: lines go out in order and whole; at most LIMIT wait."""

    def __init__(self, descriptor: int, lost: Callable[[int], None]) -> None:
        """Write to `descriptor`; `lost` is told, on the writing thread, how many lines were dropped."""
        self._descriptor = descriptor
        self._tell_lost = lost
        self._lost = 0
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        context = contextvars.copy_context()  # `lost` may log: with the keys of whoever made us
        self._thread = threading.Thread(target=context.run, args=(self._work,), name="log", daemon=True)
        self._thread.start()

    def write(self, text: str) -> None:
        """Take whole lines."""
        if self._lines.qsize() < LIMIT:
            self._lines.put(text)
        else:
            self._lost += 1

    def flush(self) -> None:
        """Do nothing: the thread is at it."""

    def close(self) -> None:
        """Wait, bounded, until everything has gone out."""
        self._lines.put(None)
        self._thread.join(LAST_WORDS)

    def _work(self) -> None:
        more = True
        while more:
            batch, more = self._batch()
            if self._written("".join(batch).encode("utf-8", "backslashreplace")):
                self._own_up()
            else:
                self._lost += len(batch)

    def _batch(self) -> tuple[list[str], bool]:
        """Return what waits, at least one line, and whether more may come."""
        batch, line = [], self._lines.get()
        while line is not None:
            batch.append(line)
            if len(batch) == BATCH:
                return batch, True
            try:
                line = self._lines.get_nowait()
            except Empty:
                return batch, True
        return batch, False

    def _written(self, data: bytes) -> bool:
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:  # somebody made the terminal or pipe we share non-blocking
                time.sleep(PAUSE)
            except OSError:
                return False
        return True

    def _own_up(self) -> None:
        lost, self._lost = self._lost, 0
        if lost:
            self._tell_lost(lost)
