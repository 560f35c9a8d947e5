"""The states of a session; each carries exactly what it needs, and nothing but `session.py` and `ending.py` changes one."""

from dataclasses import dataclass

from gateway.core.dialect import Farewell
from gateway.core.events import End
from gateway.core.login import Admitted, Attempt
from gateway.core.reason import Reason
from gateway.core.route import Route


@dataclass(frozen=True, slots=True)
class Opening:
    """Connected; a dialect that needs its upstream first waits for it here."""

    deadline: float


@dataclass(frozen=True, slots=True)
class AwaitingLogin:
    """The dialect reads; nothing but its allow-list passes."""

    deadline: float


@dataclass(frozen=True, slots=True)
class Checking:
    """The authority judges; the client is not read meanwhile."""

    attempt: Attempt
    route: Route


@dataclass(frozen=True, slots=True)
class Admitting:
    """Admitted, but the engine has not answered the login yet."""

    grant: Admitted
    deadline: float
    forwarded: bool = False
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Passing:
    """A pipe with a watcher beside it. `idle_at` and `ends_at` are monotonic seconds; `renewal`: new credentials, being judged."""

    grant: Admitted
    idle_at: float
    ends_at: float
    renewal: Attempt | None = None


@dataclass(frozen=True, slots=True)
class Parting:
    """Over for its client; the venue is being told on its own line. At `deadline` the courier takes that over."""

    ended: End
    deadline: float


@dataclass(frozen=True, slots=True)
class Refusing:
    """A farewell is being committed; it is sent only if that succeeds. Bytes from either side are dropped."""

    farewell: Farewell
    ended: End


@dataclass(frozen=True, slots=True)
class Closed:
    """Over. Everything that still arrives is ignored."""

    reason: Reason


State = Opening | AwaitingLogin | Checking | Admitting | Passing | Parting | Refusing | Closed
