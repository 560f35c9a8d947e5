"""docs/handshake.md is true: every row of it is played, with real bytes, against the real dialect and session machine."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.core import events as ev
from gateway.core.dialect import Side
from gateway.core.login import Admitted, Memory, Moment, Origin, Refused
from gateway.core.reason import Reason
from gateway.core.route import Route
from gateway.core.session import Limits, Session
from gateway.protocols.fix.dialect import FixDialect
from tests.fixbytes import SENDING, from_engine, logon, message

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

    def bytes(self, name: str, side: Side) -> bytes:
        number = self.numbers[side] = self.numbers[side] + 1
        if name == "Logon(A)" and side is Side.CLIENT:
            return logon(number)
        fields = {"A": ((98, 0), (108, 30)), "D": ((11, "order"),), "8": ((37, "report"),), "5": ()}
        kind = name[-2]
        return (message if side is Side.CLIENT else from_engine)(kind, number, *fields[kind])


PROTOCOLS: dict[str, Callable[[], Fix]] = {"FIX": Fix}


def conversations() -> Iterator[tuple[str, list[list[str]]]]:
    for title, table in re.findall(r"^## (.+?)\n\n((?:\|.*\n)+)", PAGE.read_text(), re.MULTILINE):
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
        yield title, rows[2:]


@pytest.mark.parametrize(("title", "rows"), [pytest.param(*one, id=one[0]) for one in conversations()])
def test_every_row_is_true(title, rows):
    talk = PROTOCOLS[title.split(":")[0]]()
    now = Moment(0.0, SENDING)
    session = Session(talk.dialect, ROUTES, Origin("c", "l", "192.0.2.1", 9), Limits(), now)
    for name, origin, before, after in rows:
        assert type(session.state).__name__ == before, f"before {name} from {origin}"
        if origin == "clock":
            now = Moment(now.mono + LONG, now.wall + LONG)
        if origin == "authority" and name in VERDICTS:
            event = ev.Judged(VERDICTS[name], session.state.attempt)
        else:
            event = COMMON.get((name, origin)) or ev.Received(Side(origin), talk.bytes(name, Side(origin)))
        session.handle(event, now)
        assert type(session.state).__name__ == after, f"after {name} from {origin}"


def test_the_page_has_conversations_of_every_protocol():
    assert {title.split(":")[0] for title, _ in conversations()} == set(PROTOCOLS)
