"""The exchange: an M7 backend on a RabbitMQ, which answers LoginReq, LogoutReq, orders and ChgPwdReq, and broadcasts.

Start it with `python -m simulators.m7_exchange --help`. It remembers what each user sent, in order, and whether a one-time
code ever reached it. It must not know that a gateway may sit in front of the broker.
"""

import argparse
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from simulators import m7_messages as m7
from simulators.console import Command, CommandError, Console, Handler, Result
from simulators.m7_backend import LOGINS, Behaviour
from simulators.m7_bus import Exchange, Place
from simulators.m7_loop import BackgroundLoop
from simulators.m7_management import Management

_ENV, _ADMIN_ENV = "M7_EXCHANGE_PASSWORD", "M7_EXCHANGE_ADMIN_PASSWORD"


class Desk:
    """The commands. Invariant: each is carried out on the exchange's own loop."""

    def __init__(self, exchange: Exchange, background: BackgroundLoop) -> None:
        self._exchange = exchange
        self._background = background

    def handlers(self) -> Mapping[str, Handler]:
        """Return all commands."""
        return {
            "state": self._state,
            "behaviour": self._behave,
            "broadcast": self._broadcast,
            "alive": self._alive,
            "log-out": self._log_out,
            "close": self._close,
            "stop": lambda _: None,
        }

    def _state(self, _: Command) -> Result:
        return {"users": {user: asdict(account) for user, account in self._exchange.backend.accounts.items()}}

    def _behave(self, command: Command) -> None:
        now = self._exchange.backend.behaviour
        login = command.text("login", now.login)
        if login not in LOGINS:
            raise CommandError(f"login must be one of {', '.join(LOGINS)}, not {login!r}")
        wanted = Behaviour(
            login=login,
            text=command.text("text", now.text),
            code=command.text("code", now.code),
            delay=command.number("delay_ms", int(now.delay * 1000)) / 1000,
            encoding=command.text("encoding", now.encoding),
            silent=command.flag("silent"),
        )
        self._background.call(self._meet(wanted))

    async def _meet(self, wanted: Behaviour) -> None:
        """Between two requests, never in the middle of one that has been told but not answered."""
        self._exchange.backend.behaviour = wanted

    def _broadcast(self, command: Command) -> None:
        for _ in range(command.number("count", 1)):
            body = self._exchange.backend.execution()
            self._background.call(self._exchange.broadcast(_user(command), body))

    def _alive(self, command: Command) -> None:
        if (every := command.number("every_ms", -1)) >= 0:
            self._exchange.alive = every / 1000
            return
        for _ in range(command.number("count", 1)):
            self._background.call(self._exchange.broadcast(_user(command), m7.ALIVE, m7.HEARTBEAT_TYPE))

    def _log_out(self, command: Command) -> None:
        reason, text = command.text("reason", "INACTIVITY"), command.text("text")
        reply = self._exchange.backend.log_out(_user(command), reason, text)
        self._background.call(self._exchange.carry_out(_user(command), reply))

    def _close(self, command: Command) -> Result:
        return {"closed": self._background.call(self._exchange.cut(_user(command), command.text("text", "PWD_CHANGE")))}


def _user(command: Command) -> str:
    user = command.text("user")
    if not user:
        raise CommandError("user=... names whom")
    return user


_EPILOG = f"""\
secrets: --password-file or ${_ENV}; the management API's --admin-password-file or ${_ADMIN_ENV}.

commands on standard input, as JSON objects or as typed here:
  state                                  of each user: session, logins, logouts, orders, orders without a session, codes seen
  behaviour login=refuse [text=... code=...] | silent | close | accept      what the next LoginReq meets
  behaviour [delay_ms=2000] [encoding=gzip|deflate] [silent=y]              late answers; packed bodies; no answers at all
  broadcast user=U [count=5]             OrdrExeRprt to the user's broadcast queue, with x-m7-group-sequence
  alive user=U [count=1] | every_ms=500  SYSTEM_ALIVE now, or to everybody at that pace (0: no more)
  log-out user=U [reason=INACTIVITY] [text=...]    end the user's session with a LogoutRprt
  close user=U [text=PWD_CHANGE]         close the user's connections with 320 CONNECTION_FORCED
  stop                                   end; the end of the input does the same
a memory alarm (Connection.Blocked) and a killed broker are the broker's: python -m simulators.m7_broker --help
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m simulators.m7_exchange",
        description="An M7 backend on a RabbitMQ that plays the exchange.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="the broker (default 127.0.0.1)")
    add("--port", type=int, default=5672, help="the broker's plain AMQP port (default 5672)")
    add("--vhost", default="app", help="default app")
    add("--user", default="m7-backend", help="the exchange's own account (default m7-backend)")
    add("--password-file", type=Path, metavar="FILE", help=f"else ${_ENV}")
    add(
        "--client", action="append", default=[], metavar="USER", help="declare this user's request exchange; repeatable"
    )
    add("--management-port", type=int, metavar="PORT", help="the management API, to close connections")
    add("--admin", default="operations", help="the API's user (default operations)")
    add("--admin-password-file", type=Path, metavar="FILE", help=f"else ${_ADMIN_ENV}")
    add("--json", action="store_true", help="events as JSON objects")
    return parser


def _secret(path: Path | None, variable: str) -> str:
    return path.read_text().strip() if path else os.environ.get(variable, "")


def _place(options: argparse.Namespace) -> Place:
    management = None
    if options.management_port:
        secret = _secret(options.admin_password_file, _ADMIN_ENV)
        management = Management(options.host, options.management_port, options.admin, secret)
    return Place(options.host, options.port, options.vhost, management)


def main(arguments: list[str] | None = None) -> int:
    """Run the exchange until it is told to stop."""
    options = _parser().parse_args(arguments)
    console = Console(as_json=options.json)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with BackgroundLoop() as background:
        exchange = Exchange(_place(options), console)
        background.call(exchange.open(options.user, _secret(options.password_file, _ENV), options.client))
        console.event("ready", vhost=options.vhost)
        console.serve(sys.stdin, Desk(exchange, background).handlers())
    return 0


if __name__ == "__main__":
    sys.exit(main())
