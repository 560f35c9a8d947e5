"""The gateway as users run it: `gateway serve --config FILE` as a process, with its JSON log lines.

The test hands over the configuration as TOML, in which `{port}`, `{admin}` and `{folder}` stand for a free port for
clients (`port`), the address of /readyz and the process's folder. It must not import the gateway.
"""

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from tests.blackbox.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (str(Path(sys.executable).with_name("gateway")),)
PATIENCE = 60.0  # seconds; a bound for a slow machine, never a measure
Line = dict[str, Any]


class GatewayProcess:
    """One gateway. Invariants: `lines` goes on over restarts; nothing of it runs after the `async with`."""

    def __init__(
        self, folder: Path, config: str, arguments: tuple[str, ...] = (), environment: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.admin_port = free_port()
        self.lines: list[Line] = []
        self.stderr: list[str] = []
        self.config_file = folder / "gateway.toml"
        self._arguments = arguments
        self._environment = {**os.environ, **(environment or {})}
        self._process: asyncio.subprocess.Process | None = None
        self._readers: list[asyncio.Task[None]] = []
        folder.mkdir(parents=True, exist_ok=True)
        self.configure(config)

    def configure(self, config: str) -> None:
        """Write the configuration that the next start reads."""
        places = {"{port}": self.port, "{admin}": f"127.0.0.1:{self.admin_port}", "{folder}": self.folder}
        for name, place in places.items():
            config = config.replace(name, str(place))
        self.config_file.write_text(config)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    @property
    def pid(self) -> int:
        """The process's id while it runs."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start and wait until /readyz says 200; AssertionError with its output if it ends or never gets there."""
        self._process = await asyncio.create_subprocess_exec(
            *(*COMMAND, "serve", "--config", str(self.config_file), *self._arguments),
            cwd=self.folder,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        self._readers = [asyncio.create_task(self._read_log()), asyncio.create_task(self._read_stderr())]
        try:
            async with asyncio.timeout(PATIENCE):
                while await self.get("/readyz") != 200:
                    assert self._process.returncode is None, self.report()
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"never ready\n{self.report()}") from None

    async def terminate(self) -> int:
        """SIGTERM; returns the exit code once it has ended."""
        return await self._end(signal.SIGTERM)

    async def kill(self) -> int:
        """SIGKILL; returns once it is gone."""
        return await self._end(signal.SIGKILL)

    async def restart(self, *, crash: bool = False) -> None:
        """End (in order, or by SIGKILL) and start again on the same folder and ports."""
        await (self.kill() if crash else self.terminate())
        await self.start()

    async def run(self, *arguments: str, stdin: str = "") -> str:
        """Run another command of the gateway (`user add`, `totp enroll` ...) in its folder; returns its output."""
        process = await asyncio.create_subprocess_exec(
            *(*COMMAND, *arguments),
            cwd=self.folder,
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(PATIENCE):
            output, errors = await process.communicate(stdin.encode())
        assert process.returncode == 0, f"{arguments}: {process.returncode}\n{output.decode()}\n{errors.decode()}"
        return output.decode()

    async def until(self, *, within: float = PATIENCE, after: int = 0, **match: object) -> Line:
        """Wait for a log line with these values, looking from line number `after` on."""
        try:
            async with asyncio.timeout(within):
                while not (found := self.seen(after=after, **match)):  # noqa: ASYNC110  a bounded poll
                    await asyncio.sleep(0.02)
                return found[0]
        except TimeoutError:
            raise AssertionError(f"no log line {match}\n{self.report()}") from None

    def seen(self, *, after: int = 0, **match: object) -> list[Line]:
        """Return all log lines so far that have these values, from line number `after` on."""
        return [line for line in self.lines[after:] if match.items() <= line.items()]

    async def logins(self, count: int, **match: object) -> list[Line]:
        """Return the lines of the logins so far that have these values, once there are `count`: answers come before lines."""
        try:
            async with asyncio.timeout(PATIENCE):
                while len(found := self.seen(event="login", **match)) < count:  # noqa: ASYNC110  a bounded poll
                    await asyncio.sleep(0.02)
                return found
        except TimeoutError:
            raise AssertionError(f"not {count} logins\n{self.report()}") from None

    async def get(self, path: str) -> int:
        """Return the status of an HTTP GET on the admin port; 0 when nobody answers."""
        return (await self._http(path))[0]

    async def page(self, path: str) -> str:
        """Return the body of an HTTP GET on the admin port (`/metrics`)."""
        return (await self._http(path))[1]

    async def until_recorded(self, event: str, times: int = 1, *, within: float = PATIENCE) -> None:
        """Wait until that event is in the audit record so often: the log line comes first, the store a moment later."""
        try:
            async with asyncio.timeout(within):
                while [row[0] for row in self.audited()].count(event) < times:  # noqa: ASYNC110  a bounded poll
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"{event} not {times} times in {self.audited()}\n{self.report()}") from None

    def audited(self) -> list[tuple[str, str, str]]:
        """Return event, reason and user of every row of the audit record (embedded store, read beside the gateway)."""
        with contextlib.closing(sqlite3.connect(f"file:{self.folder}/gateway.db?mode=ro", uri=True)) as database:
            return [tuple(row) for row in database.execute('SELECT event, reason, "user" FROM audit ORDER BY seq')]

    def report(self) -> str:
        """Return the last log lines and the standard error, to be shown when a test fails."""
        lines = "\n".join(f"  {line}" for line in self.lines[-60:])
        return f"--- gateway log\n{lines}\n--- stderr\n{''.join(self.stderr[-40:])}"

    # Inside.

    async def _http(self, path: str) -> tuple[int, str]:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.admin_port)
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
                head, _, body = (await reader.read()).decode(errors="replace").partition("\r\n\r\n")
                return (int(head.split()[1]), body) if head else (0, "")
            finally:
                writer.close()
        return 0, ""

    async def _end(self, number: signal.Signals) -> int:
        if self._process is None:
            return 0
        if self._process.returncode is None:
            self._process.send_signal(number)
        code = await self._process.wait()
        await asyncio.gather(*self._readers)
        return code

    async def _read_log(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            try:
                self.lines.append(json.loads(line))
            except ValueError:
                self.lines.append({"text": line.decode(errors="replace").rstrip()})

    async def _read_stderr(self) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            self.stderr.append(line.decode(errors="replace"))
