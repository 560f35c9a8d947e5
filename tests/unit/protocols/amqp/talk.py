"""A whole AMQP conversation without a socket: the real session and dialect, and bytes written and read by the tests' own codec."""

import struct

from gateway.core.dialect import Side
from gateway.core.events import (
    Connected,
    Dialled,
    End,
    Judged,
    Lost,
    Ordered,
    Pipe,
    Post,
    Received,
    Report,
    Send,
    Ticked,
    Unpipe,
    Verify,
)
from gateway.core.login import Admitted, Memory, Moment, Origin, Refused
from gateway.core.reason import Reason, public_text
from gateway.core.route import Route
from gateway.core.session import Limits, Session
from gateway.core.states import Passing
from gateway.protocols.amqp.dialect import AmqpDialect
from gateway.protocols.amqp.parcel import Parcel
from gateway.protocols.amqp.venue import AnswerBy, CodeIn, Venue
from tests.blackbox import amqp_bytes as amqp

USER, EXCHANGE, KEY, QUEUE = "trader", "req.trader", "inquiry", "answers.trader.1"
DIRECT = "amq.rabbitmq.reply-to"
FRAME_MAX, CHANNELS, HEARTBEAT = 4096, 10, 60
VENUE = Venue(
    name="test",
    exchange="req.{user}",
    login_key=KEY,
    queues=("answers.{user}.*", "news.{user}"),
    bindable=("broadcast",),
    login="LoginReq",
    user_attribute="user",
    code_attribute="code",
    force_attribute="force",
    refused="ErrResp",
    accepted="UserRprt",
    session_attribute="sessionId",
    logout="LogoutReq",
    logout_session_attribute="sessionId",
    logged_out="LogoutRprt",
    logged_out_reason_attribute="reason",
    logged_out_reasons={"idle": "INACTIVITY", "other": "FORCED"},
    heartbeats=("ALIVE",),
    deliveries_count=False,
    content_type="x-test",
)
PASSWORD_VENUE = Venue(
    name="behind", exchange="", login_key="", queues=("answers.{user}.*",), login="", user_attribute="", refused="",
    code_in=CodeIn.PASSWORD, answer=AnswerBy.CONFIRM,
)  # fmt: skip


def login(user: str = USER, code: str = "123456", **more: str) -> bytes:
    rest = "".join(f' {name}="{value}"' for name, value in more.items())
    return f'<LoginReq user="{user}" code="{code}"{rest}/>'.encode()


def request(body: bytes, channel: int = 1, key: str = KEY, exchange: str = EXCHANGE, **properties) -> bytes:
    given = {"reply_to": QUEUE, "correlation_id": "c1", **properties}
    split = given.pop("split", 4000)
    return amqp.publish(channel, exchange, key, body, split=split, **{n: v for n, v in given.items() if v is not None})


def order(name: str = "order", channel: int = 1, **properties) -> bytes:
    return request(name.encode(), channel, "management", **properties)


def deliver(channel: int, body: bytes, tag: int = 1, consumer: str = "ctag", split: int = 4000, **properties) -> bytes:
    arguments = amqp.short(consumer) + struct.pack("!QB", tag, 0) + amqp.short("") + amqp.short(QUEUE)
    head = amqp.method("basic.deliver", channel, arguments) + amqp.header(channel, len(body), **properties)
    return head + b"".join(amqp.pieces(channel, body, split))


def ack(channel: int, tag: int, *, multiple: bool = False, name: str = "basic.ack") -> bytes:
    return amqp.method(name, channel, struct.pack("!QB", tag, multiple))


def start(mechanisms: str = "PLAIN AMQPLAIN EXTERNAL") -> bytes:
    properties = amqp.table({"product": "RabbitMQ", "capabilities": {"basic.nack": True}})
    return amqp.method("connection.start", 0, b"\0\x09" + properties + amqp.long(mechanisms) + amqp.long("en_US"))


def tune(channels: int = CHANNELS, frame_max: int = FRAME_MAX, heartbeat: int = HEARTBEAT) -> bytes:
    return amqp.method("connection.tune", 0, struct.pack("!HIH", channels, frame_max, heartbeat))


OPEN_OK = amqp.method("connection.open-ok", 0, b"\0")


def plain(user: str = USER, password: str = "secret") -> bytes:
    return amqp.start_ok("PLAIN", f"\0{user}\0{password}".encode())


def frames(data: bytes) -> list[amqp.Frame]:
    """Take bytes apart into frames; fails where they are not whole frames."""
    found, at = [], 0
    while at < len(data):
        kind, channel, size = struct.unpack_from("!BHI", data, at)
        assert data[at + 7 + size : at + 8 + size] == amqp.END, "not a frame"
        found.append(amqp.Frame(kind, channel, data[at + 7 : at + 7 + size]))
        at += size + 8
    return found


def methods(data: bytes) -> list[amqp.Method]:
    return [
        amqp.Method(amqp.NAMES.get(struct.unpack_from("!HH", one.payload), "?"), one.channel, one.payload[4:])
        for one in frames(data)
        if one.kind == amqp.METHOD
    ]


def names(data: bytes) -> list[str]:
    return [one.name for one in methods(data)]


