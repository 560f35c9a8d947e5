"""One AMQP 0-9-1 connection, from its protocol header to its last frame: AMQP's side of `gateway.core.dialect`.

Finds the login, forwards it without its code, says no by swallowing. It can never admit, and before `admitted` no publish of the
client leaves it upwards (BY-2). What passes is never decoded and encoded: whole frames, as they came.
"""

from collections.abc import Callable

from gateway.core.dialect import Answered, Epilogue, Farewell, Output, Pass, Side, Violation, Watch
from gateway.core.login import Admitted, Moment, Refused
from gateway.core.reason import Reason
from gateway.protocols.amqp.answers import logout_report
from gateway.protocols.amqp.broker import Broker
from gateway.protocols.amqp.channels import Shut
from gateway.protocols.amqp.client import Client
from gateway.protocols.amqp.content import resized
from gateway.protocols.amqp.frames import HEARTBEAT, HEARTBEAT_FRAME, Frame, GarbledError
from gateway.protocols.amqp.greeting import Greeting, Step
from gateway.protocols.amqp.line import Line, Phase, Request
from gateway.protocols.amqp.methods import Code, Method, close_connection, method
from gateway.protocols.amqp.parting import Parting, goodbye
from gateway.protocols.amqp.replies import answer, delivery, report
from gateway.protocols.amqp.venue import Acceptance, Venue
from gateway.protocols.amqp.watch import BrokerWatch, ClientWatch

_JUDGED = (Phase.CHECKING, Phase.ADMITTING)


