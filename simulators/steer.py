"""Steers a simulator or the gateway as a process of its own: commands in, JSON events out, ended by pid.

It must not know what a scenario means; `simulators.demo` does.
"""

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

Event = dict[str, Any]


class StoryError(Exception):
    """What was expected did not happen; the text says what, and what was seen instead."""


class Process:
    """One child process that prints one JSON object a line.

    Invariants: `events` holds everything it said, in order; `until` never looks at the same event twice.
    """

    def __init__(self, name: str, arguments: Sequence[str], *, folder: Path) -> None:
        self.name = name
        self.events: list[Event] = []
        self._unseen: queue.Queue[Event] = queue.Queue()
        self._errors = (folder / f"{name}.err").open("w")
        self._child = subprocess.Popen(  # noqa: S603 - our own programs
            [sys.executable, "-m", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._child.stdout or ():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            self.events.append(event)
            self._unseen.put(event)

    def tell(self, do: str, **fields: object) -> Event:
        """Give a command and return its answer."""
        if self._child.stdin is None or self._child.poll() is not None:
            raise StoryError(f"{self.name} is not running")
        self._child.stdin.write(json.dumps({"do": do, **fields}) + "\n")
        self._child.stdin.flush()
        answer = self.until("answer", lambda event: event.get("do") == do or "error" in event)
        if "error" in answer:
            raise StoryError(f"{self.name} could not {do}: {answer['error']}")
        return answer

    def until(self, name: str, fits: Callable[[Event], bool] = lambda _: True, *, seconds: float = 30) -> Event:
        """Return the next event of that name that fits; StoryError if it does not come in time."""
        deadline = time.monotonic() + seconds
        passed = []
        while (left := deadline - time.monotonic()) > 0:
            try:
                event = self._unseen.get(timeout=min(left, 0.5))
            except queue.Empty:
                if self._child.poll() is not None and self._unseen.empty():
                    break
                continue
            if event.get("event") == name and fits(event):
                return event
            passed.append(event.get("event"))
        raise StoryError(f"{self.name} did not say {name!r} within {seconds:.0f} s; it said {passed or 'nothing'}")

    def forget(self) -> None:
        """Skip everything it said so far."""
        while not self._unseen.empty():
            self._unseen.get_nowait()

    def running(self) -> bool:
        """Say whether the process is still there."""
        return self._child.poll() is None

    def stop(self) -> int:
        """End it: SIGTERM, after 15 seconds SIGKILL. Return its exit code."""
        if self._child.poll() is None:
            self._child.terminate()
        try:
            code = self._child.wait(15)
        except subprocess.TimeoutExpired:
            self._child.kill()
            code = self._child.wait()
        self._reader.join(5)
        if self._child.stdin:
            self._child.stdin.close()
        self._errors.close()
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
