"""A RabbitMQ node of our own: loopback, free ports, a folder of its own, killed when it is no longer needed.

It runs with what deploy/rabbitmq has for the exchange's broker (certificates of the gateway's CA, PLAIN and EXTERNAL,
two plugins) and, beside that, with a plain listener for tests. It must not touch a RabbitMQ that runs already.
"""

import contextlib
import ctypes
import json
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from simulators.m7_certificates import CertificateAuthority
from simulators.m7_management import Management, ManagementError

DEPLOY = Path(__file__).resolve().parent.parent / "deploy" / "rabbitmq"
_SERVERS = ("/usr/lib/rabbitmq/bin/rabbitmq-server", "/usr/local/sbin/rabbitmq-server")
_ERLANG = "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none"
"""One scheduler that never spins: half the time to start, and the other processes of a test keep their cores."""
_START_SECONDS = 90
_METHOD_FRAME = b"\x01"  # Connection.Start comes in one


class BrokerMissingError(Exception):
    """There is no RabbitMQ to start, or it did not start; the text says what to do or what it said."""


class ControlError(Exception):
    """rabbitmqctl failed; the text is what it said."""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where a broker is and who may do everything in it. Paths are PEM files.

    `ca` is what a client checks the broker by; `gateway_ca` is the one authority whose certificates the broker takes on
    `amqps`, with its key, so that certificates can be made; `gateway_certificate` is one of them.
    """

    host: str
    amqp: int
    amqps: int
    management: int
    ca: str
    gateway_ca: str
    gateway_ca_key: str
    gateway_certificate: str
    gateway_key: str
    admin: str
    password: str

    @classmethod
    def from_json(cls, text: str | Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote, or the event `ready` of this module's process."""
        found = json.loads(text) if isinstance(text, str) else text
        return cls(**{name: found[name] for name in cls.__dataclass_fields__})

    def to_json(self) -> str:
        """Return it as one line, as GATEWAY_TEST_BROKER carries it."""
        return json.dumps(asdict(self))

    def api(self) -> Management:
        """Return its management API as administrator."""
        return Management(self.host, self.management, self.admin, self.password)


