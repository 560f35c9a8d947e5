"""The stage of the AMQP story: a RabbitMQ, an M7 backend, the gateway, two API applications and a FIX counterpart, as processes.

It uses the gateway as a user would, by its command line, and RabbitMQ as deploy/rabbitmq says. It must not know what is
played on it.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from simulators.m7_node import DEPLOY, Broker, BrokerMissingError, server
from simulators.stage import (
    PASSWORD,
    PERIOD,
    Story,
    algo_arguments,
    command,
    exchange_arguments,
    expect,
    free_ports,
    provision,
    ready,
    wait,
)
from simulators.steer import Event, Process, StoryError

IDLE = 8
USER = "trader"
VHOST = "app"
_MARGIN = 1.5  # seconds that a code must still hold when it is sent

CONFIG = """\
profile = "m7-6.16"
[store]
url = "sqlite:///{folder}/gateway.db"
[[listener]]
name = "api"
protocol = "amqp"
venue = "m7"
routes = ["m7"]
login_timeout = 120
address = "127.0.0.1:{gateway}"
plain = true
[[listener]]
name = "orders"
routes = ["fix"]
address = "127.0.0.1:{fix}"
plain = true
[[route]]
name = "m7"
target = "{vhost}"
upstream = ["127.0.0.1:{broker.amqps}"]
tls = {{ ca = "{broker.ca}", certificate = "{broker.gateway_certificate}", private_key = "{broker.gateway_key}" }}
[route.service]
user = "gateway"
password_file = "{folder}/password"
vhost = "{vhost}"
[[route]]
name = "fix"
target = "EXCHANGE"
upstream = ["127.0.0.1:{engine}"]
plain = true
[policy.sessions]
idle = {idle}
[admin]
address = "127.0.0.1:{admin}"
"""


@dataclass
class Market:
    """What the story is played with. `robust` is aio-pika's connect_robust, `blocking` pika's BlockingConnection."""

    folder: Path
    story: Story
    broker: Broker
    ports: dict[str, int]
    gateway: Process
    exchange: Process
    robust: Process
    blocking: Process
    algo: Process

    def cli(self, *arguments: str) -> str:
        """Run a gateway command and return what it printed."""
        return command(self.folder, *arguments)

    def account(self) -> dict[str, object]:
        """Return what the exchange knows of the user: session, logins, logouts, orders, early orders, codes seen."""
        return dict(self.exchange.tell("state")["users"][USER])

    def log_in(self, app: Process, *, code: str = "auto", force: str = "") -> Event:
        """Send a LoginReq and return its answer; a good code holds for a moment yet."""
        if code == "auto" and PERIOD - time.time() % PERIOD < _MARGIN:
            time.sleep(PERIOD - time.time() % PERIOD + 0.1)
        app.tell("code", value=code)
        sent = app.tell("login", **({"force": force} if force else {}))["correlation_id"]
        return app.until("response", lambda event: event.get("correlation_id") == sent)

    def order(self, app: Process, cl_ord_id: str) -> Event:
        """Send an order and return its answer."""
        app.tell("order", cl_ord_id=cl_ord_id)
        return app.until("response", lambda event: event.get("correlation_id") == cl_ord_id)


def get_rabbitmq(story: Story) -> None:
    """See that RabbitMQ is installed, or install Debian's package where we may; BrokerMissingError with one line otherwise."""
    try:
        server()
    except BrokerMissingError:
        if os.geteuid() != 0 or not shutil.which("apt-get"):
            raise
        story.note("installing rabbitmq-server")
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}  # RUNLEVEL: do not start it
        for arguments in (["update", "-qq"], ["install", "-y", "-qq", "rabbitmq-server"]):
            words = ["apt-get", *arguments]
            done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
            if done.returncode:
                said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
                raise BrokerMissingError(f"rabbitmq-server could not be installed: {said}") from None


