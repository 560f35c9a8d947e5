"""The session-level half of both simulators: what each tells about its session, and what it can be told to do.

It must not decide anything about orders or passwords; that is the exchange's and the algorithm's part.
Nothing here holds a lock while it calls QuickFIX: the engine calls back under its own.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

import quickfix as fix

from simulators import engine
from simulators.console import Command, CommandError, Console, Handler, Result
from simulators.listener import cut_connections

LOGON, LOGOUT = "A", "5"
_LOGOUT_PATIENCE = 5.0  # seconds; a peer that is gone answers no Logout
_REPORTED = {
    "2": ("resend-request", {7: "begin", 16: "end"}),
    "3": ("session-reject", {45: "ref_seq", 371: "ref_tag", 58: "text"}),
    "4": ("sequence-reset", {36: "new_seq", 123: "gap_fill"}),
    LOGOUT: ("logout", {58: "text", 1409: "session_status"}),
}


class Counterparty(fix.Application):  # type: ignore[misc]  # quickfix has no types
    """One side of one or more sessions.

    Invariants: `received` holds the ClOrdID or ExecID of each application message taken in, in order, duplicates
    included; `sent` holds what was sent, once each. QuickFIX ends the process when a callback raises by mistake.
    """

    def __init__(self, setup: engine.Setup, console: Console) -> None:
        super().__init__()
        self.setup = setup
        self.console = console
        self.port = 0
        self.session_ids = setup.session_ids()
        self.received: list[str] = []
        self.sent: list[str] = []
        self._reset_wanted = False
        self._dropping = False

    # QuickFIX calls these on its own thread.

    @engine.callback
    def onCreate(self, session_id: Any) -> None:
        """Nothing to do: the session is announced when it logs on."""

    @engine.callback
    def onLogon(self, session_id: Any) -> None:
        """Tell that both Logons have been exchanged."""
        self._tell("logon", session_id)

    @engine.callback
    def onLogout(self, session_id: Any) -> None:
        """Tell that the connection is over, with or without a Logout."""
        self._tell("disconnect", session_id)

    @engine.callback
    def toAdmin(self, message: Any, session_id: Any) -> None:
        """Put 141=Y into Logons until one is answered, if asked for; then let the side add what it has to say."""
        msg_type = engine.value(message.getHeader(), 35)
        if msg_type == LOGOUT and self._dropping:
            cut_connections(self.port)  # a tick came between: what it says must not go out
        if msg_type != LOGON:
            return
        if self._reset_wanted:
            message.setField(141, "Y")
        self.dress_logon(message, session_id)

    @engine.callback
    def fromAdmin(self, message: Any, session_id: Any) -> None:
        """Tell about Logon, Logout, ResendRequest, SequenceReset and Reject; heartbeats are not news."""
        msg_type = engine.value(message.getHeader(), 35)
        if msg_type == LOGON:
            self._reset_wanted = False
            self._tell("logon-received", session_id, message, fields=engine.shown(message))
            self.judge_logon(message, session_id)
        elif msg_type in _REPORTED:
            name, names = _REPORTED[msg_type]
            self._tell(name, session_id, message, **engine.named(message, names))

    @engine.callback
    def toApp(self, message: Any, session_id: Any) -> None:
        """Nothing to add to an outgoing application message."""

    @engine.callback
    def fromApp(self, message: Any, session_id: Any) -> None:
        """Take an application message; the two sides differ."""
        raise NotImplementedError

    # What the two sides do differently.

    def dress_logon(self, message: Any, session_id: Any) -> None:
        """Add to an outgoing Logon."""

    def judge_logon(self, message: Any, session_id: Any) -> None:
        """Refuse an incoming Logon by raising what QuickFIX understands."""

    # Commands.

    def handlers(self) -> Mapping[str, Handler]:
        """Return the commands that both sides understand."""
        return {
            "state": self._state,
            "logon": self._logon,
            "logout": self._logout,
            "drop": self._drop,
            "reset": self._reset,
            "stop": lambda _: None,
        }

    def session_id(self, command: Command) -> Any:
        """Return the session that the command names by its TargetCompID, else the first."""
        found = engine.first_or_matching(self.session_ids, command.text("session"))
        if found is None:
            raise CommandError(f"no session with {command.text('session')!r}")
        return found

    def send(self, message: Any, session_id: Any) -> None:
        """Send now, or leave it in the store to be sent when the other side asks."""
        fix.Session.sendToTarget(message, session_id)

    def _session(self, command: Command) -> Any:
        return fix.Session.lookupSession(self.session_id(command))

    def _state(self, command: Command) -> Result:
        session = self._session(command)
        return {
            "next_sender": session.getExpectedSenderNum(),
            "next_target": session.getExpectedTargetNum(),
            "logged_on": session.isLoggedOn(),
            "enabled": session.isEnabled(),
            "received": list(self.received),
            "sent": list(self.sent),
        }

    def _logon(self, command: Command) -> None:
        self._reset_wanted = command.flag("reset")
        self._dropping = False
        self._session(command).logon()

    def _logout(self, command: Command) -> None:
        self._session(command).logout(command.text("text"))

    def _drop(self, command: Command) -> Result:
        if command.flag("stay"):
            self._dropping = True
            self._session(command).logout()  # disables the session
        return {"cut": cut_connections(self.port)}

    def _reset(self, command: Command) -> None:
        fields = {98: 0, 108: self.setup.heartbeat, 141: "Y"}
        if self.setup.begin_string == engine.FIXT:
            fields[1137] = 9
        self.send(engine.message(self.setup.begin_string, LOGON, fields), self.session_id(command))

    def _tell(self, name: str, session_id: Any, message: Any = None, **fields: object) -> None:
        if message is not None:
            fields |= engine.named(message.getHeader(), {34: "seq", 43: "poss_dup"})
        self.console.event(name, session=session_id.getTargetCompID().getString(), **fields)


def run(side: Counterparty, *, control: bool) -> None:
    """Carry out commands until `stop`, the end of the input or SIGTERM; then log out in order and end the process.

    It ends with _exit: QuickFIX's stop() closes the acceptor's sockets on one thread while the other frees them,
    and was seen to crash. Its file store is flushed with every message, so nothing is lost.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with contextlib.suppress(KeyboardInterrupt, SystemExit):
        if control:
            side.console.serve(sys.stdin, side.handlers())
        else:
            threading.Event().wait()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _log_out(side)
    side.console.event("stopped")
    os._exit(0)


def _log_out(side: Counterparty) -> None:
    sessions = [fix.Session.lookupSession(session_id) for session_id in side.session_ids]
    for session in sessions:
        session.logout()
    patience = time.monotonic() + _LOGOUT_PATIENCE
    while any(session.isLoggedOn() for session in sessions) and time.monotonic() < patience:
        time.sleep(0.02)
