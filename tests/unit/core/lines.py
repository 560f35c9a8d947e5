"""A line protocol for conversations with the session machine: the smallest dialect that uses the whole contract.

LOGIN user code      the login; "LOGIN user" goes upstream
OK | NO              the upstream's answer
anything else        passes, once the session does; "EVIL" is a violation, "BYE" an orderly goodbye
"""

from gateway.core.dialect import Answered, Epilogue, Farewell, Found, Pass, PerConnection, Side, Violation
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
        self.held = b""

    def feed(self, side, data, now):
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
        return [Found(Login("line", self.user, "P", "T", "1", code=Secret(code), stream="s"))]

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
