"""A line protocol for conversations with the session machine: the smallest dialect that uses the whole contract.

LOGIN user code      the login; "LOGIN user" goes upstream
OK | NO              the upstream's answer
anything else        passes, once the session does; "EVIL" is a violation, "BYE" an orderly goodbye
"""

from gateway.core.dialect import (
    Answered,
    Declined,
    Epilogue,
    Farewell,
    Found,
    LoggedOut,
    Mail,
    Parted,
    Pass,
    PerConnection,
    Renewal,
    Side,
    Violation,
)
from gateway.core.login import Login
from gateway.core.reason import Reason
from gateway.core.secret import Secret


class LineDialect(PerConnection):
    dials_on_accept = False

    def __init__(self, *, dials_on_accept=False):
        self.dials_on_accept = dials_on_accept
        self.user = None
        self.passing = False
        self.parted = set()
        self.arrived = None
        self.held = b""

    def feed(self, side, data, arrived):
        self.arrived = arrived if side is Side.CLIENT else self.arrived
        return [output for line in data.decode().split("/") for output in self._line(side, line)]

    def _line(self, side, line):
        if line == "EVIL":
            return [Violation(Reason.IDENTITY_CHANGED if self.passing else Reason.GARBLED)]
        if self.passing:
            self.parted |= {side} if line == "BYE" else set()
            return [Pass(side.other, line.encode())]
        if side is Side.UPSTREAM:
            return [Pass(Side.CLIENT, line.encode()), Answered(line == "OK")]
        if self.user:
            self.held += line.encode()
            return []
        if not line.startswith("LOGIN"):
            return [Violation(Reason.NOT_A_LOGIN)]
        _, self.user, code = line.split()
        return [Found(Login("line", self.user, "P", "T", "1", code=Secret(code), stream="s"), self.arrived)]

    def admitted(self, verdict):
        return [Pass(Side.UPSTREAM, f"LOGIN {self.user}".encode())]

    def released(self, now):
        self.passing = True
        return [Pass(Side.UPSTREAM, self.held)] if self.held else []

    def refused(self, verdict):
        return Farewell(f"NO {verdict.reason.key}".encode(), b"told")

    def dismissed(self, reason, text, now):
        return Farewell(f"OUT {reason.key}".encode(), b"told")

    def epilogue(self):
        return Epilogue(len(self.parted) == 2, b"end")


class Silent(LineDialect):
    """The same where nothing may be said (FIX, after a broken line)."""

    def refused(self, verdict):
        return Farewell()

    def dismissed(self, reason, text, now):
        return Farewell()


class ManyLogins(LineDialect):
    """The same where the connection outlives its logins, and the venue is told of a session's end in words (AMQP).

    LOGIN user code      may come again after NO, after LOGOUT (the client's own word, which passes) and after a refusal
    anything else        before a login is swallowed and answered by mail; EVIL is a violation
    NEW code             while passing: a Renewal; QUIT: a logout that takes the connection with it
    GONE                 the upstream's "I know", after "END user" told it
    """

    def __init__(self):
        super().__init__(dials_on_accept=True)
        self.open = True
        self.mute = False

    @property
    def holds(self):
        return bool(self.held)

    def feed(self, side, data, arrived):
        if not self.held or side is Side.UPSTREAM:
            return super().feed(side, data, arrived)
        self.held += b"/" + data
        return []

    def _line(self, side, line):
        if self.mute:
            words = {"GONE": [Parted(accepted=True)], "EVIL": [Violation(Reason.GARBLED)]}
            return words.get(line, []) if side is Side.UPSTREAM else []
        match side, line.split():
            case _, ["EVIL"]:
                return [Violation(Reason.IDENTITY_CHANGED if self.passing else Reason.GARBLED)]
            case Side.UPSTREAM, ["OK" | "NO"]:
                self.open = line == "NO"
                return [Pass(Side.CLIENT, line.encode()), Answered(line == "OK", stays=self.open)]
            case Side.CLIENT, ["QUIT"]:
                return [LoggedOut(stays=False), Pass(Side.UPSTREAM, b"never sent")]
            case Side.CLIENT, ["LOGOUT"] if self.passing:
                self.passing, self.open = False, True
                return [Pass(Side.UPSTREAM, b"LOGOUT"), LoggedOut(stays=True)]
            case Side.CLIENT, ["NEW", code] if self.passing:
                return [Renewal(self._login(code), self.arrived)]
            case Side.CLIENT, ["LOGIN", user, code] if self.open:
                self.open, self.user = False, user
                return [Found(self._login(code), self.arrived)]
            case Side.CLIENT, _ if not self.open and not self.passing:
                self.held += line.encode() if not self.held else b"/" + line.encode()
                return []
            case Side.CLIENT, _ if not self.passing:
                return [Mail(b"login first"), Declined(Reason.NOT_LOGGED_IN)]
        return [Pass(side.other, line.encode())]

    def _login(self, code):
        return Login("line", self.user, "P", "T", "1", code=Secret(code), will=b"END ?")

    def released(self, now):
        self.passing = True
        return self._let_go(now)

    def resumed(self, now):
        self.open = True
        return self._let_go(now)

    def _let_go(self, now):
        held, self.held = self.held, b""
        return self.feed(Side.CLIENT, held, self.arrived) if held else []

    def refused(self, verdict):
        return Farewell(mail=(f"NO {verdict.reason.key}".encode(),), stays=True)

    def dismissed(self, reason, text, now):
        return Farewell(f"OUT {reason.key}".encode(), mail=(b"out",), stays=True)

    def ticked(self, now):
        return [Pass(Side.UPSTREAM, b"beat")]

    def renewed(self):
        return [Pass(Side.CLIENT, b"RENEWED")]

    def will(self):
        return f"END {self.user}".encode()

    def parting(self, reason, now):
        self.mute = True
        if reason in {Reason.UPSTREAM_LOST, Reason.UPSTREAM_CLOSED}:
            return [Pass(Side.CLIENT, b"CLOSED"), Parted(accepted=False)]
        return [Pass(Side.UPSTREAM, f"END {self.user}".encode())]

    def epilogue(self):
        return Epilogue(orderly=False)


class Careful(ManyLogins):
    """The same where a farewell is remembered before it is said."""

    def dismissed(self, reason, text, now):
        return Farewell(f"OUT {reason.key}".encode(), b"told")


class Blunt(ManyLogins):
    """The same where neither client nor venue is told."""

    def dismissed(self, reason, text, now):
        return Farewell()

    def parting(self, reason, now):
        return []
