"""The client's publishes: what can be a login or a logout is collected whole and read, any other passes or is swallowed.

The exact look. Must not let a publish go up before a login but the login itself, and that only once it is admitted (BY-2).
"""

from typing import Final

from gateway.core.dialect import Found, LoggedOut, Violation
from gateway.core.login import Login
from gateway.core.reason import Reason
from gateway.protocols.amqp.channels import Channel, Shut
from gateway.protocols.amqp.content import Collected, Properties, mandatory, read_header
from gateway.protocols.amqp.frames import BODY, HEADER, Frame
from gateway.protocols.amqp.gate import Refusal
from gateway.protocols.amqp.line import VERSION, Line, Phase, Request
from gateway.protocols.amqp.methods import Code, Cursor
from gateway.protocols.amqp.parting import goodbye
from gateway.protocols.amqp.replies import CHANNEL_ERROR, NOT_ALLOWED, UNEXPECTED, cut, swallow
from gateway.protocols.amqp.requests import UNCERTAIN, LoginRequest, read_login, read_logout
from gateway.protocols.amqp.venue import AnswerBy

LOOK: Final = 4096
"""Bytes of a body over the login's limit that are looked at before it is let go."""

MOST_COLLECTED: Final = 32
"""Channels on which a content is collected at a time: more than a client with threads does, and bounded memory."""

MOST_NUISANCE: Final = 1024
"""Publishes that are swallowed between two sessions: whoever goes on after so many refusals does not read them."""
READ: Final = 32
"""Of those, what one counts for that had to be parsed before it was swallowed."""

ENOUGH: Final = Refusal(Code.NOT_ALLOWED, "NOT_ALLOWED - too many messages without a login")
COPIES: Final = Refusal(Code.NOT_ALLOWED, "NOT_ALLOWED - a copy of a message to the login's routing key")


