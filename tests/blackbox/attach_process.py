"""The sidecar as traders run it: `gateway attach` as a process, with its JSON log lines. It must not import the gateway."""

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any, Self

from tests.blackbox.gateway_process import COMMAND, PATIENCE

Line = dict[str, Any]


def key_file(path: Path, text: str, mode: int = 0o600) -> Path:
    """Write a key as its owner would."""
    path.write_text(text + "\n")
    path.chmod(mode)
    return path


class AttachProcess:
    """One sidecar. Invariant: nothing of it runs after the `async with`."""

    def __init__(self, folder: Path, upstream_port: int, secret: str, *arguments: str, stdin: str = "") -> None:
        self.lines: list[Line] = []
        self.output = ""
        self.port = 0
        self._stdin = stdin
        key = ("--key-stdin",) if stdin else ("--key-file", str(key_file(folder / "totp.key", secret)))
        where = ("--listen", "127.0.0.1:0", "--upstream", f"127.0.0.1:{upstream_port}")
        self._command = (*COMMAND, "attach", *where, *key, *arguments)
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            env=dict(os.environ),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(self._stdin.encode())
        self._process.stdin.close()
        self._reader = asyncio.create_task(self._read())
        self.port = (await self.until("attach_listening"))["port"]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.end(signal.SIGKILL)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait, and return the exit code."""
        assert self._process is not None
        assert self._reader is not None
        if self._process.returncode is None:
            self._process.send_signal(number)
        async with asyncio.timeout(PATIENCE):
            code = await self._process.wait()
            await self._reader
        return code

    def seen(self, event: str) -> list[Line]:
        """Return all log lines of that event so far."""
        return [line for line in self.lines if line.get("event") == event]

    async def until(self, event: str, count: int = 1) -> Line:
        """Wait for so many lines of an event; return the last."""
        assert self._process is not None
        try:
            async with asyncio.timeout(PATIENCE):
                while len(self.seen(event)) < count:
                    assert self._process.returncode is None, self.output
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"no {event} ({count})\n{self.output}") from None
        return self.seen(event)[count - 1]

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for raw in self._process.stdout:
            self.output += raw.decode(errors="replace")
            try:
                self.lines.append(json.loads(raw))
            except ValueError:
                self.lines.append({"text": raw.decode(errors="replace")})
