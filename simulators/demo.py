"""The main job, told line by line: a QuickFIX algorithm logs on to a QuickFIX exchange, API applications to M7, both through the gateway.

`make demo` tells both stories (AMQP where a RabbitMQ can be had), `make demo PROTOCOL=fix` or `PROTOCOL=amqp` one; with KEEP=1
the last one is left up. Exit code 0 only if each step really happened: a step that fails ends the story with what was
seen instead.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from simulators import m7_stage, m7_story
from simulators.m7_node import BrokerMissingError
from simulators.stage import IDLE, Story, World, expect, expect_reason, stage, wait
from simulators.steer import StoryError

# ── the chapters ────────────────────────────────────────────────────────────────────────────────────────────────────


def good_login(world: World) -> None:
    """A right code opens a session, and orders flow."""
    with world.story.step("Logon with user, password and a fresh code: admitted, the engine answered"):
        world.log_on()
    with world.story.step("the code was cut out: the engine saw tag 553, but never 20030"):
        logon = world.exchange.until("logon-received")
        expect("no tag 20030 at the engine", holds="20030" not in logon["fields"])
    with world.story.step("3 orders → 6 ExecutionReports (New and Filled)"):
        world.algo.tell("order", count=3, prefix="morning")
        world.wait_for_reports(6)
    with world.story.step("orderly Logout"):
        world.log_out()


def wrong_code(world: World) -> None:
    """A wrong code is refused with a reason, and the next good Logon has lost nothing."""
    before = len(world.reports())
    world.exchange.tell("send", count=2)
    world.story.note("meanwhile the exchange has 2 reports waiting for the algorithm")
    world.algo.tell("code", value="000000")
    with world.story.step("Logon with a wrong code: refused, and told why"):
        world.story.note(f"Logout(35=5) Text(58): {world.refused()}")
    with world.story.step("operations see the true reason: bad_code"):
        expect_reason(world.gateway, "bad_code")
    with world.story.step("the next good Logon needs no reset, and both waiting reports arrive once"):
        world.log_on()
        reports = world.wait_for_reports(before + 2)
        expect("no report twice", holds=len(set(reports)) == len(reports))
    world.log_out()


def stale_code(world: World) -> None:
    """A code from an interval that is over is refused."""
    world.algo.tell("code", value="auto", steps=-3)
    with world.story.step("a code from three intervals ago: refused"):
        world.refused()
        expect_reason(world.gateway, "stale_code")
    world.log_on()
    world.story.note("(a good login in between: failures in a row start again)")


def dropped(world: World) -> None:
    """A dropped connection needs a new login with a new code."""
    world.algo.tell("code", value="freeze")
    world.algo.forget()
    with world.story.step("the line drops; QuickFIX reconnects by itself with the code it used before: not admitted"):
        seen = len(world.gateway.events)
        world.algo.tell("drop")
        wait(lambda: any(e.get("outcome") == "refused" for e in world.gateway.events[seen:]), "a refused reconnect")
        expect_reason(world.gateway, "replayed_code", "stale_code")
    with world.story.step("with a new code it is admitted again"):
        world.fresh_code()
        world.algo.until("logon")
    with world.story.step("an order placed after the reconnect is filled"):
        before = len(world.reports())
        world.algo.tell("order", prefix="after-drop")
        world.wait_for_reports(before + 2)


def idle(world: World) -> None:
    """Heartbeats are not business: an idle session is logged out."""
    with world.story.step(f"no business message for {IDLE} s: forced Logout, with the reason"):
        text = str(world.algo.until("logout", seconds=IDLE + 20).get("text", ""))
        expect(f"a text about idleness, got {text!r}", holds="idle" in text)
        world.story.note(f"Logout(35=5) Text(58): {text}")
    world.algo.tell("logout")
    with world.story.step("a new login with a new code opens a session again, nothing lost"):
        before = len(world.reports())
        world.exchange.tell("send", count=1)
        world.log_on()
        world.wait_for_reports(before + 1)
    world.log_out()


def lock_out(world: World) -> None:
    """Too many wrong codes lock the account, until operations unlock it."""
    with world.story.step("5 wrong codes in a row: the account is locked"):
        for number in range(5):
            world.algo.tell("code", value=f"00000{number}")
            world.refused()
        shown = json.loads(world.cli("user", "show", "trader", "--json"))
        expect(f"a locked user, got {shown}", holds=bool(shown["locked"]))
    with world.story.step("locked: even a good code is refused"):
        world.fresh_code()
        world.refused()
        expect_reason(world.gateway, "locked")
    with world.story.step("operations unlock: gateway user unlock"):
        world.cli("user", "unlock", "trader", "--proof", "called back on the registered number")
        world.log_on()


def record(world: World) -> None:
    """What stays behind can be checked."""
    with world.story.step("gateway sessions shows the live session"):
        sessions = json.loads(world.cli("sessions", "--json"))
        expect("one live session", holds=len(sessions) == 1)
    with world.story.step("gateway kick ends it"):
        reports = len(world.reports())
        world.algo.tell("order", prefix="not-idle")
        world.wait_for_reports(reports + 2)
        world.algo.forget()
        world.cli("kick", sessions[0]["id"])
        text = str(world.algo.until("logout").get("text", ""))
        expect(f"a text that names operations, got {text!r}", holds="operations" in text)
        world.algo.tell("logout")
    with world.story.step("gateway audit verify: the hash chain is whole"):
        world.story.note(world.cli("audit", "verify").strip().splitlines()[-1])
    with world.story.step("every order reached the exchange exactly once, every report the algorithm exactly once"):
        algo, exchange = world.algo.tell("state"), world.exchange.tell("state")
        expect("orders once, in order", holds=exchange["received"] == algo["sent"])
        expect("reports once, in order", holds=algo["received"] == exchange["sent"])


CHAPTERS: tuple[tuple[str, Callable[[World], None]], ...] = (
    ("A good code", good_login),
    ("A wrong code", wrong_code),
    ("A stale code", stale_code),
    ("A dropped connection", dropped),
    ("An idle session", idle),
    ("A lock-out", lock_out),
    ("The record", record),
)


def keep(world: World | m7_stage.Market) -> None:
    """Leave everything up until the user has enough."""
    world.story.chapter("Left up (Ctrl-C ends it)")
    world.story.note(
        f"gateway 127.0.0.1:{world.ports['gateway']}, metrics http://127.0.0.1:{world.ports['admin']}/metrics"
    )
    world.story.note(f"configuration, store, password and TOTP key: {world.folder}")
    world.story.note(f"try: .venv/bin/gateway sessions --config {world.folder}/gateway.toml")
    threading.Event().wait()


def play_fix(folder: Path, story: Story, *, stay: bool) -> None:
    """Play the FIX story."""
    with stage(folder, story) as world:
        for title, chapter in CHAPTERS:
            story.chapter(title)
            chapter(world)
        _told(story)
        if stay:
            keep(world)


def play_amqp(folder: Path, story: Story, *, stay: bool) -> None:
    """Play the AMQP story; BrokerMissingError where no RabbitMQ can be had."""
    with m7_stage.stage(folder, story) as market:
        for title, chapter in m7_story.CHAPTERS:
            story.chapter(title)
            chapter(market)
        _told(story)
        if stay:
            keep(market)


def _told(story: Story) -> None:
    print(f"\nEach of the {story.steps} steps happened.", flush=True)


STORIES: Mapping[str, Callable[..., None]] = {"fix": play_fix, "amqp": play_amqp}


def play(folder: Path, protocol: str, *, stay: bool) -> None:
    """Play one story, or both; BrokerMissingError if one was asked for that needs a RabbitMQ, and there is none."""
    wanted = [protocol] if protocol else list(STORIES)
    for name in wanted:
        own = folder / name
        own.mkdir()
        try:
            STORIES[name](own, Story(), stay=stay and name == wanted[-1])
        except BrokerMissingError as missing:
            if protocol:
                raise
            print(f"\nThe AMQP story was left out: {str(missing).splitlines()[0]}", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m simulators.demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", default=bool(os.environ.get("KEEP")), help="leave it all up")
    parser.add_argument("--protocol", choices=[*STORIES, ""], default="", help="one story (default: both)")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="gateway-demo-") as name:
        try:
            play(Path(name), options.protocol, stay=options.keep)
        except BrokerMissingError as missing:
            print(str(missing), file=sys.stderr)
            return 1
        except StoryError as error:
            print(f"  ✘ {error}", flush=True)
            tails = [(path.name, path.read_text()[-800:]) for path in Path(name).glob("*/*.err")]
            print("".join(f"\n[{which}]\n{text}" for which, text in tails if text), file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("\nEnded.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
