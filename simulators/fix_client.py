"""The trading algorithm: a QuickFIX initiator that puts user, password and a fresh TOTP code into each Logon.

Start it with `python -m simulators.fix_client --help`. QuickFIX reconnects by itself and builds a new Logon each time;
`code freeze` makes it repeat one code, as engines with a static Logon do. It must not print a secret.
"""

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import quickfix as fix

from simulators import engine
from simulators.console import Command, CommandError, Console, Handler, Result
from simulators.counterparty import Counterparty, run
from simulators.credentials import ENCRYPTED_PASSWORD, METHODS, CodeSource, Layout

_HEADER_TAGS = frozenset({50, 57, 115, 116, 128, 129, 142, 143})
_PASSWORD_ENV, _TOTP_ENV = "FIX_CLIENT_PASSWORD", "FIX_CLIENT_TOTP_SECRET"


@dataclass(repr=False)
class Identity:
    """Who logs on: a user, a password, and a source of codes. Invariant: its repr shows nothing."""

    user: str
    password: str
    code: CodeSource


class Algorithm(Counterparty):
    """The initiator's application.

    Invariant: a ClOrdID given by a command is used as it is; otherwise they count up from 1 in this process.
    """

    def __init__(self, setup: engine.Setup, console: Console, layout: Layout, identity: Identity) -> None:
        super().__init__(setup, console)
        self._layout = layout
        self._identity = identity
        self._ordered = 0

    def dress_logon(self, message: Any, session_id: Any) -> None:
        """Add what the venue wants to see in a Logon, and tell that one goes out (without its secrets)."""
        code = self._identity.code.code()
        fields = self._layout.fields(self._identity.user, self._identity.password, code)
        for tag, text in fields.items():
            (message.getHeader() if tag in _HEADER_TAGS else message).setField(tag, text)
        reset = engine.value(message, 141)
        self._tell("logon-sent", session_id, message, with_code=code is not None, reset=reset)

    @engine.callback
    def fromApp(self, message: Any, session_id: Any) -> None:
        """Record an ExecutionReport; tell about an OrderCancelReject and a BusinessMessageReject."""
        msg_type = engine.value(message.getHeader(), 35)
        if msg_type == "8":
            names = {17: "exec_id", 11: "cl_ord_id", 150: "exec_type", 39: "ord_status"}
            self.received.append(engine.value(message, 17) or "")
            self._tell("report", session_id, message, **engine.named(message, names))
        else:
            names = {11: "cl_ord_id", 372: "ref_msg_type", 58: "text"}
            self._tell("reject", session_id, message, **engine.named(message, names))

    def handlers(self) -> Mapping[str, Handler]:
        """Return the commands: those of both sides, `order`, `cancel`, `code` and `credentials`."""
        own = {"order": self._order, "cancel": self._cancel, "code": self._code, "credentials": self._credentials}
        return {**super().handlers(), **own}

    def _order(self, command: Command) -> Result:
        given, count = command.text("cl_ord_id"), command.number("count", 1)
        if given and count > 1:
            raise CommandError("cl_ord_id names one order; leave it out to send several")
        ids = [self._place(given, command) for _ in range(count)]
        return {"cl_ord_ids": ids}

    def _place(self, given: str, command: Command) -> str:
        self._ordered += 1
        cl_ord_id = given or f"{command.text('prefix', 'order')}-{self._ordered}"
        fields = {21: 1, 38: command.number("qty", 100), 40: 2, 44: 10, **self._order_fields(cl_ord_id)}
        self._record("order", command, cl_ord_id)
        self.send(engine.message(self.setup.begin_string, "D", fields), self.session_id(command))
        return cl_ord_id

    def _cancel(self, command: Command) -> Result:
        original = command.text("cl_ord_id")
        cl_ord_id = f"cancel-{original}"
        fields = {41: original, 38: 100, **self._order_fields(cl_ord_id)}
        self._record("cancel", command, cl_ord_id)
        self.send(engine.message(self.setup.begin_string, "F", fields), self.session_id(command))
        return {"cl_ord_id": cl_ord_id}

    def _record(self, name: str, command: Command, cl_ord_id: str) -> None:
        self.sent.append(cl_ord_id)
        self._tell(name, self.session_id(command), cl_ord_id=cl_ord_id)

    def _order_fields(self, cl_ord_id: str) -> dict[int, object]:
        return {11: cl_ord_id, 54: 1, 55: "DEMO", 60: engine.now()}

    def _code(self, command: Command) -> None:
        self._identity.code.steer(command.text("value", "auto"), command.number("steps", 0))

    def _credentials(self, command: Command) -> None:
        self._identity.user = command.text("user", self._identity.user)
        self._identity.password = command.text("password", self._identity.password)
        self._identity.code.secret = command.text("totp_secret", self._identity.code.secret)


