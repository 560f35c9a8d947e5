"""The exchange behind the broker: who is logged in, what each user sent, and how the next requests are met.

It decides what to answer and counts what it saw; it must not know how messages travel.
"""

import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from simulators import m7_messages as m7

LOGINS = ("accept", "refuse", "silent", "close")
_NOT_LOGGED_IN = ("Auth error: not logged in", "1001")
_SESSIONS = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Request:
    """One message as it came: `user` is whose exchange it was published to, `user_id` what the broker vouches for."""

    user: str
    user_id: str
    routing_key: str
    encoding: str
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """What to do about a request: answer, tell the user's broadcast queue, close the user's connections with a text."""

    answer: bytes | None = None
    broadcasts: tuple[bytes, ...] = ()
    close: str = ""


@dataclass(slots=True)
class Account:
    """What one user did. `early` holds orders that came without a session: behind a gateway there are none."""

    session: str = ""
    logins: int = 0
    logouts: int = 0
    orders: list[str] = field(default_factory=list)
    early: list[str] = field(default_factory=list)
    codes: int = 0
    """Requests in which a one-time code was: behind a gateway none."""
    unreadable: int = 0


@dataclass(slots=True)
class Behaviour:
    """How the next requests are met; see `behaviour` in the simulator's help."""

    login: str = "accept"
    text: str = "Auth error: refused by the exchange"
    code: str = "1000"
    delay: float = 0.0
    encoding: str = ""
    silent: bool = False


class Backend:
    """The books. Invariants: a user has at most one session; session ids and execution numbers are never used twice."""

    def __init__(self, tell: Callable[..., None]) -> None:
        self.behaviour = Behaviour()
        self.accounts: dict[str, Account] = {}
        self._tell = tell
        self._executions = itertools.count(1)
        self._answers: Mapping[str, Callable[[Request, m7.Message, Account], Reply]] = {
            "LoginReq": self._login,
            "LogoutReq": self._logout,
            "OrdrEntry": self._order,
            "ChgPwdReq": self._change_password,
        }

    def account(self, user: str) -> Account:
        """Return the user's account, a new one at the first call."""
        return self.accounts.setdefault(user, Account())

    def take(self, request: Request) -> Reply:
        """Note a request and say what becomes of it."""
        account = self.account(request.user)
        try:
            message = m7.read(request.body, request.encoding)
        except m7.UnreadableError as error:
            account.unreadable += 1
            self._tell("unreadable", user=request.user, text=str(error), size=len(request.body))
            return Reply(m7.error_response("unreadable request", "1002"))
        account.codes += message.carries_code()
        self._tell(
            "request",
            message=message.name,
            user=request.user,
            user_id=request.user_id,
            routing_key=request.routing_key,
            encoding=request.encoding,
            attributes=message.shown(),
            with_code=message.carries_code(),
        )
        reply = self._answers.get(message.name, self._unknown)(request, message, account)
        return Reply() if self.behaviour.silent else reply

    def execution(self, cl_ord_id: str = "") -> bytes:
        """Return the next OrdrExeRprt."""
        return m7.execution_report(next(self._executions), cl_ord_id)

    def log_out(self, user: str, reason: str, text: str) -> Reply:
        """End the user's session by ourselves: LogoutRprt."""
        self.account(user).session = ""
        return Reply(broadcasts=(m7.logout_report(user, reason, text),))

    def _login(self, request: Request, message: m7.Message, account: Account) -> Reply:
        account.logins += 1
        problem = m7.schema_problem(request.body, request.encoding) or _identity_problem(request, message)
        wanted = self.behaviour
        if problem:
            return Reply(m7.error_response(f"Auth error: {problem}", "1003"))
        if wanted.login == "accept":
            return self._open(request, message, account)
        replies = {
            "refuse": Reply(m7.error_response(wanted.text, wanted.code)),
            "silent": Reply(),
            "close": Reply(close=wanted.text),
        }
        return replies[wanted.login]

    def _open(self, request: Request, message: m7.Message, account: Account) -> Reply:
        if account.session and message.attributes.get("force") != "true":
            return Reply(m7.error_response("Auth error: already logged in", "1004"))
        account.session = f"{time.time_ns():x}-{next(_SESSIONS)}"
        self._tell("session-opened", user=request.user, session=account.session)
        return Reply(m7.user_report(request.user, account.session))

    def _logout(self, request: Request, message: m7.Message, account: Account) -> Reply:
        account.logouts += 1
        named = message.attributes.get("sessionId", "")
        known = bool(account.session) and named in ("", account.session)
        self._tell("session-closed", user=request.user, session=named, known=known)
        if not known:
            return Reply(m7.error_response("no such session", "1005"))
        account.session = ""
        return Reply(m7.ack_response())

    def _order(self, request: Request, message: m7.Message, account: Account) -> Reply:
        ids = [order.get("clOrdrId", "") for order in message.each("Ordr")]
        (account.orders if account.session else account.early).extend(ids)
        for cl_ord_id in ids:
            self._tell("order", user=request.user, cl_ord_id=cl_ord_id, early=not account.session)
        if not account.session:
            return Reply(m7.error_response(*_NOT_LOGGED_IN))
        return Reply(m7.ack_response(), tuple(self.execution(one) for one in ids))

    def _change_password(self, request: Request, _: m7.Message, account: Account) -> Reply:
        if not account.session:
            return Reply(m7.error_response(*_NOT_LOGGED_IN))
        self._tell("password-changed", user=request.user)
        account.session = ""
        return Reply(m7.ack_response(), close="PWD_CHANGE")

    def _unknown(self, _: Request, message: m7.Message, account: Account) -> Reply:
        if not account.session:
            return Reply(m7.error_response(*_NOT_LOGGED_IN))
        return Reply(m7.error_response(f"{message.name} is not supported", "1006"))


def _identity_problem(request: Request, message: m7.Message) -> str:
    if message.attributes.get("user") == request.user == request.user_id:
        return ""
    return "the user of the request is not the user of the connection"
