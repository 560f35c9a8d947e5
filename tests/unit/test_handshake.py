"""docs/handshake.md is true: every row of it is played, with real bytes, against the real dialect and session machine."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from gateway.core import events as ev
from gateway.core.dialect import Side
from gateway.core.login import Admitted, Memory, Moment, Origin, Refused
from gateway.core.reason import Reason
from gateway.core.route import Route
from gateway.core.session import Limits, Session
from gateway.core.states import Passing
from gateway.protocols.amqp.dialect import AmqpDialect
from gateway.protocols.fix.dialect import FixDialect
from tests.blackbox import amqp_bytes as amqp
from tests.fixbytes import SENDING, from_engine, logon, message
from tests.unit.protocols.amqp import talk

PAGE = Path(__file__).resolve().parents[2] / "docs/handshake.md"
ROUTES = (Route("main", ("x:1",)),)
MEMORY = Memory("main/s")
LONG = 1e6
"""Seconds: longer than every time-out."""

COMMON: dict[tuple[str, str], ev.Event] = {
    ("connected", "client"): ev.Connected(),
    ("closed", "client"): ev.Lost(Side.CLIENT),
    ("closed", "upstream"): ev.Lost(Side.UPSTREAM),
    ("dialled", "upstream"): ev.Dialled(),
    ("hole committed", "authority"): ev.Committed(stored=True),
    ("kicked", "authority"): ev.Ordered(Reason.KICKED),
    ("time", "clock"): ev.Ticked(),
}

VERDICTS = {
    "admitted": Admitted("s1", "alice", 1800, 86400, MEMORY),
    "refused": Refused(Reason.BAD_CODE, "Login refused", memory=MEMORY),
}


class Fix:
    """The bytes of one FIX conversation, numbered as they come."""

    def __init__(self) -> None:
        self.dialect = FixDialect()
        self.numbers = {Side.CLIENT: 0, Side.UPSTREAM: 0}

    def said(self, name: str, side: Side) -> Iterator[tuple[Side, bytes]]:
        number = self.numbers[side] = self.numbers[side] + 1
        fields = {"A": ((98, 0), (108, 30)), "D": ((11, "order"),), "8": ((37, "report"),), "5": ()}
        kind = name[-2]
        if name == "Logon(A)" and side is Side.CLIENT:
            yield side, logon(number)
        else:
            yield side, (message if side is Side.CLIENT else from_engine)(kind, number, *fields[kind])


class Amqp:
    """The bytes of one AMQP conversation. "handshake" is all rows before the first login in one."""

    SAID: ClassVar[dict[tuple[str, Side], bytes]] = {
        ("protocol header", Side.CLIENT): amqp.HEADER,
        ("Connection.Start", Side.UPSTREAM): talk.start(),
        ("Connection.StartOk", Side.CLIENT): talk.plain(),
        ("Connection.Tune", Side.UPSTREAM): talk.tune(),
        ("Connection.TuneOk", Side.CLIENT): amqp.tune_ok(talk.CHANNELS - 1, talk.FRAME_MAX, talk.HEARTBEAT),
        ("Connection.Open", Side.CLIENT): amqp.connection_open("/"),
        ("Connection.OpenOk", Side.UPSTREAM): talk.OPEN_OK,
        ("Channel.Open", Side.CLIENT): amqp.channel_open(1),
        ("Channel.OpenOk", Side.UPSTREAM): amqp.method("channel.open-ok", 1, bytes(4)),
    }
    THEN: ClassVar[dict[tuple[str, Side], bytes]] = {
        ("Queue.Declare", Side.CLIENT): amqp.queue_declare(1, talk.QUEUE),
        ("order", Side.CLIENT): talk.order(),
        ("LoginReq", Side.CLIENT): talk.request(talk.login()),
        ("UserRprt", Side.UPSTREAM): talk.deliver(1, b'<UserRprt sessionId="S7"/>', correlation_id="c1"),
        ("ErrResp", Side.UPSTREAM): talk.deliver(1, b"<ErrResp/>", correlation_id="c1"),
        ("LogoutReq", Side.CLIENT): talk.request(b'<LogoutReq sessionId="S7"/>'),
        ("Connection.UpdateSecret", Side.CLIENT): amqp.update_secret("secret654321"),
        ("Connection.Close", Side.CLIENT): amqp.connection_close(),
        ("Basic.Ack of the LogoutReq", Side.UPSTREAM): talk.ack(talk.CHANNELS, 1),
    }

    def __init__(self) -> None:
        self.dialect = AmqpDialect(talk.VENUE)

    def said(self, name: str, side: Side) -> Iterator[tuple[Side, bytes]]:
        if name == "handshake":
            yield from ((of, data) for (_, of), data in self.SAID.items())
        else:
            yield side, {**self.SAID, **self.THEN}[name, side]


PROTOCOLS: dict[str, Callable[[], Fix | Amqp]] = {"FIX": Fix, "AMQP": Amqp}


def conversations() -> Iterator[tuple[str, list[list[str]]]]:
    for title, table in re.findall(r"^## (.+?)\n\n((?:\|.*\n)+)", PAGE.read_text(), re.MULTILINE):
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
        yield title, rows[2:]


@pytest.mark.parametrize(("title", "rows"), [pytest.param(*one, id=one[0]) for one in conversations()])
def test_every_row_is_true(title, rows):
    peers = PROTOCOLS[title.split(":")[0]]()
    now = Moment(0.0, SENDING)
    session = Session(peers.dialect, ROUTES, Origin("c", "l", "192.0.2.1", 9), Limits(), now)
    for name, origin, before, after in rows:
        assert type(session.state).__name__ == before, f"before {name} from {origin}"
        if origin == "clock":
            now = Moment(now.mono + LONG, now.wall + LONG)
        for event in events(name, origin, session, peers, now):
            session.handle(event, now)
        assert type(session.state).__name__ == after, f"after {name} from {origin}"


def events(name: str, origin: str, session: Session, peers: Fix | Amqp, now: Moment) -> Iterator[ev.Event]:
    if name in VERDICTS:
        judged = session.state.renewal if isinstance(session.state, Passing) else session.state.attempt
        yield ev.Judged(VERDICTS[name], judged)
    elif (name, origin) in COMMON:
        yield COMMON[name, origin]
    else:
        yield from (ev.Received(side, data, now) for side, data in peers.said(name, Side(origin)))


def test_the_page_has_conversations_of_every_protocol():
    assert {title.split(":")[0] for title, _ in conversations()} == set(PROTOCOLS)
