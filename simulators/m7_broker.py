"""A private RabbitMQ for one test run or one demo, as a process that ends with whoever started it.

Start it with `python -m simulators.m7_broker --help`. It must not know what runs on the broker.
"""

import argparse
import contextlib
import os
import select
import signal
import sys
from dataclasses import asdict

from simulators.console import Command, CommandError, Console, Handler, Result
from simulators.m7_node import BrokerMissingError, ControlError, PrivateBroker, private_broker


def _alarm(node: PrivateBroker, command: Command) -> Result:
    """Raise or clear the memory alarm: publishers get Connection.Blocked, Connection.Unblocked."""
    on = command.flag("on")
    try:
        node.control("set_vm_memory_high_watermark", "0.0000001" if on else "0.4")
    except ControlError as error:
        raise CommandError(str(error)) from None
    return {"on": on}


def _restart(node: PrivateBroker, command: Command) -> Result:
    """Kill the broker; start it again on the same ports and data unless told to stay down."""
    node.stop()
    if not command.flag("stay"):
        node.start()
    return {"running": not command.flag("stay")}


def _until_gone(process: int) -> None:
    with open(os.pidfd_open(process), "rb", buffering=0) as descriptor:  # noqa: PTH123  a descriptor has no path
        select.select([descriptor], [], [])


_EPILOG = """\
commands on standard input, as JSON objects or as typed here:
  alarm on=y | on=n      raise, clear the memory alarm (Connection.Blocked)
  kill [stay=y]          kill the broker and start it again on the same ports, or leave it dead
  start                  start it again after kill stay=y
  stop                   end; the end of the input does the same
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m simulators.m7_broker",
        description="A private RabbitMQ that ends with whoever started it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="events as JSON objects")
    parser.add_argument("--until-gone", type=int, metavar="PID", help="no commands: end when that process has ended")
    return parser


def _wait_for_end(node: PrivateBroker, console: Console, until_gone: int | None) -> None:
    if until_gone is not None:
        with contextlib.suppress(ProcessLookupError):
            _until_gone(until_gone)
        return
    handlers: dict[str, Handler] = {
        "alarm": lambda command: _alarm(node, command),
        "kill": lambda command: _restart(node, command),
        "start": lambda _: node.start(),
        "stop": lambda _: None,
    }
    console.serve(sys.stdin, handlers)


def main(arguments: list[str] | None = None) -> int:
    """Run a broker until told to stop; 1 and one clear line where none can be had."""
    options = _parser().parse_args(arguments)
    console = Console(as_json=options.json)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with private_broker() as node:
            console.event("ready", **asdict(node.broker))
            _wait_for_end(node, console, options.until_gone)
    except BrokerMissingError as error:
        console.event("unavailable", text=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
