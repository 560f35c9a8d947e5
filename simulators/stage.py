"""The stage of the demo: a QuickFIX exchange, the gateway and a QuickFIX algorithm as processes, and how they are asked.

It uses the gateway as a user would, by its command line. It must not know what is played on it.
"""

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from simulators.steer import Process, StoryError

PASSWORD = "correct-Horse-7-battery"  # noqa: S105 - the demo's own user, in a temporary store
PERIOD = 5
"""Seconds a code lives in this story; 30 outside it. Nobody wants to wait half a minute for each login."""
IDLE = 6

CONFIG = """\
profile = "default"
[store]
url = "sqlite:///{folder}/gateway.db"
[[listener]]
name = "orders"
address = "127.0.0.1:{port}"
plain = true
[[route]]
name = "exchange"
target = "EXCHANGE"
upstream = ["127.0.0.1:{engine}"]
plain = true
[policy.sessions]
idle = {idle}
[admin]
address = "127.0.0.1:{admin}"
"""


class Story:
    """Prints the story. Invariant: a line with a tick is printed only after its step was seen to happen."""

    def __init__(self) -> None:
        self._tty = sys.stdout.isatty()
        self.steps = 0

    def chapter(self, title: str) -> None:
        """Begin a new part."""
        print(f"\n{self._bold(title)}", flush=True)

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Tick the step when its block was left without an error."""
        yield
        self.steps += 1
        print(f"  ✔ {what}", flush=True)

    def note(self, text: str) -> None:
        """Tell something that is no step."""
        print(f"    {text}", flush=True)

    def _bold(self, text: str) -> str:
        return f"\033[1m{text}\033[0m" if self._tty else text


def expect(what: str, *, holds: bool) -> None:
    """Go on only if it holds."""
    if not holds:
        raise StoryError(f"expected {what}")


@dataclass
class World:
    """What the story is played with."""

    folder: Path
    story: Story
    ports: dict[str, int]
    gateway: Process
    exchange: Process
    algo: Process

    def cli(self, *arguments: str, stdin: str | None = None) -> str:
        """Run a gateway command and return what it printed."""
        return command(self.folder, *arguments, stdin=stdin)

    def fresh_code(self) -> None:
        """Wait until the algorithm has a code that was never used: a code opens one session (RFC 6238 §5.2)."""
        time.sleep(PERIOD - time.time() % PERIOD + 0.2)
        self.algo.tell("code", value="auto")

    def log_on(self) -> None:
        """Log on with a fresh code."""
        self.algo.forget()
        self.fresh_code()
        self.algo.tell("logon")
        self.algo.until("logon")

    def log_out(self) -> None:
        """Log out in order."""
        self.algo.tell("logout")
        self.algo.until("disconnect")

    def refused(self) -> str:
        """Log on, be refused, stay away; return the Text(58) that the gateway sent."""
        self.algo.forget()
        self.algo.tell("logon")
        text = str(self.algo.until("logout").get("text", ""))
        self.algo.tell("logout")
        expect("a text that says how long to wait", holds="retry" in text)
        return text

    def reports(self) -> list[str]:
        """Return the ExecIDs that the algorithm received, in order."""
        return list(self.algo.tell("state")["received"])

    def wait_for_reports(self, count: int) -> list[str]:
        """Wait until the algorithm has received so many ExecutionReports."""
        deadline = time.monotonic() + 20
        while len(self.reports()) < count and time.monotonic() < deadline:
            time.sleep(0.1)
        reports = self.reports()
        expect(f"{count} ExecutionReports, got {len(reports)}", holds=len(reports) == count)
        return reports


def command(folder: Path, *arguments: str, stdin: str | None = None) -> str:
    """Run `gateway ARGUMENTS` with the story's configuration; return its standard output."""
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "gateway", *arguments, "--config", str(folder / "gateway.toml")],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        raise StoryError(f"gateway {' '.join(arguments)} failed ({done.returncode}): {done.stderr.strip()}")
    return done.stdout


