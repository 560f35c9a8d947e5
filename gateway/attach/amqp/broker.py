"""What the upstream says: where its frames end, and the answer to the login that was sent last. Nothing of it is held back."""

from typing import Final

from gateway.attach.amqp.logins import FoundRequest, FoundStartOk
from gateway.attach.dialect import Answer, told_in
from gateway.protocols.amqp.content import CONTENT, Collected
from gateway.protocols.amqp.frames import END, HEAD, LARGEST, METHOD, OVERHEAD, Frame, GarbledError, Stream
from gateway.protocols.amqp.methods import Cursor, Method, utf8
from gateway.protocols.amqp.requests import read_answer, read_refusal
from gateway.protocols.amqp.venue import AnswerBy, Venue

SETTLES: Final = 5.0
"""Seconds after a confirm in which a refusal may still come: a gateway confirms what it swallows, and its courier tries for 2."""


class BrokerStream:
    """Invariant: it knows where the next frame begins, or is `lost` and reads no more; bytes pass all the same."""

    __slots__ = ("_confirmed", "_contents", "_frames", "_login", "_lost", "_venue", "business")

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._frames = Stream()
        self._frames.limit = LARGEST
        self._lost = False
        self._login: FoundRequest | FoundStartOk | None = None
        self._contents: dict[int, tuple[int, Collected]] = {}
        self._confirmed = False
        self.business = False

    def tuned(self, frame_max: int) -> None:
        """Take note of the largest frame that the two sides agreed on."""
        self._frames.limit = max(frame_max, LARGEST)

    def awaits(self, login: FoundRequest | FoundStartOk) -> None:
        """Look for the answer to this login from now on."""
        self._login, self._confirmed = login, False
        self._contents.clear()

    # ── reading along ──

    def hear(self, data: bytes) -> Answer | None:
        """Return the answer once it is there."""
        answer, frames = None, self._frames
        if self._lost:
            return None
        frames.add(data)
        try:
            while one := frames.next():
                answer = self._look(one) or answer
        except GarbledError:
            self._lose()
        frames.settle()
        return answer

    def _look(self, one: Frame) -> Answer | None:
        answer = None
        match self._login:
            case FoundStartOk():
                answer = self._greeted(one)
            case FoundRequest() as login:
                answer = self._method(login, one) if one.kind == METHOD else self._content(login, one)
        if answer and not answer.settles:
            self._login = None
        return answer

    def _greeted(self, one: Frame) -> Answer | None:
        name = Cursor(one.payload).number(4) if one.kind == METHOD else 0
        if name == Method.CONNECTION_TUNE:
            return Answer(accepted=True)
        return _closed(one) if name == Method.CONNECTION_CLOSE else None

    def _method(self, login: FoundRequest, one: Frame) -> Answer | None:
        name = Cursor(one.payload).number(4)
        self._contents.pop(one.channel, None)
        if one.payload[:4] in CONTENT:
            self._contents[one.channel] = (name, Collected(keep=True))
        elif name == Method.CONNECTION_CLOSE or (name == Method.CHANNEL_CLOSE and one.channel == login.channel):
            return _closed(one)
        elif self._venue.answer is AnswerBy.CONFIRM and one.channel == login.channel:
            return self._confirm(name)
        return None

    def _confirm(self, name: int) -> Answer | None:
        if name == Method.BASIC_NACK:
            return Answer(accepted=False)
        if name != Method.BASIC_ACK or self._confirmed:
            return None
        self._confirmed = True
        return Answer(accepted=True, settles=SETTLES)

    def _content(self, login: FoundRequest, one: Frame) -> Answer | None:
        name, found = self._contents.get(one.channel, (0, None))
        if found is None:
            return None
        properties = found.add(one)
        if properties.correlation_id != login.number or properties.size > self._venue.login_bytes:
            del self._contents[one.channel]
        elif found.complete:
            del self._contents[one.channel]
            if name == Method.BASIC_RETURN:
                return Answer(accepted=False)
            return self._read(b"".join(found.body), properties.content_encoding)
        return None

    def _read(self, body: bytes, encoding: str) -> Answer | None:
        read = read_answer(body, encoding, self._venue)
        if read is None:
            return None
        told = 0 if read.accepted else told_in(read_refusal(body, encoding, self._venue))
        return Answer(read.accepted, told)

    # ── the short cut ──

    def __call__(self, chunk: bytes) -> bytes:
        """Note where the last frame of a chunk ends, and let it by; see `gateway.core.dialect.Watch`."""
        if not self._lost and (data := self._frames.joined(chunk)):
            self._skim(data)
        return chunk

    def _skim(self, data: bytes) -> None:
        at, size, frames = 0, len(data), self._frames
        while size - at >= OVERHEAD:
            _, _, length = HEAD.unpack_from(data, at)
            end = at + length + OVERHEAD
            if end > size:
                break
            if data[end - 1] != END:
                self._lose()
                return
            at = end
        if at < size and not frames.hold(data[at:]):
            self._lose()

    def _lose(self) -> None:
        self._lost = True
        self._frames.clear()


def _closed(one: Frame) -> Answer:
    """Read the words of Connection.Close or Channel.Close."""
    cursor = Cursor(one.payload, 6)
    return Answer(accepted=False, told=told_in(utf8(cursor.short())))
