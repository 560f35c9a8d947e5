"""The end of a session on the client's own line: LogoutReq to the venue on the channel that the gateway kept for itself.

Channel.Open, Confirm.Select and the publish go out at once; the broker's ack is the venue's word. Where the broker is gone only
the client is told. Must not write anything of the client's.
"""

from typing import Final

from gateway.core.dialect import Output, Parted, Pass, Side
from gateway.core.reason import Reason
from gateway.protocols.amqp.answers import logout_request
from gateway.protocols.amqp.content import content
from gateway.protocols.amqp.frames import METHOD, Frame
from gateway.protocols.amqp.line import Line
from gateway.protocols.amqp.methods import Code, Cursor, Method, close_connection, method, publish
from gateway.protocols.amqp.parcel import Parcel

GONE: Final = frozenset((Reason.UPSTREAM_LOST, Reason.UPSTREAM_CLOSED))
LOST: Final = "CONNECTION_FORCED - the exchange closed the connection"


class Parting:
    """Invariant: LogoutReq is written at most once, and `Parted` said at most once."""

    __slots__ = ("_line", "_over", "_returned", "begun")

    def __init__(self, line: Line) -> None:
        self._line = line
        self.begun = False
        self._returned = False
        self._over = False

    def begin(self, reason: Reason) -> list[Output]:
        """Tell whoever is left; see `gateway.core.dialect.Dialect.parting`."""
        line = self._line
        if reason in GONE:
            return self._gone()
        will = goodbye(line, line.request.properties.app_id if line.request else "")
        if reason is Reason.UPSTREAM_REFUSED or not will or line.tuning is None or self.begun:
            return []
        self.begun = True
        told: list[Output] = [Pass(Side.UPSTREAM, _logout(line, Parcel.decode(will)))]
        if line.left and not line.ended:
            line.ended = True
            told.append(Pass(Side.CLIENT, method(0, Method.CONNECTION_CLOSE_OK)))
        return told

    def _gone(self) -> list[Output]:
        line, told = self._line, list[Output]()
        if line.greeted and not line.ended:
            line.ended = True
            told.append(Pass(Side.CLIENT, close_connection(Code.CONNECTION_FORCED, LOST)))
        owed = bool(goodbye(line, ""))
        return [*told, Parted(not owed)]

    def take(self, one: Frame) -> list[Output]:
        """Read the broker's frames, of which the client gets none any more. Raises GarbledError."""
        line = self._line
        if one.kind != METHOD or self._over:
            return []
        name = Cursor(one.payload).number(4)
        if not one.channel and name == Method.CONNECTION_CLOSE:
            return self._parted(accepted=False)
        if line.tuning is None or one.channel != line.tuning.top:
            return []
        self._returned = self._returned or name == Method.BASIC_RETURN
        if name == Method.BASIC_ACK:
            return self._parted(accepted=not self._returned)
        return self._parted(accepted=False) if name in (Method.BASIC_NACK, Method.CHANNEL_CLOSE) else []

    def _parted(self, *, accepted: bool) -> list[Output]:
        self._over = True
        return [Pass(Side.UPSTREAM, close_connection(Code.SUCCESS, "Goodbye")), Parted(accepted)]


def _logout(line: Line, parcel: Parcel) -> bytes:
    channel = line.tuning.top if line.tuning else 0
    return (
        method(channel, Method.CHANNEL_OPEN, b"\0")
        + method(channel, Method.CONFIRM_SELECT, b"\0")
        + publish(channel, parcel.exchange, parcel.routing_key, mandatory=parcel.mandatory)
        + content(
            channel,
            parcel.body,
            line.frame_max,
            content_type=parcel.content_type,
            user_id=parcel.user_id,
            app_id=parcel.app_id,
        )
    )


def goodbye(line: Line, app_id: str) -> bytes:
    """Return the parcel that logs this user out at the venue; b"" where it has no such request."""
    venue = line.venue
    body = logout_request(venue, line.user, line.session) if line.asks else b""
    if not body:
        return b""
    parcel = Parcel(
        exchange=venue.exchange_of(line.user),
        routing_key=venue.login_key,
        body=body,
        content_type=venue.content_type,
        user_id=line.user,
        app_id=app_id,
    )
    return parcel.encode()
