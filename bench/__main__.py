"""The command line of the bench: `python -m bench [--quick] [--only a,b] [--peers direct,haproxy,gateway]`."""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench import amqp_bench, certificate, machine, plot, report, rows
from bench.gateway_peer import GatewayArgon2Peer, GatewayPeer
from bench.peers import (
    Direct,
    Engine,
    HAProxy,
    Nginx,
    Peer,
    Surroundings,
    UvloopPipe,
    make_logins,
    running,
    write_logins,
)

PEERS: dict[str, type[Peer]] = {kind.name: kind for kind in (Direct, HAProxy, Nginx, UvloopPipe, GatewayPeer)}
RESULTS = Path(__file__).parent / "results"
FIX_LETTERS = "abcde"
SESSIONS = (1000, 5000)
LOGIN_THREADS = 16
USERS = 5040  # the most sessions and the warm ones, and a multiple of the login threads
PLACES = (
    ("rtt", machine.PROXY_CORE, "all on one core"),
    ("rtt-apart", machine.LOAD_CORE, "the proxy on a core of its own"),
)


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure the gateway beside HAProxy, nginx and no proxy at all."
    )
    parser.add_argument("--quick", action="store_true", help="rows a and b only, short rounds: under a minute")
    parser.add_argument(
        "--only",
        default=",".join(FIX_LETTERS + amqp_bench.LETTERS),
        help="rows. FIX: a round trip, b throughput, c both with TLS, d logins, e memory; AMQP: f publish, g publish with confirms, "
        "h consume, i request and reply, j memory, k backlog",
    )
    parser.add_argument("--peers", help=f"which peers, in this order, of {', '.join(PEERS | amqp_bench.PEERS)}")
    parser.add_argument("--rounds", type=int, help="rounds of a, b, c (default 7, quick 5) and f to i (default 3)")
    parser.add_argument(
        "--seconds", type=float, help="seconds per measurement of a, b, c (default 1.0, quick 0.5), g, i (default 0.7)"
    )
    parser.add_argument("--no-install", action="store_true", help="do not install missing Debian packages")
    options = parser.parse_args(given)
    options.only = ["a", "b"] if options.quick else options.only.split(",")
    options.peers = options.peers.split(",") if options.peers else None
    options.amqp_rounds = min(options.rounds or 3, 100)
    options.amqp_seconds = min(options.seconds or 0.7, 30.0)
    options.rounds = min(options.rounds or (5 if options.quick else 7), 100)
    options.seconds = min(options.seconds or (0.5 if options.quick else 1.0), 30.0)
    if unknown := [f"row {row}" for row in options.only if row not in FIX_LETTERS + amqp_bench.LETTERS] + [
        name for name in options.peers or () if name not in PEERS | amqp_bench.PEERS
    ]:
        parser.error(f"unknown: {', '.join(unknown)}")
    return options


class Measurement(Protocol):
    """A row of the bench over peers that are running."""

    def __call__(self, peers: list[Peer], *, tls: bool) -> None: ...