# ── the stage ───────────────────────────────────────────────────────────────────────────────────────────────────────


def wait(until: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Wait until it holds; StoryError if it does not in time."""
    deadline = time.monotonic() + seconds
    while not until():
        if time.monotonic() > deadline:
            raise StoryError(f"{what} did not happen within {seconds:.0f} s")
        time.sleep(0.05)


def expect_reason(gateway: Process, *reasons: str) -> None:
    """Insist that the last refusal in the gateway's log, which comes a little after its answer, has one of these reasons."""

    def last() -> object:
        refused = (event for event in reversed(gateway.events) if event.get("event") == "login")
        return next((event.get("reason") for event in refused if event.get("outcome") == "refused"), None)

    with suppress(StoryError):
        wait(lambda: last() in reasons, "the refusal", 5)
    expect(f"{' or '.join(reasons)}, got {last()}", holds=last() in reasons)


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def provision(folder: Path, *applications: str) -> str:
    """Make the user, with CompID ALGO and these AMQP applications, and its authenticator as an operator would; return the TOTP key (base32)."""
    named = [word for name in ("ALGO", *applications) for word in ("--comp-id", name)]
    command(folder, "user", "add", "trader", *named, "--password-stdin", stdin=PASSWORD + "\n")
    enrolled = command(folder, "totp", "enroll", "trader", "--period", str(PERIOD), "--confirmed", "--json")
    return str(json.loads(enrolled)["secret"])


@contextmanager
def stage(folder: Path, story: Story) -> Iterator[World]:
    """Start exchange, gateway and algorithm; end them all."""
    port, engine, admin = free_ports(3)
    config = folder / "gateway.toml"
    config.write_text(CONFIG.format(folder=folder, port=port, engine=engine, admin=admin, idle=IDLE))
    story.chapter("The stage")
    with story.step("a user with a password and an authenticator: gateway user add, gateway totp enroll"):
        secret = provision(folder)
    (folder / "totp").write_text(secret)
    (folder / "password").write_text(PASSWORD)
    for name in ("totp", "password"):
        (folder / name).chmod(0o600)
    with ExitStack() as stack:
        exchange = stack.enter_context(Process("exchange", exchange_arguments(folder, engine), folder=folder))
        with story.step(f"a QuickFIX acceptor plays the exchange on 127.0.0.1:{engine}"):
            exchange.until("ready")
        gateway = stack.enter_context(Process("gateway", ["gateway", "serve", "--config", str(config)], folder=folder))
        with story.step(f"the gateway stands in front of it on 127.0.0.1:{port}, SQLite in a temporary folder"):
            wait(lambda: ready(admin) or not gateway.running(), "the gateway's readiness")
            expect(f"a running gateway: {(folder / 'gateway.err').read_text()[-500:]}", holds=gateway.running())
        algo = stack.enter_context(Process("algo", algo_arguments(folder, port), folder=folder))
        with story.step("a QuickFIX initiator plays the algorithm, file stores on both sides, no resets"):
            algo.until("ready")
        ports = {"gateway": port, "exchange": engine, "admin": admin}
        yield World(folder, story, ports, gateway, exchange, algo)


def exchange_arguments(folder: Path, port: int) -> list[str]:
    """Return how the exchange is started."""
    return ["simulators.fix_exchange", "--json", "--port", str(port), "--store", str(folder / "exchange")]


def algo_arguments(folder: Path, port: int) -> list[str]:
    """Return how the algorithm is started."""
    secrets = ["--password-file", str(folder / "password"), "--totp-file", str(folder / "totp")]
    codes = ["--period", str(PERIOD), "--reconnect", "1", "--heartbeat", "2", "--wait"]
    store = ["--store", str(folder / "algo")]
    return ["simulators.fix_client", "--json", "--port", str(port), "--user", "trader", *secrets, *codes, *store]


def ready(admin: int) -> bool:
    """Say whether the gateway is ready."""
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{admin}/readyz", timeout=1) as answer:
        return bool(answer.status == 200)  # noqa: PLR2004 - HTTP's OK
    return False