class Publishes:
    """Invariant: a content goes up whole and in order on its channel, or not at all."""

    __slots__ = ("_line",)

    def __init__(self, line: Line) -> None:
        self._line = line

    def begin(self, channel: Channel, cursor: Cursor, one: Frame) -> None:
        """Take a Basic.Publish; `cursor` stands behind its number. Raises GarbledError."""
        line, venue = self._line, self._line.venue
        cursor.number(2)
        exchange, key = cursor.short(), cursor.short()
        if line.phase is Phase.ADMITTING:
            line.wait(one)
            return
        if channel.confirms:
            channel.confirms.sent += 1
        asked = line.asks and key == venue.login_key.encode()
        if line.passing and not asked:
            line.pass_up(one.raw)
            return
        if len(line.collecting) >= MOST_COLLECTED:
            cut(line, NOT_ALLOWED)
            return
        home = asked and exchange == venue.exchange_of(line.user).encode()
        channel.reason = None if line.passing or (home and not line.asking) else Reason.NOT_LOGGED_IN
        channel.collecting = Collected(keep=channel.reason is None, home=home)
        channel.collecting.frames.append(one.raw)
        line.note(channel)

    def take(self, one: Frame) -> None:
        """Take a header or body frame. Raises GarbledError."""
        line, channel = self._line, self._line.channels.get(one.channel)
        if channel is None:
            cut(line, CHANNEL_ERROR)
        elif channel.collecting is not None:
            self._collect(channel, channel.collecting, channel.collecting.add(one))
        elif channel.shut is not Shut.OPEN:
            return
        elif not line.passing:
            cut(line, UNEXPECTED)
        elif one.kind == HEADER and line.asks and b"CC" in one.raw and self._copied(one):
            cut(line, COPIES)
        else:
            if one.kind == BODY and line.is_business(one.payload):
                line.up.business = True
            line.pass_up(one.raw)

    def _copied(self, one: Frame) -> bool:
        return self._line.venue.login_key.encode() in read_header(one.payload).copies

    def _collect(self, channel: Channel, collected: Collected, properties: Properties) -> None:
        line = self._line
        if channel.reason is None and properties.size > line.venue.login_bytes:
            self._oversized(channel, collected, properties)
        if not collected.complete or channel.collecting is None:
            return
        self._done(channel)
        if channel.reason is not None:
            self._swallow(channel, properties, channel.reason)
        elif line.passing:
            self._asked(channel, collected, properties)
        else:
            self._login(channel, collected, properties)

    def _done(self, channel: Channel) -> None:
        channel.collecting = None
        self._line.note(channel)

    def _swallow(self, channel: Channel, properties: Properties, reason: Reason, cost: int = 1) -> None:
        line = self._line
        swallow(line, channel, properties, reason)
        line.nuisance += cost
        if line.nuisance > MOST_NUISANCE:
            cut(line, ENOUGH)

    def _oversized(self, channel: Channel, collected: Collected, properties: Properties) -> None:
        """A body over the limit is no login: dropped before one; later only if its beginning can be a login's or a logout's."""
        line = self._line
        if line.passing and collected.came < min(LOOK, properties.size):
            return
        if line.passing and line.roots(collected.body, properties) not in self._looked_for():
            line.pass_up(b"".join(collected.frames))
            line.up.business = True
            self._done(channel)
            return
        channel.reason = Reason.TOO_LARGE
        collected.drop()

    def _looked_for(self) -> frozenset[str | None]:
        return frozenset((self._line.venue.login, self._line.venue.logout or UNCERTAIN, UNCERTAIN))

    def _asked(self, channel: Channel, collected: Collected, properties: Properties) -> None:
        """Judge a request of a session that passes: a second login never goes up, a logout ends the session."""
        line, venue = self._line, self._line.venue
        root, body = line.roots(collected.body, properties), b"".join(collected.body)
        if root in (venue.login, UNCERTAIN):
            read = read_login(body, properties.content_encoding, venue)
            if isinstance(read, LoginRequest) and read.user != line.user:
                line.phase = Phase.OVER
                line.out.say(Violation(Reason.IDENTITY_CHANGED))
                return
            if read is not Reason.NOT_A_LOGIN:
                reason = read if isinstance(read, Reason) else Reason.ALREADY_LOGGED_IN
                self._swallow(channel, properties, reason, READ)
                return
        line.pass_up(b"".join(collected.frames))
        line.up.business = True
        asks = collected.home and root in (venue.logout, UNCERTAIN)
        if asks and self._ends(read_logout(body, properties.content_encoding, venue)):
            line.phase = Phase.AWAITING
            line.out.say(LoggedOut(stays=True))

    def _ends(self, session: str | None) -> bool:
        """Say whether a logout that names `session` is this one's: the venue takes no other, so no other ends the watch over it."""
        own = self._line.session
        return session is not None and (not own or session in ("", own))

    # ── the login ──

    def _login(self, channel: Channel, collected: Collected, properties: Properties) -> None:
        line, venue = self._line, self._line.venue
        read = read_login(b"".join(collected.body), properties.content_encoding, venue)
        if isinstance(read, LoginRequest):
            read = self._misplaced(read, channel, collected, properties) or read
        if isinstance(read, Reason):
            reason = Reason.NOT_LOGGED_IN if read is Reason.NOT_A_LOGIN else read
            self._swallow(channel, properties, reason, READ)
            return
        line.session = ""  # of a session before this one
        login = Login(
            protocol="amqp",
            user=line.user,
            process=properties.app_id or line.user,
            target=line.vhost,
            version=VERSION,
            password=line.password,
            code=read.code,
            stream=line.user,
            force=read.force,
            will=goodbye(line, properties.app_id),
        )
        tag = channel.confirms.brokers() if channel.confirms else 0
        publish, header = collected.frames[:2]
        if venue.answer is AnswerBy.CONFIRM:  # RabbitMQ confirms what it can't route, too
            publish = mandatory(publish)
        line.request = Request(channel.number, properties, login, tag, (publish, header), read.stripped)
        line.phase = Phase.CHECKING
        line.out.say(Found(login, line.arrived))

    def _misplaced(
        self, read: LoginRequest, channel: Channel, collected: Collected, properties: Properties
    ) -> Reason | None:
        """Say what makes a readable login somebody else's, or one that the venue would not see or could not answer."""
        line = self._line
        if not collected.home:
            return Reason.NOT_LOGGED_IN
        if read.user != line.user or (properties.user_id and properties.user_id != line.user):
            return Reason.NOT_BOUND
        if properties.copies:
            return Reason.FORBIDDEN
        if line.venue.answer is AnswerBy.CONFIRM:
            return None if channel.confirms else Reason.FORBIDDEN
        answerable = properties.correlation_id and line.may_answer(properties.reply_to)
        return None if answerable else Reason.FORBIDDEN