@dataclass(slots=True)
class Bench:
    """One run: what it has measured so far and what the reader must be told."""

    options: argparse.Namespace
    around: Surroundings
    generator: rows.Generator
    results: dict[str, rows.Row] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    ready: dict[str, float] = field(default_factory=dict)

    def run(self) -> None:
        only = self.options.only
        if "a" in only or "b" in only:
            self._with(self.kinds(), self._stream, tls=False)
        if "c" in only and not self.generator.programs.tls:
            self.notes.append("row c is left out: no OpenSSL headers (apt-get install libssl-dev)")
        elif "c" in only:
            self._with([kind for kind in self.kinds() if kind is not Direct], self._stream, tls=True)
        if "d" in only:
            kinds = self.kinds()
            self._with([*kinds, *([GatewayArgon2Peer] if GatewayPeer in kinds else [])], self._logins, tls=False)
        if "e" in only:
            peers = [kind(self.around) for kind in self.kinds() if kind is not Direct]
            self.results["memory"] = rows.memory(
                self.generator, peers, self._sizes(), "e: resident memory per idle session"
            )
        if set(amqp_bench.LETTERS) & set(only):
            self._amqp()

    def _amqp(self) -> None:
        part = amqp_bench.AmqpBench(self.options, self.around, self.generator.programs)
        try:
            part.run()
        except RuntimeError as error:
            self.notes.append(f"AMQP rows ended: {error}")
        self.results |= part.results
        self.ready |= part.ready
        self.notes += [note for note in part.notes if note not in self.notes]

    def kinds(self) -> list[type[Peer]]:
        """The peers asked for that can run here."""
        found = []
        for name in self.options.peers or PEERS:
            if name not in PEERS:
                continue
            why = PEERS[name].missing()
            if why is None:
                found.append(PEERS[name])
            elif (note := f"{name} is left out: {why}") not in self.notes:
                self.notes.append(note)
        return found

    def _with(self, kinds: Sequence[type[Peer]], measure: Measurement, *, tls: bool) -> None:
        with running(kinds, self.around, self.notes, tls=tls) as peers:
            for peer in peers:
                self.ready.setdefault(peer.name, round(peer.ready_seconds, 3))
            measure(peers, tls=tls)

    def _stream(self, peers: list[Peer], *, tls: bool) -> None:
        end, words = ("-tls", ", TLS to the client") if tls else ("", "")
        rounds, seconds = self.options.rounds, self.options.seconds
        if tls or "a" in self.options.only:
            for key, core, where in PLACES:
                title = f"{'c' if tls else 'a'}: round trip of a 177-byte NewOrderSingle, {where}{words}"
                self.results[key + end] = rows.round_trip(self.generator, peers, rounds, seconds, title, core=core)
        if tls or "b" in self.options.only:
            title = f"{'c' if tls else 'b'}: echoed messages, the proxy on one core{words}"
            self.results["flood" + end] = rows.flood(self.generator, peers, rounds, seconds, title)

    def _logins(self, peers: list[Peer], *, tls: bool) -> None:  # noqa: ARG002  rows share one shape
        beside: dict[str, Callable[[Peer], rows.Numbers]] = {
            GatewayPeer.name: lambda peer: {"one_cpu_ms": rows.one_login_cpu_ms(self.generator, peer, 3.0)},
            GatewayArgon2Peer.name: lambda _: {"alone_per_s": machine.alone("bench.gateway_peer")},
        }
        self.results["logins"] = rows.logins(self.generator, peers, 3, 3.0, LOGIN_THREADS, beside)

    def _sizes(self) -> list[int]:
        allowed = machine.raise_file_limit(65_536)
        sizes = [size for size in SESSIONS if size * 2 + 500 < allowed]
        if len(sizes) < len(SESSIONS):
            self.notes.append(f"row e stops at {max(sizes, default=0)} sessions: only {allowed} open files are allowed")
        return sizes


def main() -> int:
    options = arguments()
    notes = [] if options.no_install else machine.set_up()
    machine.raise_file_limit(65_536)
    with tempfile.TemporaryDirectory(prefix="bench-") as name, ExitStack() as stack:
        folder = Path(name)
        programs = machine.compile_programs(folder)
        logins = make_logins(USERS if {"d", "e"} & set(options.only) else 64)
        engine = Engine(programs)
        stack.callback(engine.stop)
        around = Surroundings(folder, engine.port, certificate.self_signed(folder / "bench.pem"), logins)
        file = write_logins(folder / "logins", logins)
        generator = rows.Generator(programs, file, len(logins), engine.process.pid)
        bench = Bench(options, around, generator, notes=notes)
        bench.run()
    finish(bench)
    return 0


def finish(bench: Bench) -> None:
    about = machine.description()
    aims = report.goals(bench.results, bench.ready.get("gateway"))
    about |= {
        "options": vars(bench.options),
        "ready_seconds": bench.ready,
        "notes": bench.notes,
    }
    report.print_all(bench.results, aims, bench.notes)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{about['utc']}.json"
    report.save(path, bench.results, aims, about)
    plot.draw(
        bench.results,
        f"{about['utc']} · {about['cpu']} · {about['cores']} cores · Linux {about['kernel']}",
        path.with_suffix(".png"),
    )
    print(f"ready after: {', '.join(f'{name} {seconds:.2f} s' for name, seconds in bench.ready.items())}")
    print(f"bench/results/{path.name} and .png")


if __name__ == "__main__":
    sys.exit(main())
