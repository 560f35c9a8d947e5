"""What the client says, frame by frame: its handshake, its login, and requests that could be one, collected whole.

Only whole frames go on, in the order in which they came; of other channels' frames between those of a login request none is
looked at. What is no login, or no AMQP, passes as it is.
"""

from typing import Final

from gateway.attach.amqp.logins import Dresser, FoundRequest, FoundStartOk
from gateway.attach.amqp.pieces import Pieces, UnderWay
from gateway.attach.dialect import Login
from gateway.core.secret import Secret
from gateway.protocols.amqp.content import Properties
from gateway.protocols.amqp.frames import (
    BODY,
    END,
    HEAD,
    HEADER,
    HEARTBEAT,
    LARGEST,
    METHOD,
    OVERHEAD,
    PROTOCOL_HEADER,
    Frame,
    GarbledError,
    Stream,
)
from gateway.protocols.amqp.handshake import PLAIN, expect, read_start_ok
from gateway.protocols.amqp.methods import Cursor, Method, shortstr
from gateway.protocols.amqp.requests import UNCERTAIN, LoginRequest, read_login, root_of
from gateway.protocols.amqp.venue import CodeIn

MOST_HELD: Final = 1_048_576
"""Bytes that wait for the end of a request; with more it is let go as it is."""

_KINDS: Final = frozenset((METHOD, HEADER, BODY, HEARTBEAT))
_PUBLISH: Final = Method.BASIC_PUBLISH.to_bytes(4, "big")
_START_OK: Final = Method.CONNECTION_START_OK.to_bytes(4, "big")
_TUNE_OK: Final = Method.CONNECTION_TUNE_OK.to_bytes(4, "big")
_NAME: Final = slice(7, 11)
"""Where a method frame has the numbers of its class and method."""


