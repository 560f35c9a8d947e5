"""The AMQP measurements: loads over 1 and many connections, the proxy's CPU for each message, its memory idle and before a slow consumer."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bench import machine
from bench.broker import Broker
from bench.names import EXCHANGE_ACCOUNT
from bench.peers import Peer
from bench.rows import Numbers, Row, alternate, parsed

MANY = 24  # connections of the rows with many
PATIENCE = 60.0  # for one line of a generator
BACKLOG = {"size": 16_384, "count": 11_000}  # 180 MB
SAMPLE_SECONDS = 0.05
ADMIN = ":".join(EXCHANGE_ACCOUNT)


@dataclass(frozen=True, slots=True)
class Load:
    """One kind of traffic: its row's letter and title, the program that makes it and that program's options."""

    letter: str
    title: str
    program: str
    options: tuple[tuple[str, int], ...] = ()
    echoed: bool = False
    together: bool = False  # the proxy shares the core of generator and broker
    conns: tuple[int, ...] = (1, MANY)

    @property
    def native(self) -> bool:
        return self.program not in ("pika", "aio-pika")


LOADS = {
    "publish": Load("f", "publish", "publish", (("count", 50_000),)),
    "confirm": Load("g", "publish confirmed, pika", "pika"),
    "confirms": Load("g", "publish confirmed, aio-pika", "aio-pika"),
    "consume": Load("h", "consume", "consume", (("count", 50_000),)),
    "rpc": Load("i", "request and reply", "rpc", echoed=True),
    "together": Load("i", "the same, all on one core", "rpc", echoed=True, together=True, conns=(1,)),
}


@dataclass(slots=True)
class AmqpGenerator:
    """Runs a load on the broker's core; every run logs in as the next users, as the last may still be leaving."""

    program: Path
    logins: Path
    count: int
    broker: Broker
    turn: int = 0

    def command(self, load: str, peer: Peer, **options: object) -> list[str]:
        """The command line of one of the C generator's loads."""
        return self._command([str(self.program), load], peer, broker=self.broker.port, admin=ADMIN, **options)

    def library_command(self, library: str, peer: Peer, **options: object) -> list[str]:
        """The command line of a client library's publishing."""
        return self._command([sys.executable, "-m", "bench.amqp_clients", library], peer, **options)

    def _command(self, program: list[str], peer: Peer, **options: object) -> list[str]:
        texts = [f"{key}={value}" for key, value in options.items()]
        tls = ["tls=1"] if peer.tls else []
        return machine.pinned(machine.LOAD_CORE, [*program, str(peer.port), str(self.logins), *texts, *tls])

    def next_users(self, count: int) -> int:
        """The index of the first of `count` users that were not the last ones."""
        self.turn = self.turn + count if self.turn + 2 * count <= self.count else 0
        return self.turn

    @contextmanager
    def echo(self) -> Iterator[None]:
        """Somebody behind the broker who answers every order."""
        command = [str(self.program), "echo", str(self.broker.port), str(self.logins), f"admin={ADMIN}"]
        with conversation(machine.pinned(machine.LOAD_CORE, command)) as talk:
            talk.hear()
            yield


@dataclass(frozen=True, slots=True)
class Conversation:
    """A generator that tells a JSON object a line, and goes on at each line that it is sent."""

    said: IO[str]
    told: IO[str]

    def hear(self) -> Numbers:
        """The next line. Raises RuntimeError with the generator's reason; the process is bounded in time itself."""
        return parsed(self.said.readline())

    def go_on(self) -> None:
        self.told.write("\n")
        self.told.flush()


@contextmanager
def conversation(command: list[str]) -> Iterator[Conversation]:
    """End of standard input ends the generator, in its protocol's way; a deadline ends it in the other."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    deadline = threading.Timer(PATIENCE, process.kill)
    deadline.start()
    try:
        yield Conversation(process.stdout, process.stdin)
    finally:
        process.communicate()
        deadline.cancel()


def traffic(  # noqa: PLR0913, PLR0917  a row is its parameters
    generator: AmqpGenerator, peers: Sequence[Peer], rounds: int, seconds: float, load: Load, conns: int
) -> Row:
    """(f) to (i): messages a second, and what each costs the proxy; the CPU of login and logout is not in it."""
    options = {"seconds": seconds, "conns": conns, **dict(load.options)}
    command = generator.command if load.native else generator.library_command

    def measure(peer: Peer) -> Numbers:
        first = generator.next_users(conns)
        with conversation(command(load.program, peer, first=first, **options)) as talk:
            talk.hear()
            before = _cpu(peer)
            talk.go_on()
            numbers = talk.hear()
            used = _cpu(peer) - before
        return numbers | {"cpu": used / numbers["seconds"], "cpu_us": used / numbers["messages"] * 1e6}

    tls = ", TLS" if peers and peers[0].tls else ""
    row = Row(f"{load.letter}: {load.title}, {conns} conn.{tls}")
    with ExitStack() as stack:
        if load.echoed:
            stack.enter_context(generator.echo())
        if load.together:
            stack.enter_context(_moved(peers, machine.LOAD_CORE))
        return alternate(row, peers, rounds, measure)


@contextmanager
def _moved(peers: Sequence[Peer], core: int) -> Iterator[None]:
    """The proxies' loops on another core meanwhile."""
    pids = [peer.pid for peer in peers if peer.pid]
    try:
        for pid in pids:
            machine.move(pid, core)
        yield
    finally:
        for pid in pids:
            machine.move(pid, machine.PROXY_CORE)


def _cpu(peer: Peer) -> float:
    return machine.cpu_seconds(peer.pid) if peer.pid else 0.0


def backlog(generator: AmqpGenerator, peers: Sequence[Peer], seconds: float) -> Row:
    """(k): 180 MB wait for a consumer that takes 64 KiB every 10 ms for `seconds`; the proxy's resident memory at its highest."""
    row = Row("k: memory that 180 MB to a slow consumer take")

    def measure(peer: Peer) -> Numbers:
        peer.start()
        command = generator.command("backlog", peer, first=generator.next_users(1), seconds=seconds, **BACKLOG)
        try:
            with conversation(command) as talk:
                talk.hear()
                return _watched(peer, talk)
        finally:
            peer.stop()

    return alternate(row, peers, 1, measure)


def _watched(peer: Peer, talk: Conversation) -> Numbers:
    before = machine.resident_kib(peer.pid)
    with sampled(lambda: machine.resident_kib(peer.pid)) as samples:
        talk.go_on()
        numbers = talk.hear()
    return numbers | {"growth_mib": (max(samples) - before) / 1024, "resident_mib": max(samples) / 1024}


@contextmanager
def sampled(look: Callable[[], int]) -> Iterator[list[int]]:
    """What `look` gives, every twentieth of a second while the block runs; there is always one at least."""
    samples, over = [look()], threading.Event()

    def watch() -> None:
        while not over.wait(SAMPLE_SECONDS):
            samples.append(look())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()
