"""The API application: logs in to M7 with user, password and a TOTP code, sends orders and hears answers and broadcasts.

Start it with `python -m simulators.m7_client --help`. The AMQP library is one that members really use, unmodified: aio-pika
(`connect` or `connect_robust`) or pika. It must not print a secret.
"""

import argparse
import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

from simulators.console import CommandError, Console
from simulators.credentials import CodeSource
from simulators.m7_aio import AioLine
from simulators.m7_line import Access, Line, LineError
from simulators.m7_loop import BackgroundLoop
from simulators.m7_pika import PikaLine
from simulators.m7_trader import Trader

LIBRARIES = ("aio-pika-robust", "aio-pika", "pika")
_PASSWORD_ENV, _TOTP_ENV = "M7_CLIENT_PASSWORD", "M7_CLIENT_TOTP_SECRET"
_EPILOG = f"""\
secrets: --password-file or ${_PASSWORD_ENV}; --totp-file (base32) or ${_TOTP_ENV}.

commands on standard input, as JSON objects or as typed here:
  connect                        connect and declare the own queues (done at the start unless --wait)
  login [force=y|n] [user=...]   LoginReq with the code of now; the answer is the event `response`
  order [cl_ord_id=A-1 | count=5 prefix=B]     OrdrEntry, one each
  logout [session=...]           LogoutReq
  password old=... new=...       ChgPwdReq
  poll [queue=responses|broadcasts]            one basic.get
  publish [exchange= key= body= user_id= reply_to= cc=]    anything at all, to see it refused
  code value=auto [steps=-1] | freeze | none | 000000      what the next LoginReq carries
  renew [secret=...]             Connection.UpdateSecret with the code of now (behind the password with --code-appended)
  drop [stay=y]                  break the line without a word; who reconnects by himself does so unless told to stay
  close                          close in order and stay away
  state                          session, orders sent, acknowledged and refused, executions, heartbeats, sequence gaps
  stop                           close and end; the end of the input does the same
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m simulators.m7_client",
        description="An API application of M7 on an unmodified AMQP library.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--library", choices=LIBRARIES, default=LIBRARIES[0], help=f"default {LIBRARIES[0]}, which reconnects by itself"
    )
    add("--host", default="127.0.0.1", help="where to connect (default 127.0.0.1)")
    add("--port", type=int, default=5672, help="where to connect (default 5672)")
    add("--vhost", default="app", help="default app")
    add("--user", required=True, help="the user, of the connection and of the LoginReq")
    add("--suffix", default="1", help="the end of the response queue's name (default 1)")
    add("--app-id", default="m7-client", help="app_id of each request (default m7-client)")
    add("--wait", action="store_true", help="don't connect before the command connect")
    add("--reconnect", type=float, default=0, metavar="SECONDS", help="aio-pika, pika: connect again after a lost line")
    add("--polls", action="store_true", help="consume nothing: answers are asked for with basic.get")
    add("--direct", action="store_true", help="answers by direct reply-to")
    add("--no-confirms", action="store_true", help="no publisher confirms")
    add("--encoding", choices=("", "gzip", "deflate"), default="", help="of the bodies (default: none)")
    add("--heartbeat", type=int, default=20, metavar="SECONDS", help="default 20; 0: none")
    add("--ca", type=Path, metavar="PEM", help="TLS, and what to check the other side by")
    add("--certificate", type=Path, metavar="PEM", help="the application's own certificate")
    add("--key", type=Path, metavar="PEM", help="and its key")
    add("--external", action="store_true", help="SASL EXTERNAL: the certificate says who it is")
    add("--code-appended", action="store_true", help="the code is the end of the password, and the LoginReq has none")
    add("--digits", type=int, choices=(6, 8), default=6, help="digits of a code (default 6)")
    add("--digest", choices=("sha1", "sha256", "sha512"), default="sha1", help="TOTP's hash (default sha1)")
    add("--period", type=int, default=30, metavar="SECONDS", help="TOTP's time step (default 30)")
    add("--password-file", type=Path, metavar="FILE", help=f"else ${_PASSWORD_ENV}")
    add("--totp-file", type=Path, metavar="FILE", help=f"the key in base32; else ${_TOTP_ENV}")
    add("--json", action="store_true", help="events as JSON objects")
    return parser


def _secret(path: Path | None, variable: str) -> str:
    return path.read_text().strip() if path else os.environ.get(variable, "")


def _access(options: argparse.Namespace, code: CodeSource) -> Access:
    password = _secret(options.password_file, _PASSWORD_ENV)
    return Access(
        host=options.host,
        port=options.port,
        vhost=options.vhost,
        user=options.user,
        password=(lambda: password + (code.code() or "")) if options.code_appended else (lambda: password),
        suffix=options.suffix,
        app_id=options.app_id,
        heartbeat=options.heartbeat,
        polls=options.polls,
        direct=options.direct,
        confirms=not options.no_confirms,
        external=options.external,
        ca=options.ca,
        certificate=options.certificate,
        key=options.key,
    )


def _trader(options: argparse.Namespace, console: Console, stack: ExitStack) -> Trader:
    secret = _secret(options.totp_file, _TOTP_ENV)
    code = CodeSource(secret, digits=options.digits, digest=options.digest, interval=options.period)
    access = _access(options, code)
    background = stack.enter_context(BackgroundLoop())

    def line(trader: Trader) -> Line:
        if options.library == "pika":
            return PikaLine(access, trader)
        return AioLine(access, trader, background, robust=options.library == "aio-pika-robust")

    trader = Trader(access, code, console, line)
    trader.in_request = not options.code_appended
    trader.reconnect = options.reconnect
    trader.encoding = options.encoding
    return trader


def main(arguments: list[str] | None = None) -> int:
    """Run the application until it is told to stop."""
    options = _parser().parse_args(arguments)
    console = Console(as_json=options.json)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with ExitStack() as stack:
        trader = _trader(options, console, stack)
        handlers = trader.handlers()
        console.event("ready", library=options.library)
        if not options.wait:
            console.serve(["connect"], handlers)
        console.serve(sys.stdin, handlers)
        stack.callback(console.event, "stopped")
        try:
            trader.hang_up()
        except (LineError, CommandError) as error:
            console.event("error", text=str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
