"""Where an AMQP venue keeps exchange, queues, login, code and answers, and what a listener accepts before the login.

Values only: `gateway.settings` reads them from config/venues/*.toml. Nothing of any venue is wired in here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from gateway.core.reason import Reason

DIRECT_REPLY: Final = "amq.rabbitmq.reply-to"
"""RabbitMQ's pseudo-queue: replies come on the channel that published; no venue has to list it."""

_SERVER_NAMED = "amq.gen-"
_REQUEST = ("exchange", "login_key", "login", "user_attribute", "code_attribute", "refused")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


class CodeIn(Enum):
    """Where the client puts its one-time code."""

    REQUEST = "request"
    """An attribute of the login request (M7-2)."""
    PASSWORD = "password"  # noqa: S105 - the place, not a password
    """The last `code_digits` digits of the SASL PLAIN password; cut off before the broker sees it. The connection is the session:
    there is no login request, and the broker's own answer makes it live."""


class AnswerBy(Enum):
    """What makes the forwarded login live."""

    REPLY = "reply"
    """The venue's reply with the same correlation id: `accepted` or `refused`."""
    CONFIRM = "confirm"
    """The broker's publisher confirm: the venue answers no login."""


@dataclass(frozen=True, slots=True)
class Venue:
    """One AMQP venue. Every field is a key of its file in config/venues, documented in m7.toml.

    "{user}" stands for the SASL user, literally. In `queues` and `bindable` a "*" is any characters but a dot and "?" one such:
    with the dot, user A would own the queues of user A.B. Invariants: every queue pattern names its user or is the server's
    own random name ("amq.gen-*"); with the code in a request the request's place and names are set; element and attribute names are XML names. Raises ValueError where they don't hold.
    """

    name: str
    queues: tuple[str, ...]
    code_in: CodeIn = CodeIn.REQUEST
    code_attribute: str = ""
    code_digits: int = 6
    force_attribute: str = ""
    namespace: str = ""
    exchange: str = ""
    login_key: str = ""
    login: str = ""
    user_attribute: str = ""
    refused: str = ""
    content_type: str = ""
    bindable: tuple[str, ...] = ()
    answer: AnswerBy = AnswerBy.REPLY
    accepted: str = ""
    session_attribute: str = ""
    answer_user_attribute: str = ""
    error: str = "Error"
    error_text_attribute: str = "err"
    error_code_attribute: str = "errCode"
    refusal_text: str = "{text}"
    refusal_code: str = ""
    logout: str = ""
    logout_user_attribute: str = ""
    logout_session_attribute: str = ""
    header: str = ""
    header_attributes: Mapping[str, str] = field(default_factory=dict, hash=False)
    logged_out: str = ""
    logged_out_user_attribute: str = ""
    logged_out_reason_attribute: str = ""
    logged_out_text_attribute: str = ""
    logged_out_reasons: Mapping[str, str] = field(default_factory=dict, hash=False)
    heartbeats: tuple[str, ...] = ()
    deliveries_count: bool = True
    login_bytes: int = 65_536
    inflated_bytes: int = 262_144

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise ValueError(problem)

    def _problems(self) -> "list[str]":
        found = [f"{key} is not an XML name" for key, value in self._names() if value and not _NAME.fullmatch(value)]
        found += [f"{key} must not be empty" for key in ("name", "queues") if not getattr(self, key)]
        found += [f"the queue pattern {one} names no {{user}}" for one in self.queues if not _is_personal(one)]
        found += [f"{key} is no reason" for key in self.logged_out_reasons if key not in _REASONS]
        if self.code_in is CodeIn.REQUEST:
            found += [f'code_in = "request" needs {key}' for key in _REQUEST if not getattr(self, key)]
        elif self.code_attribute:
            found.append('code_in = "password" has no code_attribute')
        if not 6 <= self.code_digits <= 8:  # noqa: PLR2004 - RFC 4226 §5.3 digits
            found.append("code_digits must be 6, 7 or 8")
        if self.code_in is CodeIn.REQUEST and self.answer is AnswerBy.REPLY and not self.accepted:
            found.append('answer = "reply" needs accepted')
        if "{text}" not in self.refusal_text:
            found.append("refusal_text must contain {text}")
        if not (0 < self.login_bytes <= 1 << 20 and 0 < self.inflated_bytes <= 1 << 24):
            found.append("login_bytes is at most 1048576, inflated_bytes at most 16777216")
        return found

    def _names(self) -> list[tuple[str, str]]:
        keys = [key for key in self.__slots__ if key.endswith("_attribute")]
        keys += ["login", "logout", "accepted", "refused", "logged_out", "error", "header"]
        return [(key, getattr(self, key)) for key in keys] + [
            ("header_attributes", one) for one in self.header_attributes
        ]

    def exchange_of(self, user: str) -> str:
        """Return the exchange to which this user's requests go."""
        return self.exchange.replace("{user}", user)

    def owns_queue(self, user: str, name: str) -> bool:
        """Say whether a queue, of a method or of reply_to, is this user's own. "" is one that the server names."""
        return bool(user) and any(_fits(pattern, user, name or _SERVER_NAMED) for pattern in self.queues)

    def may_bind(self, exchange: str) -> bool:
        """Say whether a user's own queue may be bound to this exchange."""
        return any(_fits(pattern, "", exchange) for pattern in self.bindable)


_REASONS: Final = frozenset(reason.key for reason in Reason) | {"other"}


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What a listener takes before the session passes: `held_bytes` may wait behind a login before it is answered."""

    held_bytes: int = 1_048_576


def _is_personal(pattern: str) -> bool:
    return "{user}" in pattern or pattern.startswith(_SERVER_NAMED)


def _fits(pattern: str, user: str, name: str) -> bool:
    wild = {"*": "[^.]*", "?": "[^.]", "{user}": re.escape(user)}
    parts = re.split(r"(\{user\}|[*?])", pattern)
    return re.fullmatch("".join(wild.get(part, re.escape(part)) for part in parts), name) is not None
