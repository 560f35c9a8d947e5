"""What stands between generator and engine: nothing, HAProxy, nginx, a raw uvloop pipe (the gateway is in gateway_peer.py).

Every peer is one process on one core, listens on 127.0.0.1 and carries the same bytes. Vendors' defaults stay as they are.
"""

import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, ClassVar

from bench import machine

MAX_SESSIONS = 9_000  # two files each must fit under the machine's limit of open files


@dataclass(frozen=True, slots=True)
class Login:
    """One user of the bench; the key is the TOTP key in hex."""

    sender: str
    target: str
    user: str
    password: str
    key: str


def make_logins(count: int) -> list[Login]:
    """As many users as sessions will be open at once; one key for all, as the bench is not about keys."""
    return [
        Login(f"B{i:05d}", "EXCHANGE", f"bench{i:05d}", "Bench-pass-w0rd", "3132333435363738393031323334353637383930")
        for i in range(count)
    ]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every peer is given: a private folder, the engine's port, a PEM with certificate and key, all logins."""

    folder: Path
    engine_port: int
    pem: Path
    logins: Sequence[Login]
    repository: Path = field(default=Path(__file__).resolve().parent.parent)


class Peer(ABC):
    """Started once, measured often, stopped once. `port` and `pid` are valid between start and stop; pid 0 is no process."""

    name: ClassVar[str]

    def __init__(self, around: Surroundings, *, tls: bool = False) -> None:
        self.around = around
        self.tls = tls
        self.port = 0
        self.pid = 0
        self.ready_seconds = 0.0

    @classmethod
    def missing(cls) -> str | None:
        """Why this peer can't run here, or None."""
        return None

    @abstractmethod
    def start(self) -> None:
        """Return when a connection is accepted. Raises RuntimeError with the process's last words when it is not."""

    @abstractmethod
    def stop(self) -> None:
        """End the process that start() made, and no other."""


class Direct(Peer):
    name = "direct"

    def start(self) -> None:
        self.port = self.around.engine_port

    def stop(self) -> None:
        """Nothing was started."""


class ProcessPeer(Peer):
    """A peer that is a process of ours, pinned to the proxies' core, its output in a file of the folder."""

    process: subprocess.Popen[bytes] | None = None
    log: IO[bytes] | None = None
    patience_seconds: ClassVar[float] = 15.0

    @property
    def folder(self) -> Path:
        folder = self.around.folder / (self.name + ("-tls" if self.tls else ""))
        folder.mkdir(exist_ok=True)
        return folder

    @abstractmethod
    def command(self) -> list[str]:
        """Write the configuration for self.port and return the command line."""

    def start(self) -> None:
        self.port = machine.free_port()
        command = machine.pinned(machine.PROXY_CORE, self.command())
        self.log = (self.folder / "output").open("wb")
        before = time.monotonic()
        self.process = subprocess.Popen(
            command, cwd=self.around.repository, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log
        )
        self.pid = self.process.pid
        self._await_port(before + self.patience_seconds)
        self.ready_seconds = time.monotonic() - before

    def _await_port(self, deadline: float) -> None:
        while time.monotonic() < deadline and self.process is not None and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.005)
            else:
                return
        self.stop()
        raise RuntimeError(f"{self.name} does not listen: {(self.folder / 'output').read_text()[-2000:]}")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        if self.log is not None:
            self.log.close()
        self.process, self.log, self.pid = None, None, 0


class HAProxy(ProcessPeer):
    name = "haproxy"

    @classmethod
    def missing(cls) -> str | None:
        return None if machine.tool("haproxy") else "haproxy is not installed (apt-get install haproxy)"

    def command(self) -> list[str]:
        config = self.folder / "haproxy.cfg"
        tls = f" ssl crt {self.around.pem}" if self.tls else ""
        config.write_text(
            f"global\n  nbthread 1\n  maxconn {MAX_SESSIONS}\n"
            "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n"
            f"frontend client\n  bind 127.0.0.1:{self.port} backlog 4096{tls}\n  default_backend engine\n"
            f"backend engine\n  server engine 127.0.0.1:{self.around.engine_port}\n"
        )
        return [machine.tool("haproxy") or "haproxy", "-db", "-f", str(config)]


