"""The broker's frames, one by one: they all go to the client, but for acks that are renumbered and a channel that is being refused.

The exact look. It finds the answer to a forwarded login, learns the names that the server gives, and is where the gateway's own
frames for the client find a place between two contents.
"""

from gateway.core.dialect import Answered
from gateway.protocols.amqp.channels import Channel, Shut
from gateway.protocols.amqp.content import CONTENT, Collected, Properties
from gateway.protocols.amqp.frames import METHOD, Frame
from gateway.protocols.amqp.line import Line, Phase
from gateway.protocols.amqp.methods import Cursor, Method, ack, method, read_ack
from gateway.protocols.amqp.requests import read_answer
from gateway.protocols.amqp.venue import AnswerBy

_MULTIPLE = 1
_CLOSE = Method.CHANNEL_CLOSE.to_bytes(4, "big")
"""An excuse that is a Channel.Close waits for the client's CloseOk; else it is the CloseOk for which the client waits."""
_PUBLISH = Method.BASIC_PUBLISH.to_bytes(4, "big")
"""What a Channel.Close ends with where it was a publish that the broker did not take."""
_ACKS = (Method.BASIC_ACK, Method.BASIC_NACK)


class Broker:
    """Reads what comes after the handshake. Invariant: contents reach the client as they came, frame for frame."""

    __slots__ = ("_line",)

    def __init__(self, line: Line) -> None:
        self._line = line

    def take(self, one: Frame) -> None:
        """Look at one frame and pass it on. Raises GarbledError."""
        line, channel = self._line, self._line.channels.get(one.channel)
        if not one.channel or channel is None:
            self._connection(one)
        elif one.kind == METHOD:
            self._method(channel, one)
        else:
            self._pass(one)
            self._content(channel, one)
            self._flush(channel)
        if channel is not None:
            line.note(channel)

    def _connection(self, one: Frame) -> None:
        line = self._line
        name = Cursor(one.payload).number(4) if one.kind == METHOD else 0
        if name in (Method.CONNECTION_CLOSE, Method.CONNECTION_CLOSE_OK):
            line.ended = True
        if name == Method.CONNECTION_CLOSE:  # answered here: a client that says nothing must not keep its session open
            line.pass_up(method(0, Method.CONNECTION_CLOSE_OK))
        self._pass(one) if one.channel else line.pass_down(one.raw)

    def _pass(self, one: Frame) -> None:
        self._line.contents.passed(one)
        self._line.pass_down(one.raw)

    def _flush(self, channel: Channel) -> None:
        """Write what waited for the end of a content."""
        if channel.pending and self._line.contents.between(channel.number):
            self._line.pass_down(channel.pending)
            channel.pending = b""

    # ── methods ──

    def _method(self, channel: Channel, one: Frame) -> None:
        line, payload = self._line, one.payload
        cursor = Cursor(payload)
        name = cursor.number(4)
        line.pass_down(channel.pending)  # a method is never inside a content
        channel.pending = b""
        channel.answer = None
        if name == Method.CHANNEL_CLOSE_OK and channel.excuse:
            self._excused(channel)
            return
        raw = one.raw
        if name in _ACKS and channel.confirms:
            self._confirmed(channel, name, *read_ack(payload))
            if channel.confirms.renumbers:
                tag, bits = read_ack(payload)
                raw = ack(channel.number, channel.confirms.clients(tag), Method(name), bits)
        line.contents.passed(one)
        line.pass_down(raw)
        self._noted(channel, name, cursor, payload)

    def _excused(self, channel: Channel) -> None:
        """The broker closed a channel for the gateway: the client hears why, unless the broker had closed it by itself."""
        excuse, channel.excuse = channel.excuse, b""
        if channel.shut is Shut.REFUSED:
            self._line.pass_down(excuse)
            channel.shut = Shut.TOLD if excuse[7:11] == _CLOSE else Shut.LEAVING

    def _noted(self, channel: Channel, name: int, cursor: Cursor, payload: bytes) -> None:
        line = self._line
        if payload[:4] in CONTENT:
            channel.answer = Collected(keep=True) if line.phase is Phase.ADMITTING else None
            channel.returned = name == Method.BASIC_RETURN
        elif name == Method.BASIC_CONSUME_OK:
            channel.consumed(cursor.short())
        elif name == Method.BASIC_CANCEL:
            channel.cancelled(cursor.short())
        elif name == Method.QUEUE_DECLARE_OK and channel.declares:
            self._declared(channel, cursor.text())
        elif name in (Method.CHANNEL_CLOSE, Method.CHANNEL_CLOSE_OK):
            channel.shut = Shut.LEAVING
            if payload[-4:] == _PUBLISH:
                self._lost_with(channel)

    def _declared(self, channel: Channel, queue: str) -> None:
        if channel.declares and channel.declares.pop(0):
            self._line.learn(queue)
            channel.queue = channel.queue or queue

    # ── the login's answer ──

    def _content(self, channel: Channel, one: Frame) -> None:
        line, found = self._line, channel.answer
        request = line.request
        if found is None or request is None or line.phase is not Phase.ADMITTING:
            channel.answer = None
            return
        properties = found.add(one)
        if properties.correlation_id != request.properties.correlation_id or properties.size > line.venue.login_bytes:
            channel.answer = None
        elif found.complete:
            channel.answer = None
            self._read(channel, found, properties)

    def _read(self, channel: Channel, found: Collected, properties: Properties) -> None:
        line = self._line
        if channel.returned:
            self._lost_with(channel)
        elif line.venue.answer is AnswerBy.REPLY:
            answer = read_answer(b"".join(found.body), properties.content_encoding, line.venue)
            if answer is not None:
                line.session = answer.session
                self._answered(accepted=answer.accepted)

    def _confirmed(self, channel: Channel, name: int, tag: int, bits: int) -> None:
        """In a venue that answers no login, the broker's word that it was taken opens the session."""
        line, request = self._line, self._line.request
        if line.phase is not Phase.ADMITTING or request is None or channel.number != request.channel:
            return
        meant = tag == request.tag or (bits & _MULTIPLE and (tag > request.tag or not tag))
        if meant and name == Method.BASIC_NACK:
            self._answered(accepted=False)
        elif meant and line.venue.answer is AnswerBy.CONFIRM:
            self._answered(accepted=True)

    def _lost_with(self, channel: Channel) -> None:
        """The broker returned the login, or closed the channel because of it: it did not take it."""
        line = self._line
        if line.phase is Phase.ADMITTING and line.request and line.request.channel == channel.number:
            self._answered(accepted=False)

    def _answered(self, *, accepted: bool) -> None:
        line = self._line
        line.held = False
        line.phase = Phase.PASSING if accepted else Phase.AWAITING
        line.nuisance = 0 if accepted else line.nuisance
        if line.request:
            line.request = line.request.answered()
        line.out.last = Answered(accepted, stays=not accepted)
