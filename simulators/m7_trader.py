"""The API application's own mind: what it sends, what it makes of what comes, and how it is told what to do.

It must not know which library carries it, nor print a secret.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from simulators import m7_messages as m7
from simulators.console import Command, CommandError, Console, Handler, Result
from simulators.credentials import CodeSource
from simulators.m7_line import Access, Delivery, Line, LineError, Outgoing


@dataclass(slots=True)
class Notes:
    """What came and went so far. `sent` and `executions` hold ids in order, duplicates included."""

    connected: bool = False
    session: str = ""
    sent: list[str] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    executions: list[str] = field(default_factory=list)
    alive: int = 0
    gaps: int = 0


class Trader:
    """One application with one connection.

    Invariants: a correlation id is never used twice in this process; nothing is published before a command says so.
    """

    def __init__(self, access: Access, code: CodeSource, console: Console, make: Callable[["Trader"], Line]) -> None:
        self._access = access
        self._code = code
        self._console = console
        self._notes = Notes()
        self._count = 0
        self._sequences: dict[object, object] = {}
        self._lock = threading.Lock()
        self.reconnect = 0.0
        self.encoding = ""
        self.in_request = True
        """Whether the LoginReq carries the code; else it is the end of the password."""
        self._line = make(self)

    # What the line tells, on its own thread.

    def told(self, event: str, /, **fields: object) -> None:
        """Tell about the connection; after a lost one the library or we connect again, but nobody logs in."""
        if event in {"connected", "reconnected", "closed"}:
            self._notes.connected = event != "closed"
            self._notes.session = ""
        self._console.event(event, user=self._access.user, **fields)
        if event == "closed" and self.reconnect:
            threading.Timer(self.reconnect, self._come_back).start()

    def delivered(self, delivery: Delivery) -> None:
        """Take a message: an answer, a broadcast or a heartbeat."""
        with self._lock:
            self._follow(delivery.headers)
            if delivery.body.startswith(m7.ALIVE):
                self._notes.alive += 1
                self._console.event("alive", user=self._access.user)
                return
            try:
                self._take(delivery, m7.read(delivery.body, delivery.encoding))
            except m7.UnreadableError as error:
                self._console.event("unreadable", queue=delivery.queue, text=str(error))

    def _take(self, delivery: Delivery, message: m7.Message) -> None:
        if message.name == "UserRprt":
            self._notes.session = message.value("sessionId")
        elif message.name == "LogoutRprt":
            self._notes.session = ""
        executed = [one.get("exeId", "") for one in message.each("OrdrExe")]
        self._notes.executions += executed
        if not delivery.correlation_id.startswith(("login", "logout", "password")):
            outcome = {"AckResp": self._notes.acknowledged, "ErrResp": self._notes.refused}.get(message.name, [])
            outcome += [delivery.correlation_id] if delivery.correlation_id else []
        self._console.event(
            "broadcast" if delivery.queue == self._access.broadcasts else "response",
            message=message.name,
            user=self._access.user,
            correlation_id=delivery.correlation_id,
            session=message.value("sessionId") or None,
            reason=message.value("reason") or None,
            text=message.value("err") or None,
            code=message.value("errCode") or None,
            executed=executed or None,
            polled=delivery.polled or None,
        )

    def _follow(self, headers: Mapping[str, object]) -> None:
        group, number = headers.get("x-m7-group-id"), headers.get("x-m7-group-sequence")
        if not isinstance(number, int):
            return
        last = self._sequences.get(group)
        if isinstance(last, int) and number != last + 1:
            self._notes.gaps += 1
            self._console.event("gap", group=str(group), expected=last + 1, got=number)
        self._sequences[group] = number

    def _come_back(self) -> None:
        try:
            self._line.connect()
        except LineError as error:
            self._console.event("refused", user=self._access.user, text=str(error))
            if self.reconnect:
                threading.Timer(self.reconnect, self._come_back).start()

    # Commands.

    def handlers(self) -> Mapping[str, Handler]:
        """Return all commands."""
        named: dict[str, Handler] = {
            "state": self._state,
            "connect": lambda _: self._line.connect(),
            "login": self._login,
            "logout": self._logout,
            "order": self._order,
            "password": self._password,
            "poll": self._poll,
            "publish": self._publish,
            "code": lambda command: self._code.steer(command.text("value", "auto"), command.number("steps", 0)),
            "renew": self._renew,
            "drop": self._drop,
            "close": self._close,
            "stop": lambda _: None,
        }
        return {name: _translated(handler) for name, handler in named.items()}

    def hang_up(self) -> None:
        """Close in order and stay away."""
        self.reconnect = 0
        self._line.close()

    def _state(self, _: Command) -> Result:
        with self._lock:
            return {name: getattr(self._notes, name) for name in Notes.__slots__}

    def _login(self, command: Command) -> Result:
        forced = {"y": True, "n": False}.get(command.text("force")[:1].replace("t", "y").replace("f", "n"))
        code = self._code.code() if self.in_request else None
        body = m7.login_request(command.text("user", self._access.user), code, force=forced)
        self._console.event("login-sent", user=self._access.user, with_code=code is not None)
        return {"correlation_id": self._send("login", m7.INQUIRY, body)}

    def _logout(self, command: Command) -> Result:
        body = m7.logout_request(command.text("session", self._notes.session))
        return {"correlation_id": self._send("logout", m7.INQUIRY, body)}

    def _password(self, command: Command) -> Result:
        body = m7.password_request(command.text("old"), command.text("new"))
        return {"correlation_id": self._send("password", m7.MANAGEMENT, body)}

    def _order(self, command: Command) -> Result:
        given, count = command.text("cl_ord_id"), command.number("count", 1)
        if given and count > 1:
            raise CommandError("cl_ord_id names one order; leave it out to send several")
        ids = [given or self._next(command.text("prefix", "order")) for _ in range(count)]
        self._notes.sent += ids
        self._line.publish([self._outgoing(one, m7.MANAGEMENT, m7.order_entry([one])) for one in ids])
        return {"cl_ord_ids": ids}

    def _poll(self, command: Command) -> Result:
        wanted = command.text("queue", "responses")
        queues = {"responses": self._access.responses, "broadcasts": self._access.broadcasts}
        return {"found": self._line.get(queues.get(wanted, wanted))}

    def _publish(self, command: Command) -> Result:
        correlation_id = self._next("publish")
        outgoing = Outgoing(
            exchange=command.text("exchange", m7.requests_of(self._access.user)),
            routing_key=command.text("key", m7.MANAGEMENT),
            body=command.text("body", "<none/>").encode(),
            correlation_id=correlation_id,
            user_id=command.text("user_id", self._access.user),
            app_id=self._access.app_id,
            reply_to=command.text("reply_to", self._access.reply_to),
            headers={"CC": [command.text("cc")]} if command.text("cc") else {},
        )
        self._line.publish([outgoing])
        return {"correlation_id": correlation_id}

    def _renew(self, command: Command) -> None:
        fresh = self._code.code() or "" if self.in_request else self._access.password()
        self._line.renew(command.text("secret") or fresh)

    def _drop(self, command: Command) -> None:
        if command.flag("stay"):
            self.reconnect = 0
        self._line.drop()

    def _close(self, _: Command) -> None:
        self.hang_up()

    def _send(self, kind: str, key: str, body: bytes) -> str:
        correlation_id = self._next(kind)
        self._line.publish([self._outgoing(correlation_id, key, body)])
        return correlation_id

    def _outgoing(self, correlation_id: str, key: str, body: bytes) -> Outgoing:
        user = self._access.user
        return Outgoing(
            exchange=m7.requests_of(user),
            routing_key=key,
            body=m7.packed(body, self.encoding),
            correlation_id=correlation_id,
            user_id=user,
            app_id=self._access.app_id,
            reply_to=self._access.reply_to,
            encoding=self.encoding,
        )

    def _next(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}-{self._count}"


def _translated(handler: Handler) -> Handler:
    """What the library can't do becomes the command's answer."""

    def wrapped(command: Command) -> Result | None:
        try:
            return handler(command)
        except LineError as error:
            raise CommandError(str(error)) from None

    return wrapped
