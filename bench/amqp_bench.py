"""Rows f to k: the AMQP part of a run, on a broker and an exchange of its own."""

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

from bench import amqp_rows, machine, rows
from bench.broker import Broker
from bench.gateway_peer import GatewayAmqpPeer
from bench.peers import (
    AmqProxy,
    Direct,
    HAProxy,
    Nginx,
    Peer,
    Surroundings,
    UvloopPipe,
    make_logins,
    running,
    write_logins,
)

PEERS: dict[str, type[Peer]] = {
    kind.name: kind for kind in (Direct, HAProxy, AmqProxy, GatewayAmqpPeer, Nginx, UvloopPipe)
}
DEFAULT = ("direct", "haproxy", "amqproxy", "gateway")
LETTERS = "fghijk"
WITHOUT_TLS = (Direct, AmqProxy)  # what they speak to the client is the broker's business, or plain only
SESSIONS = 1000
USERS = 1024  # the most sessions, and the warm ones
BACKLOG_SECONDS = 2.0


class AmqpBench:
    """Measures the AMQP rows that were asked for into `results`; `notes` is told what was left out."""

    def __init__(self, options: argparse.Namespace, around: Surroundings, programs: machine.Programs) -> None:
        self.options = options
        self.programs = programs
        self.results: dict[str, rows.Row] = {}
        self.notes: list[str] = []
        self.ready: dict[str, float] = {}
        self._base = around

    def run(self) -> None:
        """Leave everything out, with a note, where no broker can be had."""
        if why := Broker.missing():
            self.notes.append(f"rows {', '.join(LETTERS)} are left out: {why}")
            return
        folder = self._base.folder / "amqp"
        folder.mkdir()
        logins = make_logins(USERS)
        broker = Broker(logins)
        with ExitStack() as stack:
            broker.start()
            stack.callback(broker.stop)
            around = replace(self._base, folder=folder, engine_port=broker.port, logins=logins)
            file = write_logins(folder / "logins", logins)
            self._measure(around, amqp_rows.AmqpGenerator(self.programs.amqp_load, file, USERS, broker))

    def _measure(self, around: Surroundings, generator: amqp_rows.AmqpGenerator) -> None:
        only = set(self.options.only)
        kinds = self.kinds()
        proxies = [kind for kind in kinds if kind is not Direct]
        if only & {load.letter for load in amqp_rows.LOADS.values()}:
            self._traffic(around, generator, kinds, tls=False)
            if self.programs.tls:
                self._traffic(around, generator, [kind for kind in kinds if kind not in WITHOUT_TLS], tls=True)
            else:
                self.notes.append("AMQP over TLS is left out: no OpenSSL headers (apt-get install libssl-dev)")
        if "j" in only:
            title = "j: resident memory per idle, logged-in AMQP connection"
            peers = [kind(around) for kind in proxies]
            self.results["memory-amqp"] = rows.memory(generator, peers, [SESSIONS], title)
        if "k" in only:
            peers = [kind(around) for kind in proxies]
            self.results["backlog"] = amqp_rows.backlog(generator, peers, BACKLOG_SECONDS)

    def kinds(self) -> list[type[Peer]]:
        """The peers asked for that can run here."""
        asked = [PEERS[name] for name in self.options.peers or DEFAULT if name in PEERS]
        self.notes += [f"{kind.name} is left out: {why}" for kind in asked if (why := kind.missing())]
        return [kind for kind in asked if kind.missing() is None]

    def _traffic(
        self, around: Surroundings, generator: amqp_rows.AmqpGenerator, kinds: Sequence[type[Peer]], *, tls: bool
    ) -> None:
        with running(kinds, around, self.notes, tls=tls) as peers:
            self.ready |= {f"{peer.name} (AMQP)": round(peer.ready_seconds, 3) for peer in peers if peer.pid}
            for name, load in amqp_rows.LOADS.items():
                if load.letter in self.options.only:
                    for conns in load.conns:
                        key = f"{name}-{conns}{'-tls' if tls else ''}"
                        self.results[key] = amqp_rows.traffic(
                            generator, peers, self.options.amqp_rounds, self.options.amqp_seconds, load, conns
                        )