class PrivateBroker:
    """One RabbitMQ node and its port mapper. Invariant: nothing of it runs after `stop`, not even half-started."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server = server()
        self._identity = _identity(folder)
        amqp, amqps, management, self._distribution, self._mapper_port = _free_ports(5)
        self.broker = _credentials(folder, (amqp, amqps, management))
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start and wait until both AMQP and the management API answer, the administrator in place."""
        self._write_configuration()
        log = (self._folder / "out").open("ab")
        for command in (["epmd", "-address", "127.0.0.1", "-port", str(self._mapper_port)], [self._server]):
            self._processes.append(
                subprocess.Popen(  # noqa: S603  RabbitMQ's own programs
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=self._folder,
                    env=self._environment(),
                    start_new_session=True,
                    preexec_fn=_die_with_parent,  # noqa: PLW1509  nothing but one system call happens in it
                    **self._identity,
                )
            )
        log.close()
        self._wait()

    def stop(self) -> None:
        """Kill it: nothing in it is to be kept."""
        for process in reversed(self._processes):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._processes.clear()

    def control(self, *arguments: str) -> str:
        """Run rabbitmqctl against it; ControlError with its words if it fails."""
        program = str(Path(self._server).with_name("rabbitmqctl"))
        done = subprocess.run(  # noqa: S603  RabbitMQ's own program
            [program, "-q", "-n", self._node, *arguments],
            env=self._environment(),
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            **self._identity,
        )
        if done.returncode:
            raise ControlError(f"rabbitmqctl {arguments[0]}: {(done.stderr or done.stdout).strip()[-300:]}")
        return str(done.stdout).strip()

    @property
    def _node(self) -> str:
        return f"gateway{self._mapper_port}@localhost"

    def _environment(self) -> dict[str, str]:
        folder = self._folder
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(self._mapper_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_FLAGS": "-noinput -kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_ALLOW_INPUT": "1",  # one process, no shell in between that would have to pass signals on
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
            "RABBITMQ_DIST_PORT": str(self._distribution),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_NODENAME": self._node,
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _ERLANG,
        }

    def _write_configuration(self) -> None:
        broker, deployed = self.broker, _settings((DEPLOY / "rabbitmq.conf").read_text())
        del deployed["listeners.tcp"], deployed["listeners.ssl.inner"]
        own = {
            "listeners.tcp.1": f"{broker.host}:{broker.amqp}",
            "listeners.ssl.1": f"{broker.host}:{broker.amqps}",
            "ssl_options.cacertfile": broker.gateway_ca,
            "ssl_options.certfile": str(self._folder / "broker.pem"),
            "ssl_options.keyfile": str(self._folder / "broker.key"),
            "management.tcp.port": str(broker.management),
            "default_user": broker.admin,
            "default_pass": broker.password,
            "loopback_users": "none",
            "disk_free_limit.absolute": "10MB",
            "collect_statistics_interval": "1000",
            "log.file.level": "warning",
        }
        lines = [f"{name} = {value}\n" for name, value in {**deployed, **own}.items()]
        (self._folder / "rabbitmq.conf").write_text("".join(lines))
        shutil.copy(DEPLOY / "enabled_plugins", self._folder)
        if self._identity:
            for path in self._folder.iterdir():
                os.chown(path, self._identity["user"], self._identity["group"])

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if time.monotonic() > deadline or self._processes[-1].poll() is not None:
                said = (self._folder / "out").read_text(errors="replace")[-1500:]
                self.stop()
                raise BrokerMissingError(f"RabbitMQ did not start\n{said}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            with socket.create_connection((self.broker.host, self.broker.amqp), 2) as sock:
                sock.settimeout(2)
                sock.sendall(b"AMQP\0\0\x09\x01")
                greeted = sock.recv(1) == _METHOD_FRAME
            return greeted and bool(self.broker.api().call("GET", "overview"))
        except (OSError, ManagementError):  # the administrator is made a moment after the listener
            return False


def _settings(text: str) -> dict[str, str]:
    """Return what a rabbitmq.conf says, comments left out."""
    lines = (line.partition("=") for line in text.splitlines() if "=" in line and not line.lstrip().startswith("#"))
    return {name.strip(): value.strip() for name, _, value in lines}


_libc = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    """Have the kernel kill this child when whoever started it is gone, even by SIGKILL."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def server() -> str:
    """Return the path of RabbitMQ's start script; BrokerMissingError where it is not installed."""
    for path in _SERVERS:
        if Path(path).exists():
            return path
    found = shutil.which("rabbitmq-server")
    if not found:
        raise BrokerMissingError("rabbitmq-server is not installed: apt-get install rabbitmq-server")
    return found


def _identity(folder: Path) -> dict[str, Any]:
    """Return how to run as RabbitMQ's own user where we may choose, the folder handed over; nothing for other callers."""
    if os.geteuid() != 0:
        return {}
    try:
        user = pwd.getpwnam("rabbitmq")
    except KeyError:
        return {}
    os.chown(folder, user.pw_uid, user.pw_gid)
    folder.chmod(0o755)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _free_ports(count: int) -> list[int]:
    """Return loopback ports that are free now, from below those that outgoing connections get by themselves."""
    found: list[int] = []
    for port in random.sample(range(10_000, 32_000), 1000):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            return found
    raise BrokerMissingError("no free ports")


def _credentials(folder: Path, ports: tuple[int, int, int]) -> Broker:
    """Make two authorities: one that clients check the broker by, one that the broker checks the gateway by."""
    outer, inner = (CertificateAuthority.create(folder, name) for name in ("broker-ca", "gateway-ca"))
    outer.issue(folder, "broker", server=True)
    gateway = inner.issue(folder, "gateway-transport")
    amqp, amqps, management = ports
    return Broker(
        host="127.0.0.1",
        amqp=amqp,
        amqps=amqps,
        management=management,
        ca=str(outer.pair.certificate),
        gateway_ca=str(inner.pair.certificate),
        gateway_ca_key=str(inner.pair.key),
        gateway_certificate=str(gateway.certificate),
        gateway_key=str(gateway.key),
        admin="operations",
        password=os.urandom(12).hex(),
    )


@contextlib.contextmanager
def private_broker() -> Iterator[PrivateBroker]:
    """Start one in a temporary folder of its own and end it."""
    with tempfile.TemporaryDirectory(prefix="gateway-rabbitmq-", ignore_cleanup_errors=True) as name:
        node = PrivateBroker(Path(name))
        try:
            node.start()
            yield node
        finally:
            node.stop()