class Nginx(ProcessPeer):
    name = "nginx"

    @classmethod
    def missing(cls) -> str | None:
        if machine.tool("nginx") is None:
            return "nginx is not installed (apt-get install nginx-light)"
        return (
            None
            if machine.NGINX_STREAM.exists()
            else "nginx has no stream module (apt-get install libnginx-mod-stream)"
        )

    def command(self) -> list[str]:
        config = self.folder / "nginx.conf"
        tls = (
            f"    ssl_protocols TLSv1.3;\n    ssl_certificate {self.around.pem};\n    ssl_certificate_key {self.around.pem};\n"
            if self.tls
            else ""
        )
        config.write_text(
            f"load_module {machine.NGINX_STREAM};\ndaemon off;\nmaster_process off;\npid {self.folder}/pid;\nerror_log stderr;\n"
            f"events {{ worker_connections {MAX_SESSIONS * 2}; }}\n"
            f"stream {{\n  server {{\n    listen 127.0.0.1:{self.port} backlog=4096{' ssl' if self.tls else ''};\n{tls}"
            f"    proxy_timeout 1h;\n    proxy_pass 127.0.0.1:{self.around.engine_port};\n  }}\n}}\n"
        )
        return [machine.tool("nginx") or "nginx", "-p", str(self.folder), "-e", "stderr", "-c", str(config)]


class AmqProxy(ProcessPeer):
    """CloudAMQP's proxy, where somebody has built it: Debian has its compiler (crystal) but neither its source nor a package."""

    name = "amqproxy"

    @classmethod
    def missing(cls) -> str | None:
        if machine.tool("amqproxy"):
            return None
        return "amqproxy is not installed; Debian packages its compiler, crystal, but not it (github.com/cloudamqp/amqproxy)"

    def command(self) -> list[str]:
        upstream = f"amqp://127.0.0.1:{self.around.engine_port}"
        return [machine.tool("amqproxy") or "amqproxy", "-l", "127.0.0.1", "-p", str(self.port), upstream]


class UvloopPipe(ProcessPeer):
    name = "uvloop"

    def command(self) -> list[str]:
        pem = [str(self.around.pem)] if self.tls else []
        return [sys.executable, "-m", "bench.uvloop_pipe", str(self.port), str(self.around.engine_port), *pem]


@contextmanager
def running(kinds: Sequence[type[Peer]], around: Surroundings, notes: list[str], *, tls: bool) -> Iterator[list[Peer]]:
    """The peers, started; one that does not start is left out with a note. All that were started are stopped."""
    with ExitStack() as stack:
        started: list[Peer] = []
        for kind in kinds:
            peer = kind(around, tls=tls)
            try:
                peer.start()
            except RuntimeError as error:
                notes.append(f"{kind.name} is left out: {error}")
                continue
            stack.callback(peer.stop)
            started.append(peer)
        yield started


class Engine:
    """The echo engine; it ends by itself when this process does, as its standard input closes."""

    def __init__(self, programs: machine.Programs) -> None:
        command = machine.pinned(machine.LOAD_CORE, [str(programs.engine)])
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline().split()[1])

    def stop(self) -> None:
        self.process.communicate(timeout=10)


def write_logins(path: Path, logins: Sequence[Login]) -> Path:
    """The generator's login file: one login a line, blanks between the fields."""
    path.write_text("".join(f"{w.sender} {w.target} {w.user} {w.password} {w.key}\n" for w in logins))
    return path


def read_logins(path: Path) -> list[Login]:
    """What write_logins wrote."""
    return [Login(*line.split()) for line in path.read_text().splitlines()]
