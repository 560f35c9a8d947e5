"""One AMQP 0-9-1 connection on the trader's side: AMQP's half of `gateway.attach.dialect`."""

from gateway.attach.amqp.broker import BrokerStream
from gateway.attach.amqp.client import ClientStream
from gateway.attach.amqp.logins import Dresser, FoundRequest, FoundStartOk
from gateway.attach.dialect import Answer, Dials, Login
from gateway.core.dialect import Side, Watch
from gateway.protocols.amqp.frames import HEARTBEAT_FRAME
from gateway.protocols.amqp.venue import CodeIn


class AmqpDialect:
    """Invariant: both directions are known to their frames' boundaries, so that a heartbeat of ours is never inside one."""

    __slots__ = ("_beat_at", "_broker", "_client", "dials")

    def __init__(self, dresser: Dresser) -> None:
        self._client = ClientStream(dresser)
        self._broker = BrokerStream(dresser.venue)
        self._beat_at = 0.0
        self.dials = Dials.AT_ONCE if dresser.venue.code_in is CodeIn.REQUEST else Dials.AT_TURN

    @property
    def unfinished(self) -> int:
        """Count the bytes held back of a frame or a request that is not complete."""
        return self._client.unfinished

    def feed(self, data: bytes) -> list[bytes | Login]:
        """Cut what the client said at its login requests, or behind Connection.StartOk."""
        pieces = self._client.feed(data)
        self._broker.tuned(self._client.frame_max)
        return pieces

    def found(self, login: Login) -> None:  # noqa: ARG002 - the contract's
        """Let no chunk take the short cut while a login waits."""
        self._client.stopped = True

    def sent(self, login: Login) -> None:
        """Await the answer with the login's correlation id, or the handshake's next word."""
        self._client.stopped = False
        if isinstance(login, FoundRequest | FoundStartOk):
            self._broker.awaits(login)

    def hear(self, data: bytes) -> Answer | None:
        """Read along with what the broker says."""
        return self._broker.hear(data)

    def watch(self, side: Side) -> Watch:
        """Return the short cut of a direction."""
        return self._client if side is Side.CLIENT else self._broker

    def beat(self, now: float) -> bytes:
        """Return a heartbeat as often as the client would send one (AMQP 0-9-1 §4.2.7)."""
        pace = self._client.heartbeat / 2
        if not pace or now < self._beat_at:
            return b""
        self._beat_at = now + pace
        return HEARTBEAT_FRAME
