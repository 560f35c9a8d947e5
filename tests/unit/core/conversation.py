"""Plays a text conversation against the session machine: `I` injects an event, `E` expects the actions, in order.

I client LOGIN alice 123456
E verify alice
I judged yes
E dial main
"""

from gateway.core import events as ev
from gateway.core.dialect import Side
from gateway.core.login import Admitted, Memory, Moment, Origin, Refused
from gateway.core.reason import Reason
from gateway.core.route import Route
from gateway.core.session import Limits, Session

from .lines import LineDialect

MEMORY = Memory("main/s", version=7, value=b"was")
GRANT = Admitted("sess-1", "alice", idle=30.0, lifetime=100.0, memory=MEMORY)
LONGER = Admitted("sess-1", "alice", idle=60.0, lifetime=500.0, memory=MEMORY)


ROUTES = (Route("main", ("x:1",), target="T"),)


def play(text, *, dialect=None, routes=ROUTES):
    """Play the conversation; return the session. A line `I after N` moves the clock by N seconds."""
    now = 1000.0
    session = Session(
        dialect or LineDialect(), routes, Origin("c1", "l", "192.0.2.1", 9), Limits(10, 5), Moment(now, now)
    )
    due, asked = [], []
    for line in filter(None, map(str.strip, text.splitlines())):
        verb, _, rest = line.partition(" ")
        if verb == "E":
            said = due.pop(0) if due else "nothing"
            assert rest == said, f"expected {rest!r}, but the session said {said!r}"
            continue
        assert not due, f"before {line!r} the session also said {due}"
        if rest.startswith("after "):
            now += float(rest.split()[1])
            continue
        actions = session.handle(_event(rest, asked, Moment(now, now)), Moment(now, now))
        asked += [action.attempt for action in actions if isinstance(action, ev.Verify)]
        due = [_words(action) for action in actions]
    assert not due, f"at the end the session also said {due}"
    return session


def _event(words, asked, now):
    kind, _, rest = words.partition(" ")
    match kind:
        case "connected":
            return ev.Connected()
        case "client" | "upstream":
            return ev.Received(Side(kind), rest.encode(), now)
        case "judged":
            words, earlier = rest.removeprefix("earlier "), rest.startswith("earlier ")
            return ev.Judged(_verdict(words), asked[-2 if earlier else -1])
        case "dialled":
            return ev.Dialled() if rest != "failed" else ev.DialFailed()
        case "committed":
            return ev.Committed(rest != "failed")
        case "lost":
            return ev.Lost(Side(rest))
        case "tick":
            return ev.Ticked(business=rest == "busy")
        case "order":
            return ev.Ordered(Reason(rest))
    raise AssertionError(f"no such event: {words}")


def _verdict(words):
    """yes | longer | a reason's key, with or without "stranger"; "earlier" before it: the answer to the question before the last."""
    if words in {"yes", "longer"}:
        return GRANT if words == "yes" else LONGER
    key, _, stranger = words.partition(" ")
    return Refused(Reason(key), "text", 3, None if stranger else MEMORY)


def _words(action):
    match action:
        case ev.Send(side, data):
            return f"send {side.value} {data.decode()}"
        case ev.Verify(attempt):
            return f"verify {attempt.login.user} at {attempt.route}{attempt.renews and f' for {attempt.renews}'}"
        case ev.Dial(route):
            return f"dial {route.name}"
        case ev.Commit(note):
            return f"commit {note.key} {note.version} {note.value.decode()}"
        case ev.Pipe(_, will):
            return f"pipe {will.decode()}".strip()
        case ev.Report(reason):
            return f"report {reason.key}"
        case ev.Post(route, data):
            return f"post {route} {data.decode()}"
        case ev.End():
            return _end(action)
    return type(action).__name__.lower()


def _end(end):
    told = f" {end.grant.session}" if end.grant else (" judged" if end.judged else "")
    return (
        f"end {end.reason.key}{told}" + (f" {end.value.decode()}" if end.value else "") + (" owed" if end.owed else "")
    )