class AmqpDialect:
    """Invariants: `feed` never raises; every frame is looked at once, in the order in which it came, by the handshake, by
    `Client` or `Broker`, or by `Parting`; the client's frames wait while a login is judged.

    `identity` is the common name of a verified client certificate: the user of SASL EXTERNAL, "" for none.
    """

    __slots__ = ("_acceptance", "_beat_at", "_broker", "_client", "_greeting", "_line", "_parting")

    dials_on_accept = True

    def __init__(self, venue: Venue, acceptance: Acceptance | None = None, identity: str = "") -> None:
        self._acceptance = acceptance or Acceptance()
        self._line = Line(venue, identity)
        self._greeting = Greeting(self._line)
        self._client = Client(self._line)
        self._broker = Broker(self._line)
        self._parting = Parting(self._line)
        self._beat_at = 0.0

    # ── bytes ──

    def feed(self, side: Side, data: bytes, arrived: Moment) -> list[Output]:
        """Take bytes that arrived from `side`, maybe a while ago. Never raises, whatever the bytes."""
        line = self._line
        before = line.phase
        if side is Side.CLIENT:
            line.arrived = arrived
            line.up.add(data)
        else:
            line.down.add(data)
        outputs = self._run(self._from_client if side is Side.CLIENT else self._from_broker)
        if line.phase is Phase.CHECKING is not before:
            self._beat_at = arrived.mono + self._pace()
        return outputs

    def _run(self, act: Callable[[], None]) -> list[Output]:
        """Return what `act` wants written; bytes that are no AMQP end everything."""
        line = self._line
        try:
            act()
        except GarbledError:
            line.phase = Phase.OVER
            line.out.say(Violation(Reason.GARBLED))
        line.settle()
        return line.out.empty()

    def _from_client(self) -> None:
        line, up = self._line, self._line.up
        line.pass_up(up.prefix())
        while not self._waits():
            if self._greeting.client is Step.HEADER:
                if not self._greeting.header():
                    break
            elif one := up.next():
                self._client_frame(one)
            else:
                break
        if line.phase is Phase.OVER:
            up.clear()
        elif self._waits() and len(up) > self._acceptance.held_bytes:
            line.phase = Phase.OVER
            line.out.say(Violation(Reason.TOO_LARGE))

    def _waits(self) -> bool:
        line = self._line
        return line.held or line.phase in (Phase.CHECKING, Phase.OVER)

    def _client_frame(self, one: Frame) -> None:
        if self._greeting.client is Step.DONE:
            self._client.take(one)
        else:
            self._greeting.from_client(one)

    def _from_broker(self) -> None:
        line = self._line
        line.pass_down(line.down.prefix())
        while one := line.down.next():
            self._broker_frame(one)

    def _broker_frame(self, one: Frame) -> None:
        line = self._line
        if self._parting.begun:
            line.out.say(*self._parting.take(one))
        elif line.phase is Phase.OVER:
            return
        elif one.kind == HEARTBEAT:
            line.pass_down(one.raw)
        elif self._greeting.broker is Step.DONE:
            self._broker.take(one)
        else:
            self._greeting.from_broker(one)

    def watch(self, side: Side) -> Watch:
        """Return the hot-path look at bytes from `side`."""
        return ClientWatch(self._line) if side is Side.CLIENT else BrokerWatch(self._line)

    # ── the verdict ──

    def admitted(self, verdict: Admitted) -> list[Output]:  # noqa: ARG002 - the contract's
        """Return the login without its code; and what the allow-list passes of what came behind it."""
        line, request = self._line, self._line.request
        if request is None or line.phase is not Phase.CHECKING:
            return [Violation(Reason.NOT_A_LOGIN)]
        channel = line.channels.get(request.channel)
        if line.ended or (channel is not None and channel.shut is not Shut.OPEN):  # the broker closed it meanwhile
            line.phase = Phase.AWAITING
            return [Answered(accepted=False, stays=True)]
        line.phase = Phase.ADMITTING
        line.pass_up(_edited(request, line.frame_max))
        line.request = request.answered()
        if not line.asks:  # to many a client a broker says no without a word
            line.out.last = Answered(accepted=False)
        return self._run(self._from_client)

    @property
    def holds(self) -> bool:
        """Say whether the client wants to publish behind its login: everything from there on waits, in order."""
        return self._line.held

    def released(self, now: Moment) -> list[Output]:  # noqa: ARG002 - the contract's
        """The session passes: return what was held, looked at as `feed` would."""
        return self._run(self._from_client)

    def resumed(self, now: Moment) -> list[Output]:  # noqa: ARG002 - the contract's
        """Another login may come: look at what came behind the one that was refused."""
        return self._run(self._from_client)

    def refused(self, verdict: Refused) -> Farewell:
        """Swallow the login: ErrResp where its answer is awaited, and its confirm. The connection stays, but for a bad password."""
        line, request = self._line, self._line.request
        if request is None or not line.asks:
            line.phase, line.ended = Phase.OVER, True
            return Farewell(close_connection(Code.ACCESS_REFUSED, f"ACCESS_REFUSED - {verdict.text}"))
        line.phase, line.request = Phase.AWAITING, None
        mail: list[bytes] = []
        outputs = self._run(lambda: mail.extend(self._declined(request, verdict.text)))
        if any(isinstance(one, Violation) for one in outputs):
            return Farewell()
        message = b"".join(one.data for one in outputs if isinstance(one, Pass))
        return Farewell(message or None, mail=tuple(mail), stays=True)

    def _declined(self, request: Request, text: str) -> tuple[bytes, ...]:
        line = self._line
        channel = line.channels.get(request.channel)
        if channel is None:
            return ()
        frames, mail = answer(line, channel, request.properties, text)
        line.inject(channel.number, frames)
        line.note(channel)
        return mail

    # ── while nothing passes, and while it does ──

    def ticked(self, now: Moment) -> list[Output]:
        """Keep the broker's line up while the client has to wait: a heartbeat as often as a client sends one."""
        if self._line.phase not in _JUDGED or not self._pace() or now.mono < self._beat_at:
            return []
        self._beat_at = now.mono + self._pace()
        return [Pass(Side.UPSTREAM, HEARTBEAT_FRAME)]

    def _pace(self) -> float:
        tuning = self._line.tuning
        return tuning.heartbeat / 2 if tuning else 0.0

    def renewed(self) -> list[Output]:
        """Answer Connection.UpdateSecret."""
        return [Pass(Side.CLIENT, method(0, Method.CONNECTION_UPDATE_SECRET_OK))]

    def will(self) -> bytes:
        """Return the LogoutReq that the courier sends if this line can't; with the venue's session id once it is known."""
        line = self._line
        return goodbye(line, line.request.properties.app_id if line.request else "")

    # ── the end ──

    def dismissed(self, reason: Reason, text: str, now: Moment) -> Farewell:  # noqa: ARG002 - the contract's
        """Say LogoutRprt where the client awaits answers, and Connection.Close 320."""
        line = self._line
        if line.ended:
            return Farewell()
        frames, mail = self._reported(logout_report(line.venue, line.user, reason, text) if line.asks else b"")
        line.phase, line.ended = Phase.OVER, True
        line.settle()
        close = close_connection(Code.CONNECTION_FORCED, f"CONNECTION_FORCED - {text}")
        return Farewell(frames + close, mail=mail)

    def _reported(self, body: bytes) -> tuple[bytes, tuple[bytes, ...]]:
        """Bring a report to a consumer of the login's reply_to that is between two contents; else leave it to the courier."""
        line, request = self._line, self._line.request
        if request is None or not body or not line.may_answer(request.properties.reply_to):
            return b"", ()
        for channel in line.channels.values():
            if channel.shut is Shut.OPEN and line.contents.between(channel.number):
                frames = delivery(line, channel, request.properties, body)
                if frames:
                    return frames, ()
        home = line.channels.get(request.channel)
        return (b"", report(line, home, request.properties, body)[1]) if home else (b"", ())

    def parting(self, reason: Reason, now: Moment) -> list[Output]:  # noqa: ARG002 - the contract's
        """Tell the venue on the reserved channel, or the client, that the session is over."""
        line = self._line
        line.phase = Phase.OVER
        line.up.clear()
        line.settle()
        return self._parting.begin(reason)

    def epilogue(self) -> Epilogue:
        """Say how it ended; nothing of an AMQP connection is worth remembering."""
        return Epilogue(orderly=self._line.left, value=b"")


def _edited(request: Request, frame_max: int) -> bytes:
    """Return the frames of the login: those of the client, with the size and the body of what has no code in it."""
    if len(request.frames) == 1:
        return request.frames[0]
    published, header = request.frames
    return published + resized(header, request.body, request.channel, frame_max)
