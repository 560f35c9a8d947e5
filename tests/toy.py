"""A protocol in a few lines, which proves the dialect contract: "LOGIN user code\\n", the engine says "OK\\n" or else "no".

After admission everything passes, but a line "SHOUT" goes through the dialect, upper-cased, so that the slow way is seen.
"""

from gateway.core.dialect import Answered, Epilogue, Farewell, Found, Output, Pass, PerConnection, Side, Violation
from gateway.core.login import Admitted, Login, Moment, Refused
from gateway.core.reason import Reason
from gateway.core.secret import Secret


class ToyWatch:
    def __init__(self) -> None:
        self.business = False

    def __call__(self, chunk: bytes) -> bytes | None:
        self.business = self.business or chunk != b"heartbeat\n"
        return None if b"shout" in chunk else chunk


class Toy(PerConnection):
    dials_on_accept = False

    def __init__(self) -> None:
        self.line, self.held, self.user, self.passing = b"", b"", b"", False

    def feed(self, side: Side, data: bytes, arrived: Moment) -> list[Output]:
        if self.passing:
            return [Pass(side.other, data.upper() if b"shout" in data else data)]
        if side is Side.UPSTREAM:
            self.passing = data.startswith(b"OK")
            return [Pass(Side.CLIENT, data), Answered(self.passing)]
        line, end, self.held = (self.line + data).partition(b"\n")
        if not end:
            self.line = line
            return [Violation(Reason.TOO_LARGE)] if len(line) > 100 else []
        match line.split():
            case [b"LOGIN", user, code]:
                self.user, name = user, user.decode("latin1")
                return [Found(Login("toy", name, name, "ENGINE", "toy", None, Secret(code), name), arrived)]
        return [Violation(Reason.NOT_A_LOGIN)]

    def admitted(self, verdict: Admitted) -> list[Output]:
        return [Pass(Side.UPSTREAM, b"LOGIN " + self.user + b"\n")]

    def released(self, now: Moment) -> list[Output]:
        return [Pass(Side.UPSTREAM, self.held)] if self.held else []

    def refused(self, verdict: Refused) -> Farewell:
        return Farewell(b"NO " + verdict.text.encode() + b"\n", b"refused")

    def dismissed(self, reason: Reason, text: str, now: Moment) -> Farewell:
        return Farewell(b"BYE " + text.encode() + b"\n", b"dismissed")

    def epilogue(self) -> Epilogue:
        return Epilogue(orderly=False, value=b"over")

    def watch(self, side: Side) -> ToyWatch:
        return ToyWatch()
