"""The measurements: which load runs against which peer, alternating, and what of each round is kept.

A peer that fails a round is reported with the reason; its numbers are never guessed.
"""

import json
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench import machine
from bench.peers import Peer

Numbers = dict[str, float]
WARM_SESSIONS = 20  # opened before the first look at the memory, so that lazily made things are in the base line


@dataclass(slots=True)
class Row:
    """One row of the result: for each peer the numbers of each round, in the order measured."""

    title: str
    rounds: dict[str, list[Numbers]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def median(self, peer: str, metric: str) -> float | None:
        values = [numbers[metric] for numbers in self.rounds.get(peer, []) if metric in numbers]
        return statistics.median(values) if values else None

    def ratio(self, peer: str, base: str, metric: str) -> float | None:
        """Median of the ratios of neighbours in time, so that a slow minute of the machine weighs on both."""
        pairs = zip(self.rounds.get(peer, []), self.rounds.get(base, []), strict=False)
        values = [one[metric] / other[metric] for one, other in pairs if one.get(metric) and other.get(metric)]
        return statistics.median(values) if values else None


@dataclass(slots=True)
class Generator:
    """Runs the C generator on the engine's core. Every run logs on as the next user, as the last one may still be leaving."""

    programs: machine.Programs
    logins: Path
    count: int
    engine: int
    core: int = machine.LOAD_CORE
    turn: int = 0

    def place(self, core: int) -> None:
        """Move generator and engine, the two together, to a core."""
        self.core = core
        machine.move(self.engine, core)

    def command(self, load: str, peer: Peer, **options: object) -> list[str]:
        tls = ["tls=1"] if peer.tls else []
        texts = [f"{key}={value}" for key, value in options.items()]
        return machine.pinned(
            self.core, [str(self.programs.load), load, str(peer.port), str(self.logins), *texts, *tls]
        )

    def run(self, load: str, peer: Peer, patience: float = 60, **options: object) -> Numbers:
        """One bounded run. Raises RuntimeError with the generator's reason."""
        done = subprocess.run(
            self.command(load, peer, **options), capture_output=True, text=True, timeout=patience, check=False
        )
        return parsed(done.stdout or done.stderr)

    def next_user(self) -> int:
        self.turn = (self.turn + 1) % self.count
        return self.turn


def parsed(line: str) -> Numbers:
    """What a generator said. Raises RuntimeError with its reason, or with what it said instead of JSON."""
    try:
        answer = json.loads(line)
    except ValueError:
        raise RuntimeError(f"the generator said: {line[:300]!r}") from None
    if "error" in answer:
        raise RuntimeError(str(answer["error"]))
    numbers: Numbers = answer
    return numbers


def alternate(row: Row, peers: Sequence[Peer], rounds: int, measure: Callable[[Peer], Numbers]) -> Row:
    """A B C D A B C D: a peer that failed is not asked again."""
    for _ in range(rounds):
        for peer in peers:
            if any(text.startswith(f"{peer.name}:") for text in row.failures):
                continue
            try:
                numbers = measure(peer)
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                row.failures.append(f"{peer.name}: {error}")
            else:
                row.rounds.setdefault(peer.name, []).append(numbers)
    return row


def round_trip(  # noqa: PLR0913  a row is its parameters
    generator: Generator, peers: Sequence[Peer], rounds: int, seconds: float, title: str, *, core: int
) -> Row:
    """(a): one 177-byte NewOrderSingle in flight, microseconds; generator and engine run on `core` meanwhile."""
    generator.place(core)

    def measure(peer: Peer) -> Numbers:
        return generator.run("rtt", peer, seconds=seconds, first=generator.next_user())

    try:
        return alternate(Row(title), peers, rounds, measure)
    finally:
        generator.place(machine.LOAD_CORE)


def flood(generator: Generator, peers: Sequence[Peer], rounds: int, seconds: float, title: str) -> Row:
    """(b): a window of bytes in flight; `cpu` is the share of its core that the proxy used."""

    def measure(peer: Peer) -> Numbers:
        before = machine.cpu_seconds(peer.pid) if peer.pid else 0.0
        numbers = generator.run("flood", peer, seconds=seconds, first=generator.next_user())
        used = machine.cpu_seconds(peer.pid) - before if peer.pid else 0.0
        return numbers | {"cpu": used / numbers["seconds"]}

    return alternate(Row(title), peers, rounds, measure)


def logins(  # noqa: PLR0913, PLR0917  a row is its parameters
    generator: Generator,
    peers: Sequence[Peer],
    rounds: int,
    seconds: float,
    threads: int,
    beside: Mapping[str, Callable[[Peer], Numbers]],
) -> Row:
    """(d): connect, Logon, answer, Logout, answer, close; `threads` at a time, each with users of its own.

    `beside` are numbers of a peer that are taken right after its own, in each round.
    """
    row = Row("d: logins a second")

    def measure(peer: Peer) -> Numbers:
        numbers, why = _logins(generator, peer, seconds, threads)
        if numbers["refused"]:
            row.failures.append(f"{peer.name} refused {numbers['refused']:.0f} of the logins: {why}")
        return numbers | (beside[peer.name](peer) if peer.name in beside else {})

    return alternate(row, peers, rounds, measure)


def one_login_cpu_ms(generator: Generator, peer: Peer, seconds: float) -> float:
    """CPU milliseconds of the proxy for a login that has nobody beside it to share a commit with."""
    return _logins(generator, peer, seconds, 1)[0]["cpu_ms"]


def _logins(generator: Generator, peer: Peer, seconds: float, threads: int) -> tuple[Numbers, str]:
    """One run of logins, the proxy's CPU included; why the last was refused, if any was."""
    before = machine.cpu_seconds(peer.pid) if peer.pid else 0.0
    numbers = generator.run("logins", peer, seconds=seconds, threads=threads)
    used = machine.cpu_seconds(peer.pid) - before if peer.pid else 0.0
    why = str(numbers.pop("why", ""))
    return numbers | {"cpu": used / numbers["seconds"], "cpu_ms": used / numbers["logins"] * 1e3}, why


class Commands(Protocol):
    """A generator as far as row e needs it: the command line of its load "idle"."""

    def command(self, load: str, peer: Peer, **options: object) -> list[str]: ...


def memory(generator: Commands, peers: Sequence[Peer], sizes: Sequence[int], title: str, settle: float = 2.0) -> Row:
    """(e, j): growth of resident memory per open, logged-on, silent session, KiB; each peer freshly started for it."""
    row = Row(title)

    def measure(peer: Peer) -> Numbers:
        peer.start()
        try:
            return _grow(generator, peer, sizes, settle)
        finally:
            peer.stop()

    return alternate(row, peers, 1, measure)


def _grow(generator: Commands, peer: Peer, sizes: Sequence[int], settle: float) -> Numbers:
    steps = ",".join(str(WARM_SESSIONS + size) for size in (0, *sizes))
    command = generator.command("idle", peer, steps=steps, threads=8)
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    numbers: Numbers = {}
    try:
        for size in (0, *sizes):
            parsed(process.stdout.readline())
            time.sleep(settle)
            resident = machine.resident_kib(peer.pid)
            numbers[f"resident_{size}"] = resident
            if size:
                numbers[f"kib_per_session_{size}"] = (resident - numbers["resident_0"]) / size
            process.stdin.write("\n")
            process.stdin.flush()
    finally:
        process.stdin.close()
        process.stdout.close()
        process.terminate()
        process.wait(10)
    return numbers
