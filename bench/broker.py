"""A private RabbitMQ for the bench, laid out as M7's profile says, and the process that answers logins there as the exchange does.

Both run on the generator's core. Everything is in a temporary folder and on ports of 127.0.0.1; only what is started here is ended.
"""

import base64
import contextlib
import hashlib
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench import machine
from bench.names import EXCHANGE_ACCOUNT, GATEWAY_ACCOUNT, LOGIN_KEY, LOGINS, ORDER_KEY, ORDERS, VHOST, exchange_of
from bench.peers import Login

START_SECONDS = 60
SHUT_SECONDS = 20


def program() -> str | None:
    """Debian's wrapper in /usr/sbin changes users; the server's own script is taken."""
    return str(machine.RABBITMQ) if machine.RABBITMQ.exists() else machine.tool("rabbitmq-server")


class Broker:
    """Up between start and stop; `port` is the AMQP listener, `pid` the Erlang machine."""

    def __init__(self, logins: Sequence[Login]) -> None:
        self.folder = Path()
        self.logins = logins
        self.port = machine.free_port()
        self.pid = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._answerer: subprocess.Popen[str] | None = None
        self._environment: dict[str, str] = {}

    @classmethod
    def missing(cls) -> str | None:
        """Why no broker can be had here, or None."""
        return None if program() else "rabbitmq-server is not installed (apt-get install rabbitmq-server)"

    def start(self) -> None:
        """Return when the broker and its exchange answer. Raises RuntimeError with the broker's last words."""
        self.folder = Path(tempfile.mkdtemp(prefix="bench-rabbitmq-"))  # its own: the service's user owns it
        self._environment = self._write_settings()
        account = _account()
        for path in (self.folder, *self.folder.iterdir()):
            os.chown(path, -1 if account is None else account, -1)
        command = machine.pinned(machine.LOAD_CORE, [program() or "rabbitmq-server"])
        with (self.folder / "output").open("wb") as output:
            self._process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                user=account,
                group=account,
                extra_groups=None if account is None else [],
            )
        self.pid = self._process.pid
        self._await(time.monotonic() + START_SECONDS)
        self._answerer = self._start_answerer()

    def _write_settings(self) -> dict[str, str]:
        (self.folder / "definitions.json").write_text(json.dumps(definitions(self.logins)))
        (self.folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.local = 127.0.0.1:{self.port}\n"
            f"load_definitions = {self.folder}/definitions.json\n"
            "vm_memory_high_watermark.relative = 0.6\n"
        )
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "RABBITMQ_NODENAME": f"bench{os.getpid()}@localhost",
            "RABBITMQ_DIST_PORT": str(machine.free_port()),
            "ERL_EPMD_PORT": str(machine.free_port()),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_FLAGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "none-env"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
        }

    def _await(self, deadline: float) -> None:
        while time.monotonic() < deadline and self._process is not None and self._process.poll() is None:
            if _greets(self.port):
                return
            time.sleep(0.1)
        words = (self.folder / "output").read_text(errors="replace")[-1000:]
        self.stop()
        raise RuntimeError(f"the private RabbitMQ does not start: {words}")

    def _start_answerer(self) -> subprocess.Popen[str]:
        command = machine.pinned(machine.LOAD_CORE, [sys.executable, "-m", "bench.answerer", self.url])
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        if process.stdout.readline().strip() != "ready":
            self.stop()
            raise RuntimeError("the exchange that answers logins does not start")
        return process

    @property
    def url(self) -> str:
        """Where the exchange, and nobody else, logs in."""
        return f"amqp://{':'.join(EXCHANGE_ACCOUNT)}@127.0.0.1:{self.port}/{VHOST}"

    def stop(self) -> None:
        """End the answerer, the broker and its own epmd."""
        if self._answerer is not None:
            self._answerer.communicate(timeout=10)
        if self._process is not None:
            for sign in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, sign)  # a session of its own: nobody else is in it
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(SHUT_SECONDS)
                    break
            subprocess.run(["epmd", "-kill"], env=self._environment, check=False, capture_output=True)
            shutil.rmtree(self.folder, ignore_errors=True)
        self._answerer, self._process, self.pid = None, None, 0


def _account() -> int | None:
    """Root hands the broker to the service's own user, as Debian does; anybody else runs it himself."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("rabbitmq").pw_uid
    except KeyError:
        return None


def _greets(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 2) as line:
            line.sendall(b"AMQP\0\0\x09\x01")
            line.settimeout(2)
            return line.recv(1) == b"\x01"
    except OSError:
        return False


def definitions(logins: Sequence[Login]) -> dict[str, object]:
    """RabbitMQ's definitions file: a vhost, an exchange for each user, one queue of logins and one of orders behind them all."""
    users = [
        _user(*EXCHANGE_ACCOUNT),
        _user(*GATEWAY_ACCOUNT, tags="impersonator"),
        *(_user(who.user, who.password) for who in logins),
    ]
    ours = (EXCHANGE_ACCOUNT, GATEWAY_ACCOUNT)
    rights = [*(_rights(name, ".*", ".*", ".*") for name, _ in ours), *(_client_rights(who.user) for who in logins)]
    exchanges = [exchange_of(who.user) for who in logins]
    return {
        "users": users,
        "vhosts": [{"name": VHOST}],
        "permissions": rights,
        "exchanges": [{"name": name, "vhost": VHOST, "type": "direct", **_LIVING} for name in exchanges],
        "queues": [{"name": name, "vhost": VHOST, **_LIVING} for name in (LOGINS, ORDERS)],
        "bindings": [
            {
                "source": name,
                "vhost": VHOST,
                "destination": queue,
                "destination_type": "queue",
                "routing_key": key,
                "arguments": {},
            }
            for name in exchanges
            for key, queue in ((LOGIN_KEY, LOGINS), (ORDER_KEY, ORDERS))
        ],
    }


_LIVING = {"durable": True, "auto_delete": False, "internal": False, "arguments": {}}


def _user(name: str, password: str, tags: str = "") -> dict[str, object]:
    salt = b"bnch"
    hashed = base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()
    return {
        "name": name,
        "password_hash": hashed,
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": tags,
    }


def _rights(user: str, configure: str, write: str, read: str) -> dict[str, object]:
    return {"user": user, "vhost": VHOST, "configure": configure, "write": write, "read": read}


def _client_rights(user: str) -> dict[str, object]:
    queues = rf"^m7\.(private\.responseQueue|broadcastQueue)\.{re.escape(user)}(\..*)?$"
    return _rights(user, queues, f"^{re.escape(exchange_of(user))}$", queues)
