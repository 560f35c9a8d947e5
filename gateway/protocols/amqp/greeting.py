"""Leads the handshake, and finds the login in it where the venue has the code in the SASL password.

Each side's frames in their one order (AMQP 0-9-1 §2.2.4); after Connection.Open the frames are `Client`'s and `Broker`'s.
"""

from enum import Enum
from typing import Final

from gateway.core.dialect import Answered, Found, Violation
from gateway.core.login import Login
from gateway.core.reason import Reason
from gateway.core.secret import Secret
from gateway.protocols.amqp.content import Properties
from gateway.protocols.amqp.frames import METHOD, PROTOCOL_HEADER, Frame, GarbledError
from gateway.protocols.amqp.handshake import (
    EXTERNAL,
    PLAIN,
    Tuning,
    edit_start,
    edit_tune,
    edit_tune_ok,
    read_open,
    read_start_ok,
    split_code,
    with_password,
)
from gateway.protocols.amqp.line import VERSION, Line, Phase, Request
from gateway.protocols.amqp.methods import Code, Cursor, Method, close_connection
from gateway.protocols.amqp.venue import CodeIn

ANY_VHOST: Final = "*"
"""The target of a login that is judged before the client names its vhost; the broker's permissions decide on that."""

_EXCEEDS: Final = "NOT_ALLOWED - negotiated values exceed what was offered"


class Step(Enum):
    """What one side says next."""

    HEADER = "protocol header"
    START = "start"
    START_OK = "start-ok"
    TUNE = "tune"
    TUNE_OK = "tune-ok"
    OPEN = "open"
    DONE = "done"


class Greeting:
    """Invariant: `client` and `broker` only go forward, and the client never speaks before it was asked."""

    __slots__ = ("_line", "_offer", "_offered", "broker", "client")

    def __init__(self, line: Line) -> None:
        self._line = line
        external = {EXTERNAL} if line.identity and line.venue.code_in is CodeIn.REQUEST else set()
        self._offered = frozenset({PLAIN} | external)
        self._offer: Tuning | None = None
        self.client = Step.HEADER
        self.broker = Step.START

    def header(self) -> bool:
        """Take the client's protocol header; False while it is not whole. Answers another as a broker does: with its own."""
        line = self._line
        came = line.up.peek(len(PROTOCOL_HEADER))
        if not PROTOCOL_HEADER.startswith(came):
            line.phase = Phase.OVER
            line.pass_down(PROTOCOL_HEADER)
            line.out.say(Violation(Reason.UNSUPPORTED_VERSION))
            return False
        if came != PROTOCOL_HEADER:
            return False
        line.pass_up(line.up.take(len(PROTOCOL_HEADER)))
        self.client = Step.START_OK
        return True

    def from_client(self, one: Frame) -> None:
        """Take a frame of the client. Raises GarbledError where it is not its turn."""
        line = self._line
        if line.ended:
            line.pass_up(one.raw)  # CloseOk; the broker judges it
        elif self.client is Step.START_OK and self.broker is Step.TUNE:
            self._start_ok(one)
        elif self.client is Step.TUNE_OK and self._offer is not None:
            self._tune_ok(one, self._offer)
        elif self.client is Step.OPEN:
            line.vhost = read_open(one)
            line.pass_up(one.raw)
            line.opened, self.client = True, Step.DONE
        else:
            raise GarbledError("a frame out of turn")

    def from_broker(self, one: Frame) -> None:
        """Take a frame of the broker. Raises GarbledError where it is not its turn."""
        line = self._line
        if one.kind == METHOD and Cursor(one.payload).number(4) == Method.CONNECTION_CLOSE:
            self._refused(one)
        elif self.broker is Step.START:
            line.pass_down(edit_start(one, self._offered))
            line.greeted, self.broker = True, Step.TUNE
        elif self.broker is Step.TUNE:
            self._tune(one)
        else:
            raise GarbledError("a frame out of turn")

    # ── Start-Ok ──

    def _start_ok(self, one: Frame) -> None:
        line = self._line
        read = read_start_ok(one, self._offered, line.identity)
        line.user, line.password = read.user, read.password
        self.client = Step.TUNE_OK
        if line.asks:
            line.pass_up(one.raw)
            return
        password, code = split_code(read.password or Secret(b""), line.venue.code_digits)
        line.password = password
        login = Login("amqp", read.user, read.user, ANY_VHOST, VERSION, password, code, stream=read.user)
        line.request = Request(0, Properties(0), login, frames=(with_password(one, read, password),))
        line.phase = Phase.CHECKING
        line.out.say(Found(login, line.arrived))

    def _refused(self, one: Frame) -> None:
        line = self._line
        line.ended = True
        line.pass_down(one.raw)
        self.broker = Step.DONE
        if line.phase is Phase.ADMITTING:
            line.out.last = Answered(accepted=False)

    # ── Tune ──

    def _tune(self, one: Frame) -> None:
        line = self._line
        raw, self._offer = edit_tune(one)
        line.pass_down(raw)
        self.broker = Step.DONE
        if line.phase is Phase.ADMITTING:
            line.phase = Phase.PASSING
            line.out.last = Answered(accepted=True)
            line.request = line.request.answered() if line.request else None

    def _tune_ok(self, one: Frame, offer: Tuning) -> None:
        line = self._line
        edited = edit_tune_ok(one, offer)
        if edited is None:
            line.pass_down(close_connection(Code.NOT_ALLOWED, _EXCEEDS))
            line.ended, line.phase = True, Phase.OVER
            line.out.say(Violation(Reason.GARBLED))
            return
        raw, tuning = edited
        line.pass_up(raw)
        line.tuning = tuning
        line.up.limit = line.down.limit = tuning.frame_max
        self.client = Step.OPEN
