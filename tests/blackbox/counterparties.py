"""The two QuickFIX engines as objects of a test: `Engine` (the exchange) and `Algo` (the trading algorithm).

Each is a process of its own, because QuickFIX's sessions are global to a process. It is steered by JSON lines, outlives
restarts (`kill`, `start`) with its store folder, and keeps what it saw over them. It must not import the gateway.
"""

import asyncio
import itertools
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.blackbox.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0  # seconds; a bound for a slow machine, never a measure
_LONGEST_LINE = 2**24  # an account of thousands of messages
Event = dict[str, Any]


@dataclass(frozen=True)
class Side:
    """One side's account of itself. `received` and `sent` hold ids in order; `received` shows duplicates."""

    next_sender: int
    next_target: int
    logged_on: bool
    received: list[str]
    sent: list[str]


@dataclass
class Steered:
    """A simulator process with its events.

    Invariants: `events`, and with them what `state` says was sent and received, go on over restarts; `until` never returns the same event twice.
    """

    store: Path
    arguments: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    module: str = ""
    taken_by: str = ""
    sent_by: frozenset[str] = frozenset()
    events: list[Event] = field(default_factory=list)
    stderr: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._readers: list[asyncio.Task[None]] = []
        self._changed = asyncio.Condition()
        self._consumed: dict[str, int] = {}
        self._ids = itertools.count(1)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end_now()

    async def start(self) -> Event:
        """Start the process on its store folder; returns its `ready` event."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            self.module,
            *("--json", "--store", str(self.store), *self._own_arguments(), *self.arguments),
            cwd=ROOT,
            env={**os.environ, **self.environment},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_LONGEST_LINE,
        )
        self._readers = [asyncio.create_task(self._read_events()), asyncio.create_task(self._read_stderr())]
        return await self.until("ready")

    async def stop(self) -> None:
        """Log out in order and end."""
        await self.ask("stop")
        await self._ended()

    async def kill(self) -> None:
        """SIGKILL, once its store has counted every message it told of; the store stays."""
        await self.counted()
        await self._end_now()

    async def counted(self) -> None:
        """Wait until the store's numbers are past every message that the process told of.

        QuickFIX hands a message over first and counts it then. Killed in between it asks for it again and gets it with
        PossDupFlag(43)=Y, as FIX has it: what the test saw would arrive twice.
        """
        async with asyncio.timeout(PATIENCE):
            while await self._behind():  # noqa: ASYNC110  a bounded poll
                await asyncio.sleep(0.01)

    async def ask(self, do: str, *, within: float = PATIENCE, **fields: object) -> Event:
        """Give a command and return its answer; AssertionError with the answer's text if it was refused."""
        assert self._process is not None
        assert self._process.stdin is not None
        number = next(self._ids)
        self._process.stdin.write(json.dumps({"do": do, "id": number, **fields}).encode() + b"\n")
        await self._process.stdin.drain()
        answer = await self.until("answer", within=within, id=number)
        assert "error" not in answer, answer["error"]
        return answer

    async def until(self, name: str, *, within: float = PATIENCE, **match: object) -> Event:
        """Wait for the next event of that name (and values) that no earlier `until` returned."""
        try:
            async with asyncio.timeout(within), self._changed:
                while (found := self._next(name, match)) is None:
                    self._check_alive()
                    await self._changed.wait()
                return found
        except TimeoutError:
            raise AssertionError(f"no {name} {match or ''} within {within} s\n{self.report()}") from None

    async def state(self, session: str = "") -> Side:
        """Return next MsgSeqNums of the store and the ids received and sent, over all restarts."""
        answer = await self.ask("state", session=session)
        events = [event for event in self.events if session in ("", event.get("session"))]
        received = [event[self._takes] for event in events if event["event"] == self.taken_by]
        sent = [event[self._gives] for event in events if event["event"] in self.sent_by]
        return Side(answer["next_sender"], answer["next_target"], answer["logged_on"], received, sent)

    def seen(self, name: str, **match: object) -> list[Event]:
        """Return all events of that name so far, consumed or not."""
        return [event for event in self.events if event["event"] == name and match.items() <= event.items()]

    def latest(self, *names: str) -> str:
        """Return which of these events came last, or none."""
        return next((event["event"] for event in reversed(self.events) if event["event"] in names), "")

    def forget(self, *names: str) -> None:
        """Let `until` look only at what comes from now on (for all events, or those named)."""
        for name in names or {event["event"] for event in self.events}:
            self._consumed[name] = len(self.events)

    def sockets(self) -> set[str]:
        """Return the inodes of the process's sockets, as /proc/net/tcp names them."""
        assert self._process is not None
        links = [str(link.readlink()) for link in Path(f"/proc/{self._process.pid}/fd").iterdir()]
        return {link[len("socket:[") : -1] for link in links if link.startswith("socket:[")}

    def report(self) -> str:
        """Return the last events and the standard error, to be shown when a test fails."""
        events = "\n".join(f"  {event}" for event in self._news()[-40:])
        return f"--- {self.module} events\n{events}\n--- stderr\n{''.join(self.stderr[-40:])}"

    # Inside.

    _takes = ""
    _gives = ""

    def _own_arguments(self) -> tuple[str, ...]:
        return ()

    def _news(self) -> list[Event]:
        """All events but the answers to `state`, of which a waiting test makes hundreds."""
        return [event for event in self.events if event.get("do") != "state"]

    async def _behind(self) -> bool:
        """Say whether a store still expects a message that was taken."""
        stored = {name: (await self.ask("state", session=name))["next_target"] for name in self._taken_up_to()}
        return any(stored.get(name, 0) <= number for name, number in self._taken_up_to().items())

    def _taken_up_to(self) -> dict[str, int]:
        """The MsgSeqNum of the last message taken on each session, as far as it still counts."""
        numbers: dict[str, int] = {}
        for event in self.events:
            if event["event"] == "ready":
                numbers.clear()
            elif event["event"] == self.taken_by:
                numbers[event["session"]] = int(event["seq"])
            elif event["event"] == "disconnect" or _resets(
                event
            ):  # whatever came before has been counted, or counts no more
                numbers.pop(event["session"], None)
        return numbers

    def _next(self, name: str, match: dict[str, object]) -> Event | None:
        start = self._consumed.get(name, 0)
        for position, event in enumerate(self.events[start:], start):
            if event["event"] == name and match.items() <= event.items():
                if name != "answer":  # answers carry an id; they may be fetched in any order
                    self._consumed[name] = position + 1
                return event
        return None

    def _check_alive(self) -> None:
        assert self._process is not None, f"{self.module} is not running"
        if self._process.returncode is not None and all(reader.done() for reader in self._readers):
            raise AssertionError(f"{self.module} ended with {self._process.returncode}\n{self.report()}")

    async def _read_events(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            async with self._changed:
                self.events.append(json.loads(line))
                self._changed.notify_all()
        await self._process.wait()
        await asyncio.sleep(0)
        async with self._changed:
            self._changed.notify_all()

    async def _read_stderr(self) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            self.stderr.append(line.decode(errors="replace"))

    async def _end_now(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
        await self._ended()

    async def _ended(self) -> None:
        if self._process is not None:
            await self._process.wait()
            await asyncio.gather(*self._readers)
            if self._process.stdin is not None:
                self._process.stdin.close()


def _resets(event: Event) -> bool:
    """Say whether a Logon began the numbers again."""
    return event["event"] == "logon-received" and event["fields"].get("141") == "Y"


@dataclass
class Engine(Steered):
    """The exchange. `port` is its own, and kept over restarts."""

    port: int = field(default_factory=free_port)
    module: str = "simulators.fix_exchange"
    taken_by: str = "order"
    sent_by: frozenset[str] = frozenset({"report", "fill"})
    _takes = "cl_ord_id"
    _gives = "exec_id"

    async def send(self, count: int = 1, session: str = "") -> list[str]:
        """Send unsolicited ExecutionReports, or leave them in the store when the algorithm is away."""
        return list((await self.ask("send", count=count, session=session))["exec_ids"])

    async def behave(self, logon: str, text: str = "Logon refused") -> None:
        """Set what the next Logons meet: accept, refuse, silent, close."""
        await self.ask("behaviour", logon=logon, text=text)

    def _own_arguments(self) -> tuple[str, ...]:
        return ("--port", str(self.port))


@dataclass
class Algo(Steered):
    """The trading algorithm. It connects to `port` by itself once started; `wait=True` lets it wait for `logon`."""

    port: int = 0
    user: str = ""
    password: str = ""
    totp_secret: str = ""
    wait: bool = False
    reconnect: int = 1
    module: str = "simulators.fix_client"
    taken_by: str = "report"
    sent_by: frozenset[str] = frozenset({"order", "cancel"})
    _takes = "exec_id"
    _gives = "cl_ord_id"

    def __post_init__(self) -> None:
        super().__post_init__()
        secrets = {"FIX_CLIENT_PASSWORD": self.password, "FIX_CLIENT_TOTP_SECRET": self.totp_secret}
        self.environment = {**secrets, **self.environment}

    async def order(self, *cl_ord_ids: str) -> None:
        """Send one NewOrderSingle for each id; off line they wait in the store."""
        for cl_ord_id in cl_ord_ids:
            await self.ask("order", cl_ord_id=cl_ord_id)

    async def orders(self, count: int, prefix: str = "order") -> list[str]:
        """Send that many NewOrderSingles; returns their ClOrdIDs."""
        return list((await self.ask("order", count=count, prefix=prefix))["cl_ord_ids"])

    async def code(self, value: str, steps: int = 0) -> None:
        """Set the next Logons' code: auto (steps=-1: the one just over), freeze, none, or digits."""
        await self.ask("code", value=value, steps=steps)

    async def logon(self, *, reset: bool = False, expect: str = "logon", within: float = PATIENCE) -> Event:
        """Connect again and wait for the session (`expect="logout"` or `"disconnect"` for a refusal)."""
        await self.ask("logon", reset=reset)
        return await self.until(expect, within=within)

    async def logout(self, text: str = "") -> None:
        """Log out in order and stay away."""
        await self.ask("logout", text=text)
        await self.until("disconnect")

    async def drop(self) -> None:
        """Break the line without a Logout and stay away."""
        await self.ask("drop", stay=True)
        await self.until("disconnect")

    def _own_arguments(self) -> tuple[str, ...]:
        fixed = ("--port", str(self.port), "--user", self.user, "--reconnect", str(self.reconnect))
        return (*fixed, "--wait") if self.wait else fixed


def stored_numbers(store: Path, begin_string: str, sender: str, target: str) -> tuple[int, int]:
    """Return (next sender, next target) as a stopped engine left them in its file store."""
    text = (store / f"{begin_string}-{sender}-{target}.seqnums").read_text()
    first, second = text.split(":")
    return int(first), int(second)