def contents(data: bytes) -> list[tuple[amqp.Method, dict[str, str], bytes]]:
    """Whole contents: method, properties, body. Fails where a channel's frames are not method, header, body in order."""
    under_way, done = {}, []
    for one in frames(data):
        if one.kind == amqp.METHOD:
            assert one.channel not in under_way, "a method inside a content"
            name = amqp.NAMES.get(struct.unpack_from("!HH", one.payload), "?")
            if name in {"basic.publish", "basic.deliver", "basic.get-ok", "basic.return"}:
                under_way[one.channel] = [amqp.Method(name, one.channel, one.payload[4:]), None, 0, b""]
        elif one.kind == amqp.CONTENT:
            state = under_way[one.channel]
            assert state[1] is None, "two headers"
            state[2], state[1] = amqp.read_properties(one.payload)
        elif one.kind == amqp.BODY:
            state = under_way[one.channel]
            assert state[1] is not None, "a body without a header"
            state[3] += one.payload
        state = under_way.get(one.channel)
        if state and state[1] is not None and len(state[3]) >= state[2]:
            assert len(state[3]) == state[2], "a body of another size"
            done.append((state[0], state[1], state[3]))
            del under_way[one.channel]
    return done


class Talk:
    """One connection; `up` and `down` are what went to the broker and to the client since they were last taken."""

    def __init__(self, venue: Venue = VENUE, identity: str = "", route: Route | None = None) -> None:
        self.now = Moment(1000.0, 1.7e9)
        self.dialect = AmqpDialect(venue, identity=identity)
        origin = Origin("c", "l", "127.0.0.1", 1)
        self.session = Session(self.dialect, [route or Route("r", ())], origin, Limits(), self.now)
        self.actions, self.watches = [], {}
        self._out = {Side.CLIENT: b"", Side.UPSTREAM: b""}
        self.shortcuts = 0
        self.drive(Connected())
        self.drive(Dialled())

    def drive(self, event) -> "Talk":
        for action in self.session.handle(event, self.now):
            self.actions.append(action)
            match action:
                case Send(to, data):
                    self._out[to] += data
                case Pipe():
                    self.watches = {side: self.dialect.watch(side) for side in Side}
                case Unpipe():
                    self.watches = {}
        return self

    def _given(self, side: Side, data: bytes) -> "Talk":
        watch = self.watches.get(side)
        if watch is not None:
            out = watch(data)
            if out is not None:
                self.shortcuts += 1
                self._out[side.other] += out
                return self
        return self.drive(Received(side, data, self.now))

    def client(self, *data: bytes) -> "Talk":
        for one in data:
            self._given(Side.CLIENT, one)
        return self

    def broker(self, *data: bytes) -> "Talk":
        for one in data:
            self._given(Side.UPSTREAM, one)
        return self

    def up(self) -> bytes:
        data, self._out[Side.UPSTREAM] = self._out[Side.UPSTREAM], b""
        return data

    def down(self) -> bytes:
        data, self._out[Side.CLIENT] = self._out[Side.CLIENT], b""
        return data

    def take(self) -> "Talk":
        self.up(), self.down(), self.actions.clear()
        return self

    # ── the usual ──

    def greeted(self, password: str = "secret", channel_max: int = CHANNELS - 1, channels: tuple[int, ...] = (1, 2)):
        self.client(amqp.HEADER).broker(start()).client(plain(password=password)).broker(
            tune(max(channel_max + 1, CHANNELS))
        )
        return self.opened(channel_max, channels)

    def opened(self, channel_max: int = CHANNELS - 1, channels: tuple[int, ...] = (1, 2)) -> "Talk":
        self.client(amqp.tune_ok(channel_max, FRAME_MAX, HEARTBEAT), amqp.connection_open("/")).broker(OPEN_OK)
        for channel in channels:
            self.client(amqp.channel_open(channel)).broker(amqp.method("channel.open-ok", channel, bytes(4)))
        return self.take()

    def passing(self, confirms: bool = False, session: str = "S7", **given) -> "Talk":
        self.greeted(**given)
        if confirms:
            self.client(amqp.confirm_select(1)).broker(amqp.method("confirm.select-ok", 1))
        self.client(request(login())).admit().answer(session)
        if confirms:
            self.broker(ack(1, 1))
        assert isinstance(self.session.state, Passing)
        return self.take()

    def answer(self, session: str = "S7", root: str = "UserRprt", correlation_id: str = "c1") -> "Talk":
        return self.broker(deliver(1, f'<{root} sessionId="{session}"/>'.encode(), correlation_id=correlation_id))

    # ── what the rest of the gateway does ──

    @property
    def attempt(self):
        return [one.attempt for one in self.actions if isinstance(one, Verify)][-1]

    def admit(self, **given) -> "Talk":
        login = self.attempt.login
        grant = Admitted("s", login.user, given.get("idle", 600.0), given.get("lifetime", 3600.0), Memory(login.stream))
        return self.drive(Judged(grant, self.attempt))

    def refuse(self, reason: Reason = Reason.BAD_CODE) -> "Talk":
        refused = Refused(reason, public_text(reason), memory=Memory(self.attempt.login.stream))
        return self.drive(Judged(refused, self.attempt))

    def later(self, seconds: float) -> "Talk":
        self.now = Moment(self.now.mono + seconds, self.now.wall + seconds)
        return self.drive(Ticked())

    def lose(self, side: Side) -> "Talk":
        return self.drive(Lost(side))

    def order(self, reason: Reason) -> "Talk":
        return self.drive(Ordered(reason))

    @property
    def declined(self) -> list[Reason]:
        return [one.reason for one in self.actions if isinstance(one, Report)]

    @property
    def mail(self) -> list[Parcel]:
        return [Parcel.decode(one.data) for one in self.actions if isinstance(one, Post)]

    @property
    def ends(self) -> list[End]:
        return [one for one in self.actions if isinstance(one, End)]