_EPILOG = f"""\
secrets: --password-file or ${_PASSWORD_ENV}; --totp-file (base32) or ${_TOTP_ENV}; or the command `credentials`.

commands on standard input, as JSON objects or as typed here:
  order [cl_ord_id=A-1 | count=5 prefix=B] [qty=100]     NewOrderSingle; off line they wait in the store
  cancel cl_ord_id=A-1                                   OrderCancelRequest
  state                          next MsgSeqNums, the ExecIDs received and the ClOrdIDs sent
  code value=auto [steps=-1] | freeze | none | 000000    what the next Logons carry
  credentials user=... password=... totp_secret=...
  logout [text=...] | logon [reset=y]    log out and stay away | connect again, with 141=Y if asked
  drop [stay=y]                  break the line without a Logout; QuickFIX reconnects unless told to stay
  reset                          a Logon with 141=Y in the middle of the session
  stop                           log out and end; the end of the input does the same
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m simulators.fix_client",
        description="A QuickFIX initiator that plays the trading algorithm.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="where to connect (default 127.0.0.1)")
    add("--port", type=int, default=9878, help="where to connect (default 9878)")
    engine.add_arguments(parser, sender="ALGO", target="EXCHANGE")
    add("--reconnect", type=int, default=5, metavar="SECONDS", help="ReconnectInterval (default 5)")
    add("--logon-timeout", type=int, default=10, metavar="SECONDS", help="wait for the answer (default 10)")
    add("--wait", action="store_true", help="don't connect before the command logon")
    add("--user", default="", help="the user's name (default: none is sent)")
    add("--user-tag", type=int, default=553, metavar="TAG", help="553, 50, ... (default 553)")
    add("--password-tag", type=int, default=554, metavar="TAG", help="554; 96 with 95; 1402 encrypted (default 554)")
    add("--code-tag", type=int, default=20030, metavar="TAG", help="where the code goes (default 20030)")
    add("--code-appended", action="store_true", help="the code is the end of the password")
    add("--cqg", action="store_true", help="as CQG has it: user in 50, password in 96, code in 20030")
    add("--public-key", type=Path, metavar="PEM", help="for 1402: RSA, sent as base64")
    add("--rsa-padding", choices=sorted(METHODS), default="oaep", help="OAEP is with SHA-256 (default oaep)")
    add("--digits", type=int, choices=(6, 8), default=6, help="digits of a code (default 6)")
    add("--digest", choices=("sha1", "sha256", "sha512"), default="sha1", help="TOTP's hash (default sha1)")
    add("--period", type=int, default=30, metavar="SECONDS", help="TOTP's time step (default 30)")
    add("--password-file", type=Path, metavar="FILE", help=f"else ${_PASSWORD_ENV}")
    add("--totp-file", type=Path, metavar="FILE", help=f"the key in base32; else ${_TOTP_ENV}")
    return parser


def _secret(path: Path | None, variable: str) -> str:
    return path.read_text().strip() if path else os.environ.get(variable, "")


def _layout(options: argparse.Namespace) -> Layout:
    if options.cqg:
        return Layout(user_tag=50, password_tag=96)
    return Layout(
        user_tag=options.user_tag,
        password_tag=options.password_tag,
        code_tag=options.code_tag,
        appended=options.code_appended,
        public_key=options.public_key,
        rsa_padding=options.rsa_padding,
    )


def _identity(options: argparse.Namespace) -> Identity:
    code = CodeSource(
        _secret(options.totp_file, _TOTP_ENV), digits=options.digits, digest=options.digest, interval=options.period
    )
    return Identity(options.user, _secret(options.password_file, _PASSWORD_ENV), code)


def main(arguments: list[str] | None = None) -> None:
    """Run the algorithm until it is told to stop."""
    parser = _parser()
    options = parser.parse_args(arguments)
    layout = _layout(options)
    if layout.password_tag == ENCRYPTED_PASSWORD and layout.public_key is None:
        parser.error("--password-tag 1402 needs --public-key")
    setup = engine.setup(options, "EXCHANGE")
    algorithm = Algorithm(setup, Console(as_json=options.json), layout, _identity(options))
    algorithm.port = options.port
    special = {
        "ConnectionType": "initiator",
        "SocketConnectHost": options.host,
        "SocketConnectPort": options.port,
        "ReconnectInterval": options.reconnect,
        "LogonTimeout": options.logon_timeout,
    }
    store, log, settings = setup.store_factory(), setup.log_factory(), setup.settings(special)
    initiator = fix.SocketInitiator(algorithm, store, settings, log)
    if options.wait:
        for session_id in algorithm.session_ids:
            fix.Session.lookupSession(session_id).logout()
    algorithm.console.event("ready")
    initiator.start()
    run(algorithm, control=not options.no_control)


if __name__ == "__main__":
    main()
