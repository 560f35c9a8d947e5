"""`--workers N`: a parent that starts N copies of this very program on the same ports, and keeps them going.

A worker inherits one pipe: it says on it every second whether it is ready, and ends by itself when the parent is
gone. The parent alone serves health and metrics, which it adds up over the workers (prometheus_client's files).
"""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field

from prometheus_client import multiprocess

from gateway.observe.journal import Journal

INDEX, PIPE, METRICS = "_GATEWAY_WORKER", "_GATEWAY_WORKER_PIPE", "PROMETHEUS_MULTIPROC_DIR"
BEAT = 1.0
SILENCE = 10.0
"""Seconds without a word after which a worker counts as not ready: longer than a store may take to answer it."""
MARGIN = 15.0
"""Seconds a worker may take to stop, beyond the grace it gives its sessions."""
BACKOFF, BACKOFF_LIMIT = 0.5, 10.0
STEADY = 30.0
"""Seconds a worker must have lived for its next crash to count as the first."""

Ready = Callable[[], Awaitable[bool]]
WhileReady = Callable[[Ready], contextlib.AbstractAsyncContextManager[None]]
"""What runs beside the workers and asks whether all of them are ready."""


@dataclass(frozen=True, slots=True)
class Place:
    """A worker's own number, from 1, and its end of the pipe to the parent."""

    index: int
    pipe: int

    @contextlib.asynccontextmanager
    async def reporting(self, ready: Ready, orphaned: Callable[[], None]) -> AsyncIterator[None]:
        """Say every second whether this worker is ready; call `orphaned` when nobody listens any more."""
        task = asyncio.create_task(self._report(ready, orphaned))
        try:
            yield
        finally:
            task.cancel()

    async def _report(self, ready: Ready, orphaned: Callable[[], None]) -> None:
        os.set_blocking(self.pipe, False)
        while True:
            try:
                os.write(self.pipe, b"1" if await ready() else b"0")
            except BlockingIOError:
                pass  # the parent is busy; it has older news to read
            except OSError:
                orphaned()
                return
            await asyncio.sleep(BEAT)


def worker_place() -> Place | None:
    """Return this process's place as a worker; None where it is the parent or the only one."""
    index, pipe = os.environ.pop(INDEX, ""), os.environ.pop(PIPE, "")
    return Place(int(index), int(pipe)) if index and pipe else None


async def supervise(
    count: int,
    grace: float,
    admin: WhileReady,
    informed: WhileReady,
    journal: Journal,
) -> int:
    """Run `count` workers until SIGTERM or SIGINT; return 0, or the code of a worker that could not even start.

    `admin` runs until the last of them has ended, `informed` until they are told to.
    """
    with _metrics_files() as files:
        workers = [_Worker(index, files, journal) for index in range(1, count + 1)]
        async with admin(_all_ready(workers)):
            return await _watch_over(workers, grace, informed, journal)


async def _watch_over(workers: "list[_Worker]", grace: float, informed: WhileReady, journal: Journal) -> int:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _passed_on, workers, stop)
    loop.add_signal_handler(signal.SIGHUP, _tell, workers, signal.SIGHUP)
    lives = [asyncio.create_task(worker.live(stop)) for worker in workers]
    stopped = asyncio.create_task(stop.wait())
    async with informed(_all_ready(workers)):
        await asyncio.wait([*lives, stopped], return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    _tell(workers, signal.SIGTERM)
    _, late = await asyncio.wait(lives, timeout=grace + MARGIN)
    if late:
        journal.warn("workers_killed", count=len(late))
        _tell(workers, signal.SIGKILL)
        await asyncio.wait(lives)
    stopped.cancel()
    return max(life.result() for life in lives)


def _passed_on(workers: "list[_Worker]", stop: asyncio.Event) -> None:
    if stop.is_set():  # the second signal: no more grace
        _tell(workers, signal.SIGTERM)
    stop.set()


def _tell(workers: "list[_Worker]", number: signal.Signals) -> None:
    for worker in workers:
        worker.signal(number)


def _all_ready(workers: "list[_Worker]") -> Ready:
    async def ready() -> bool:
        now = asyncio.get_running_loop().time()
        return all(worker.ready and now - worker.heard < SILENCE for worker in workers)

    return ready


@contextlib.contextmanager
def _metrics_files() -> Iterator[str]:
    files = tempfile.mkdtemp(prefix="gateway-metrics-")
    os.environ[METRICS] = files
    try:
        yield files
    finally:
        del os.environ[METRICS]
        shutil.rmtree(files, ignore_errors=True)


@dataclass(slots=True)
class _Worker:
    """One worker, over all its lives. Invariant: at most one process of it runs."""

    index: int
    metrics: str
    journal: Journal
    ready: bool = False
    heard: float = 0.0
    _ever: bool = False
    _process: asyncio.subprocess.Process | None = field(default=None)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it runs."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def live(self, stop: asyncio.Event) -> int:
        """Run, and run again after a crash, until `stop`; end with the code of a process that was never ready."""
        loop = asyncio.get_running_loop()
        delay = BACKOFF
        while not stop.is_set():
            began = loop.time()
            code = await self._once()
            if stop.is_set():
                return 0
            if not self._ever:
                return code or 1
            delay = BACKOFF if loop.time() - began > STEADY else min(2 * delay, BACKOFF_LIMIT)
            self.journal.warn("worker_ended", worker=self.index, detail=f"exit code {code}; again in {delay} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), delay)
        return 0

    async def _once(self) -> int:
        reading, writing = os.pipe()
        environment = os.environ | {INDEX: str(self.index), PIPE: str(writing), METRICS: self.metrics}
        try:
            process = self._process = await asyncio.create_subprocess_exec(
                *_same_program(), env=environment, pass_fds=(writing,), start_new_session=True
            )
        finally:
            os.close(writing)
        loop = asyncio.get_running_loop()
        os.set_blocking(reading, False)
        loop.add_reader(reading, self._hear, reading)
        try:
            return await process.wait()
        finally:
            loop.remove_reader(reading)
            os.close(reading)
            self.ready = False
            multiprocess.mark_process_dead(process.pid)  # type: ignore[no-untyped-call]

    def _hear(self, reading: int) -> None:
        news = os.read(reading, 4096)
        if not news:
            asyncio.get_running_loop().remove_reader(reading)
        self.ready, self.heard = news.endswith(b"1"), asyncio.get_running_loop().time()
        self._ever = self._ever or self.ready


def _same_program() -> list[str]:
    """Return the command line of this process, whatever started it: `gateway`, `python -m gateway`, ..."""
    return [sys.executable, *sys.orig_argv[1:]]
