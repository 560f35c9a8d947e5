"""The exchange: a QuickFIX acceptor that answers each NewOrderSingle with ExecutionReports.

Start it with `python -m simulators.fix_exchange --help`. It remembers every ClOrdID it got, in order, so that a test
can prove that each came exactly once. It must not know that a gateway may sit in front of it.
"""

import argparse
import itertools
import os
import time
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import quickfix as fix

from simulators import engine
from simulators.console import Command, CommandError, Console, Handler, Result
from simulators.counterparty import Counterparty, run
from simulators.listener import exchange_listener, listen_on, reserved_port

BEHAVIOURS = ("accept", "refuse", "silent", "close")
_NEW_ORDER, _CANCEL = "D", "F"
_CARRIED_OVER = (11, 41, 55, 54, 38, 44)


class Exchange(Counterparty):
    """The acceptor's application.

    Invariant: an ExecID is never used twice, not even after a restart.
    """

    def __init__(self, setup: engine.Setup, console: Console, *, fills: int, password: str | None) -> None:
        super().__init__(setup, console)
        self.fills = fills
        self.behaviour = "accept"
        self.refusal = "Logon refused"
        self._password = password
        self._exec_ids = (f"{time.time_ns():x}-{number}" for number in itertools.count(1))

    def judge_logon(self, message: Any, session_id: Any) -> None:
        """Behave as told, then check the password; each way is one that QuickFIX acceptors really take.

        RejectLogon sends a Logout with the text. A wrong value leaves the Logon unanswered and the line open, as an
        unknown tag does: QuickFIX can't send a Reject before it is logged on. A missing field closes the line.
        """
        del session_id
        if self.behaviour == "refuse":
            raise fix.RejectLogon(self.refusal)
        if self.behaviour == "silent":
            raise fix.IncorrectTagValue(108)
        if self.behaviour == "close":
            raise fix.FieldNotFound(108)
        if self._password is not None and engine.value(message, 554) != self._password:
            raise fix.RejectLogon("Invalid Username or Password")

    @engine.callback
    def fromApp(self, message: Any, session_id: Any) -> None:
        """Record an order or a cancel and answer it; anything else is an unsupported message type."""
        msg_type = engine.value(message.getHeader(), 35)
        if msg_type not in {_NEW_ORDER, _CANCEL}:
            raise fix.UnsupportedMessageType
        cl_ord_id = engine.value(message, 11) or ""
        self.received.append(cl_ord_id)
        self._tell("order", session_id, message, cl_ord_id=cl_ord_id)
        order = {tag: text for tag in _CARRIED_OVER if (text := engine.value(message, tag)) is not None}
        if msg_type == _CANCEL:
            self._report(session_id, order, "4", "4", Decimal(0))
        else:
            self._answer(session_id, order)

    def _answer(self, session_id: Any, order: Mapping[int, str]) -> None:
        quantity = Decimal(order[38])
        self._report(session_id, order, "0", "0", Decimal(0))
        for number in range(1, self.fills + 1):
            status = "2" if number == self.fills else "1"
            self._report(session_id, order, self._trade(status), status, quantity * number / self.fills)

    def _trade(self, status: str) -> str:
        """ExecType of a fill: Trade (F) since FIX.4.3, before that the same as OrdStatus."""
        return status if self.setup.begin_string == "FIX.4.2" else "F"

    def _report(self, session_id: Any, order: Mapping[int, str], exec_type: str, status: str, done: Decimal) -> str:
        exec_id = next(self._exec_ids)
        quantity, price = Decimal(order[38]), order.get(44, "10")
        fields: dict[int, object] = {
            **order,
            37: f"O-{order.get(11, exec_id)}",
            17: exec_id,
            150: exec_type,
            39: status,
        }
        fields |= {14: done, 151: quantity - done, 6: price if done else 0, 60: engine.now()}
        if done:
            fields |= {31: price, 32: quantity / max(self.fills, 1)}
        if self.setup.begin_string == "FIX.4.2":
            fields[20] = 0
        self._record(session_id, "fill" if done else "report", exec_id, order.get(11))
        self.send(engine.message(self.setup.begin_string, "8", fields), session_id)
        return exec_id

    def _record(self, session_id: Any, name: str, exec_id: str, cl_ord_id: str | None) -> None:
        self.sent.append(exec_id)
        self._tell(name, session_id, exec_id=exec_id, cl_ord_id=cl_ord_id)

    def handlers(self) -> Mapping[str, Handler]:
        """Return the commands: those of both sides, `send` and `behaviour`."""
        return {**super().handlers(), "send": self._send, "behaviour": self._behave}

    def _send(self, command: Command) -> Result:
        session_id = self.session_id(command)
        order = {55: "DEMO", 54: "1", 38: "100", 44: "10"}
        numbers = range(command.number("count", 1))
        return {"exec_ids": [self._report(session_id, order, self._trade("2"), "2", Decimal(100)) for _ in numbers]}

    def _behave(self, command: Command) -> None:
        wanted = command.text("logon", "accept")
        if wanted not in BEHAVIOURS:
            raise CommandError(f"logon must be one of {', '.join(BEHAVIOURS)}, not {wanted!r}")
        self.behaviour = wanted
        self.refusal = command.text("text", self.refusal)
        self.fills = command.number("fills", self.fills)


