"""The whole contract of a protocol on the trader's side. A dialect finds logins in what the client says, puts codes into them,
and reads what becomes of them; when a code may go it never decides. Pure: bytes and values in, values out.

Adding a protocol = one folder under `gateway/attach/` and one line in `dialects.py`.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from gateway.core.dialect import Side, Watch

_TOLD = re.compile(r"(?i)\b(?:retry\b.{0,60}?\bin|wait) ([0-9]{1,9}) ?s(?:ec(?:ond)?s?)?\b")


class Dials(Enum):
    """When the upstream is connected: as late as the protocol lets it be, as a gateway closes a line on which no login comes."""

    AT_LOGIN = "at login"
    """When the client's login may go (FIX)."""
    AT_TURN = "at turn"
    """When a code may go: the upstream speaks before the login, which follows at once (AMQP, the code in the password)."""
    AT_ONCE = "at once"
    """When the back-off is over: a login may follow at any time, and others after it (AMQP, the code in a request)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The upstream's answer to a login. `told`: the seconds a refusal says to wait, 0 for nothing said.

    `settles`: so many seconds a refusal may still follow a good answer.
    """

    accepted: bool
    told: int = 0
    settles: float = 0.0


class Login(Protocol):
    """A whole login of the client's, which waits for its code. Shows nothing of itself."""

    @property
    def fits(self) -> bool:
        """Say whether it has a place for a code."""

    def dressed(self, step: int) -> bytes:
        """Return it with the step's code in place of any that is there; as it came where it has no place for one."""


class Dialect(Protocol):
    """One connection.

    Invariants: bytes come out in the order in which they came in, and all of them but for those `unfinished`; nothing
    raises; what can't be framed passes as it is, for the gateway is the one that judges.
    """

    @property
    def dials(self) -> Dials:
        """Say when the upstream is connected."""

    @property
    def unfinished(self) -> int:
        """Count the bytes held back of what is not complete."""

    def feed(self, data: bytes) -> "list[bytes | Login]":
        """Cut what the client said (behind what is held back) at its logins."""

    def found(self, login: Login) -> None:
        """Let no chunk take the short cut: a login waits."""

    def sent(self, login: Login) -> None:
        """Open the short cut again; the answer to this login is awaited."""

    def hear(self, data: bytes) -> Answer | None:
        """Read along with what the upstream says; return the answer to the login sent last, once it is there."""

    def watch(self, side: Side) -> Watch | None:
        """Return the short cut for whole chunks from a side while no answer is awaited; None: they pass unlooked-at."""

    def beat(self, now: float) -> bytes:
        """Return what keeps the upstream's line up while the client's bytes wait; b"": nothing is due. `now` is monotonic."""


def told_in(text: str) -> int:
    """Read N of "retry ... in N s", as `gateway.core.reason.public_text` writes it, or of "wait N seconds"; 0: it names no time."""
    found = _TOLD.search(text)
    return int(found[1]) if found else 0
