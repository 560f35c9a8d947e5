"""The client's frames, one by one: the methods of its connection and its channels; contents are `Publishes`' to look at.

The exact look. What the allow-list refuses is answered here and never goes up.
"""

from dataclasses import replace

from gateway.core.dialect import Declined, LoggedOut, Renewal
from gateway.core.login import Login
from gateway.core.reason import Reason
from gateway.core.secret import Secret
from gateway.protocols.amqp.channels import Channel, Shut
from gateway.protocols.amqp.frames import HEARTBEAT, METHOD, Frame
from gateway.protocols.amqp.gate import Refusal, judge
from gateway.protocols.amqp.handshake import split_code
from gateway.protocols.amqp.line import Line, Phase
from gateway.protocols.amqp.methods import Code, Cursor, Method, close_channel, method, shortstr
from gateway.protocols.amqp.publishes import Publishes
from gateway.protocols.amqp.replies import CHANNEL_ERROR, NOT_ALLOWED, UNEXPECTED, cut


class Client:
    """Reads what comes after the handshake. Invariant: a frame goes up whole and in order on its channel, or not at all."""

    __slots__ = ("_line", "_publishes")

    def __init__(self, line: Line) -> None:
        self._line = line
        self._publishes = Publishes(line)

    def take(self, one: Frame) -> None:
        """Look at one frame and say what becomes of it. Raises GarbledError."""
        if one.kind == HEARTBEAT:
            self._line.pass_up(one.raw)
        elif not one.channel:
            self._connection(one)
        elif one.kind == METHOD:
            self._method(one)
        else:
            self._publishes.take(one)

    # ── the connection ──

    def _connection(self, one: Frame) -> None:
        line, cursor = self._line, Cursor(one.payload)
        name = cursor.number(4) if one.kind == METHOD else 0
        if name == Method.CONNECTION_CLOSE:
            self._close(one)
        elif name == Method.CONNECTION_CLOSE_OK and line.ended:
            return  # the gateway has said it, or there is nobody to say it to
        elif name == Method.CONNECTION_UPDATE_SECRET and line.passing and line.request:
            password, code = split_code(Secret(cursor.long()), line.venue.code_digits)
            line.out.say(Renewal(_renewed(line.request.login, password, code), line.arrived))
        else:
            cut(line, NOT_ALLOWED)

    def _close(self, one: Frame) -> None:
        line = self._line
        if line.phase is Phase.ADMITTING:
            line.wait(one)
            return
        line.left = True
        if line.passing and line.asks and not line.ended:
            line.phase = Phase.OVER
            line.out.say(LoggedOut(stays=False))
        else:
            line.ended = True
            line.pass_up(one.raw)

    # ── methods of a channel ──

    def _method(self, one: Frame) -> None:
        line, cursor = self._line, Cursor(one.payload)
        name, channel = cursor.number(4), line.channels.get(one.channel)
        if name == Method.CHANNEL_OPEN:
            self._open(one, channel)
        elif channel is None:
            cut(line, CHANNEL_ERROR)
        elif channel.shut is not Shut.OPEN:
            self._shut(channel, name, one)
        elif channel.collecting is not None and name not in (Method.CHANNEL_CLOSE, Method.CHANNEL_CLOSE_OK):
            cut(line, UNEXPECTED)
        elif name == Method.BASIC_PUBLISH:
            self._publishes.begin(channel, cursor, one)
        else:
            self._judged(channel, name, judge(name, cursor, channel, line), one)

    def _open(self, one: Frame, channel: Channel | None) -> None:
        line = self._line
        top = line.tuning.top if line.tuning else 0
        if one.channel >= top or (channel is not None and channel.shut is not Shut.LEAVING):
            cut(line, CHANNEL_ERROR)
            return
        line.channels[one.channel] = Channel(one.channel)
        line.confirming.pop(one.channel, None)
        line.note(line.channels[one.channel])
        line.pass_up(one.raw)

    def _judged(self, channel: Channel, name: int, refusal: Refusal | None, one: Frame) -> None:
        line = self._line
        if refusal is None:
            if channel.confirms:
                line.confirming[channel.number] = channel.confirms
            if channel.shut is not Shut.OPEN:
                channel.collecting = None
            line.pass_up(one.raw)
        elif refusal.hard:
            cut(line, refusal)
        else:
            channel.shut = Shut.REFUSED
            channel.excuse = close_channel(channel.number, refusal.code, refusal.text, name)
            goodbye = Code.SUCCESS.to_bytes(2, "big") + shortstr("Goodbye") + bytes(4)
            line.pass_up(method(channel.number, Method.CHANNEL_CLOSE, goodbye))
            line.out.say(Declined(Reason.FORBIDDEN))
        line.note(channel)

    def _shut(self, channel: Channel, name: int, one: Frame) -> None:
        """Drop what comes on a channel that is being closed, but for the words that close it."""
        line = self._line
        match channel.shut, name:
            case Shut.LEAVING, Method.CHANNEL_CLOSE_OK:
                line.pass_up(one.raw)
            case Shut.REFUSED, Method.CHANNEL_CLOSE:
                channel.excuse = method(channel.number, Method.CHANNEL_CLOSE_OK)
            case Shut.TOLD, Method.CHANNEL_CLOSE:
                line.pass_down(method(channel.number, Method.CHANNEL_CLOSE_OK))
            case Shut.TOLD, Method.CHANNEL_CLOSE_OK:
                channel.shut = Shut.LEAVING
                line.note(channel)


def _renewed(login: Login, password: Secret, code: Secret | None) -> Login:
    return replace(login, password=password or login.password, code=code)