class ClientStream:
    """Both looks at the client's bytes, which share what is held back.

    Invariants: it begins with the protocol header and goes on in frames; it is `done`, looked at no more, where it does not,
    or where no login can follow. `stopped`: no chunk takes the short cut. `heartbeat` is in seconds, 0: none.
    """

    __slots__ = (
        "_done", "_dresser", "_frames", "_greeted", "_key", "_tuned", "_under_way", "business", "frame_max", "heartbeat", "stopped",
    )  # fmt: skip

    def __init__(self, dresser: Dresser) -> None:
        asks = dresser.venue.code_in is CodeIn.REQUEST
        self._dresser = dresser
        self._key = shortstr(dresser.venue.login_key) if asks else b""
        self._frames = Stream()
        self._greeted = self._tuned = self._done = False
        self._under_way: UnderWay | None = None
        self.business = False
        self.stopped = False
        self.frame_max = LARGEST
        self.heartbeat = 0

    @property
    def unfinished(self) -> int:
        """Count the bytes held back."""
        return len(self._frames) + (self._under_way.size if self._under_way else 0)

    # ── the exact look ──

    def feed(self, data: bytes) -> list[bytes | Login]:
        """Cut what arrived, behind what is held back, at logins."""
        frames, pieces = self._frames, Pieces()
        frames.add(data)
        pieces.pass_on(frames.prefix())
        try:
            self._cut(pieces)
        except GarbledError:
            self._done = True
        if self._done:
            self._let_go(pieces)
            pieces.pass_on(frames.take(len(frames)))
        frames.settle()
        return pieces.all()

    def _cut(self, pieces: Pieces) -> None:
        frames = self._frames
        if not self._greeted and not self._greet(pieces):
            return
        while not self._done and (one := frames.next()):
            try:
                self._take(one, pieces)
            except GarbledError:
                frames.back(one)
                raise

    def _greet(self, pieces: Pieces) -> bool:
        came = self._frames.peek(len(PROTOCOL_HEADER))
        self._greeted = came == PROTOCOL_HEADER
        self._done = not PROTOCOL_HEADER.startswith(came)
        if self._greeted:
            pieces.pass_on(self._frames.take(len(PROTOCOL_HEADER)))
        return self._greeted

    def _take(self, one: Frame, pieces: Pieces) -> None:
        under_way = self._under_way
        if under_way and under_way.belongs(one) and one.kind not in {HEADER, BODY}:
            self._let_go(pieces)
            under_way = None
        if under_way:
            self._collect(under_way, one, pieces)
        elif one.kind == METHOD and one.channel:
            self._method(one, pieces)
        elif one.kind == METHOD:
            self._handshake(one, pieces)
        else:
            pieces.pass_on(one.raw)

    def _method(self, one: Frame, pieces: Pieces) -> None:
        exchange = self._asked(one) if one.raw[_NAME] == _PUBLISH else None
        if exchange is None:
            pieces.pass_on(one.raw)
        else:
            self._under_way = UnderWay(one, exchange)

    def _asked(self, one: Frame) -> bytes | None:
        """Return the exchange of a publish by the login's key; None for any other."""
        cursor = Cursor(one.payload, 6)
        try:
            exchange, key = cursor.short(), cursor.short()
        except GarbledError:
            return None
        return exchange if shortstr(key) == self._key else None

    def _let_go(self, pieces: Pieces) -> None:
        """Pass what was collected as it came: it is no login."""
        if self._under_way:
            pieces.pass_on(*self._under_way.raw)
            self._under_way = None

    # ── logins ──

    def _collect(self, under_way: UnderWay, one: Frame, pieces: Pieces) -> None:
        properties = under_way.add(one)
        too_large = properties is not None and properties.size > self._dresser.venue.login_bytes
        if too_large or under_way.size > MOST_HELD:
            self._let_go(pieces)
        elif properties is not None and under_way.content.complete:
            login = self._request(under_way, properties)
            if login:
                self._under_way = None
                pieces.find(login)
            else:
                self._let_go(pieces)

    def _request(self, under_way: UnderWay, properties: Properties) -> FoundRequest | None:
        """Return a complete content as a login that the gateway would take for one."""
        venue, encoding = self._dresser.venue, properties.content_encoding
        body = b"".join(under_way.content.body)
        if root_of(body, encoding) not in {venue.login, UNCERTAIN}:
            return None
        read = read_login(body, encoding, venue)
        if not isinstance(read, LoginRequest) or under_way.exchange != venue.exchange_of(read.user).encode():
            return None
        return FoundRequest(
            self._dresser,
            under_way.publish.channel,
            properties.correlation_id,
            encoding,
            self.frame_max,
            publish=under_way.publish.raw,
            header=under_way.content.frames[0],
            body=body,
            others=b"".join(under_way.others),
        )

    # ── the handshake ──

    def _handshake(self, one: Frame, pieces: Pieces) -> None:
        name = one.raw[_NAME]
        if name == _TUNE_OK and not self._tuned:
            self._tune(one)
        elif name == _START_OK and not self._key and (login := self._start_ok(one)):
            pieces.find(login)
            return
        pieces.pass_on(one.raw)

    def _tune(self, one: Frame) -> None:
        cursor = expect(one, Method.CONNECTION_TUNE_OK)
        cursor.number(2)
        self.frame_max, self.heartbeat = cursor.number(4) or LARGEST, cursor.number(2)
        self._frames.limit = self.frame_max
        self._tuned, self._done = True, not self._key

    def _start_ok(self, one: Frame) -> FoundStartOk | None:
        try:
            read = read_start_ok(one, frozenset({PLAIN}), "")
        except GarbledError:
            return None
        return FoundStartOk(self._dresser, one, read, read.password or Secret(b""))

    # ── the short cut ──

    def __call__(self, chunk: bytes) -> bytes | None:
        """Let whole frames by, up to a publish that could be a login's; see `gateway.core.dialect.Watch`."""
        frames = self._frames
        if self.stopped or self._under_way or not (self._tuned or self._done):
            return None
        if self._done:
            return chunk
        if not (chunk := frames.joined(chunk)):
            return b""
        at, odd = self._walk(chunk)
        if at == len(chunk):
            return chunk
        if not odd and frames.hold(chunk[at:]):
            return chunk[:at]
        frames.odd(chunk, at)
        return None

    def _walk(self, chunk: bytes) -> tuple[int, bool]:
        """Return where the frames end that go on, and whether the one behind them needs the exact look."""
        at, size, limit = 0, len(chunk), self._frames.limit
        while size - at >= OVERHEAD:
            kind, _, length = HEAD.unpack_from(chunk, at)
            end = at + length + OVERHEAD
            if end > size:
                break
            if length > limit or chunk[end - 1] != END or kind not in _KINDS:
                return at, True
            if kind == METHOD and self._concerns(chunk, at, end):
                return at, True
            at = end
        return at, False

    def _concerns(self, chunk: bytes, at: int, end: int) -> bool:
        return chunk[at + 7 : at + 11] == _PUBLISH and chunk.find(self._key, at + 13, end) >= 0