def lay_out(folder: Path, broker: Broker) -> None:
    """Make vhost, users, exchanges and permissions with deploy/rabbitmq's own script."""
    names = (USER, "gateway", "m7-backend")
    (folder / "broker-passwords").write_text("".join(f"{name}:{PASSWORD}\n" for name in names))
    program = [sys.executable, str(DEPLOY / "definitions.py"), "--vhost", VHOST, "--client", USER]
    done = subprocess.run(  # noqa: S603  our own program
        [*program, "--passwords", str(folder / "broker-passwords")], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise StoryError(done.stderr.strip())
    broker.api().define(json.loads(done.stdout))


@contextmanager
def stage(folder: Path, story: Story) -> Iterator[Market]:
    """Start everything; end it all."""
    get_rabbitmq(story)
    story.chapter("The stage")
    port, fix, engine, admin = free_ports(4)
    with ExitStack() as stack:
        node = stack.enter_context(Process("broker", ["simulators.m7_broker", "--json"], folder=folder))
        with story.step("a RabbitMQ of our own, vhost, users and permissions as deploy/rabbitmq has them"):
            broker = Broker.from_json(node.until("ready", seconds=90))
            lay_out(folder, broker)
        config = folder / "gateway.toml"
        ports = {"gateway": port, "fix": fix, "engine": engine, "admin": admin}
        config.write_text(CONFIG.format(folder=folder, broker=broker, idle=IDLE, vhost=VHOST, **ports))
        _write_secrets(folder, {"password": PASSWORD, "admin-password": broker.password})
        with story.step("a user with a password and an authenticator: gateway user add, gateway totp enroll"):
            _write_secrets(folder, {"totp": provision(folder, "m7-client")})
        exchange = stack.enter_context(Process("m7", _exchange(folder, broker), folder=folder))
        with story.step("an M7 backend (aio-pika) plays the exchange on it"):
            exchange.until("ready")
        gateway = stack.enter_context(Process("gateway", ["gateway", "serve", "--config", str(config)], folder=folder))
        with story.step(f"the gateway stands in front of it on 127.0.0.1:{port}, and of a QuickFIX engine on :{fix}"):
            stack.enter_context(Process("engine", exchange_arguments(folder, engine), folder=folder)).until("ready")
            wait(lambda: ready(admin) or not gateway.running(), "the gateway's readiness")
            expect(f"a running gateway: {(folder / 'gateway.err').read_text()[-500:]}", holds=gateway.running())
        apps = [
            stack.enter_context(Process(library, _application(folder, port, library, library), folder=folder))
            for library in ("aio-pika-robust", "pika")
        ]
        with story.step("two API applications: aio-pika's connect_robust and pika's BlockingConnection, unmodified"):
            for app in apps:
                app.until("ready")
        algo = stack.enter_context(Process("algo", algo_arguments(folder, fix), folder=folder))
        algo.until("ready")
        yield Market(folder, story, broker, ports, gateway, exchange, apps[0], apps[1], algo)


def _write_secrets(folder: Path, secrets: Mapping[str, str]) -> None:
    for name, text in secrets.items():
        (folder / name).touch(0o600)
        (folder / name).write_text(text)


def _exchange(folder: Path, broker: Broker) -> Sequence[str]:
    where = ["--port", str(broker.amqp), "--vhost", VHOST, "--client", USER]
    management = ["--management-port", str(broker.management), "--admin", broker.admin]
    secrets = ["--password-file", str(folder / "password"), "--admin-password-file", str(folder / "admin-password")]
    return ["simulators.m7_exchange", "--json", *where, *management, *secrets]


def _application(folder: Path, port: int, library: str, suffix: str) -> Sequence[str]:
    where = ["--port", str(port), "--vhost", VHOST, "--user", USER, "--suffix", suffix, "--wait"]
    secrets = ["--password-file", str(folder / "password"), "--totp-file", str(folder / "totp")]
    return ["simulators.m7_client", "--json", "--library", library, *where, *secrets, "--period", str(PERIOD)]