_EPILOG = """\
QuickFIX's acceptors bind all interfaces; this one is moved to --host before it says that it is ready.

commands on standard input, as JSON objects or as typed here:
  state                          next MsgSeqNums, the ClOrdIDs received and the ExecIDs sent
  send count=5 [session=COMPID]  unsolicited ExecutionReports; off line they wait in the store
  behaviour logon=refuse [text=...] | silent | close | accept     what the next Logon meets; [fills=2]
  logout [text=...] | logon      send a Logout and stay disabled | allow Logons again
  drop [stay=y]                  break the line without a Logout
  reset                          a Logon with 141=Y in the middle of the session
  stop                           log out and end; the end of the input does the same

a Logon with a tag that the dictionary doesn't have is left unanswered, and the line open: that is QuickFIX's way.
--require-password takes the password from --password-file or $FIX_EXCHANGE_PASSWORD.
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m simulators.fix_exchange",
        description="A QuickFIX acceptor that plays the exchange.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=9880, help="0 takes a free one and tells it (default 9880)")
    engine.add_arguments(parser, sender="EXCHANGE", target="ALGO")
    parser.add_argument("--fills", type=int, default=1, metavar="N", help="fills for each order (default 1)")
    parser.add_argument("--on-logon", choices=BEHAVIOURS, default="accept", help="what a Logon meets (default accept)")
    parser.add_argument("--require-password", action="store_true", help="refuse a Logon without the right 554")
    parser.add_argument("--password-file", type=Path, metavar="FILE", help="where the right password is")
    return parser


def _password(options: argparse.Namespace, parser: argparse.ArgumentParser) -> str | None:
    if not options.require_password:
        return None
    from_file = options.password_file.read_text().strip() if options.password_file else ""
    password = str(from_file or os.environ.get("FIX_EXCHANGE_PASSWORD", ""))
    if not password:
        parser.error("--require-password needs --password-file or $FIX_EXCHANGE_PASSWORD")
    return password


def main(arguments: list[str] | None = None) -> None:
    """Run the exchange until it is told to stop."""
    parser = _parser()
    options = parser.parse_args(arguments)
    setup = engine.setup(options, "ALGO")
    exchange = Exchange(setup, Console(as_json=options.json), fills=options.fills, password=_password(options, parser))
    exchange.behaviour = options.on_logon
    listener = listen_on(options.host, options.port)
    exchange.port = listener.getsockname()[1]
    store, log = setup.store_factory(), setup.log_factory()
    with reserved_port() as inner_port:
        settings = setup.settings({"ConnectionType": "acceptor", "SocketAcceptPort": inner_port})
        acceptor = fix.SocketAcceptor(exchange, store, settings, log)
        acceptor.start()
        exchange_listener(inner_port, listener)
    exchange.console.event("ready", host=options.host, port=exchange.port)
    run(exchange, control=not options.no_control)


if __name__ == "__main__":
    main()
