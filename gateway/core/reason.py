"""Why a login was refused or a session ended: one vocabulary for log, metric, audit and peer.

Nothing else in the gateway invents a reason, and the peer learns no more than `disclosure` allows.
`docs/reasons.md` is generated from this file.
"""

from enum import Enum
from typing import Self


class Disclosure(Enum):
    """How much of a reason its peer may know."""

    SILENT = "silent"
    """The line closes without a byte (FIX test cases 1S b/c, 1B): the peer has not shown that it is one of ours."""
    NEUTRAL = "neutral"
    """One text for wrong user, password and code, for locked and for disabled: it says only how long to wait."""
    TOLD = "told"
    """The peer reads the reason itself: it gives nothing away, or the peer has already proved who it is."""


class Reason(Enum):
    """`key` is the log value, metric label and audit tag; `meaning` is for operators; `disclosure` for the peer."""

    key: str
    disclosure: Disclosure
    meaning: str

    # Before a login was read: the contact is not one of ours.
    GARBLED = "garbled", Disclosure.SILENT, "bytes that are no message of this protocol"
    NOT_A_LOGIN = "not_a_login", Disclosure.SILENT, "the first message was not a login"
    TOO_LARGE = "too_large", Disclosure.SILENT, "the login was larger than the limit"
    UNSUPPORTED_VERSION = "unsupported_version", Disclosure.SILENT, "a protocol version this listener does not take"
    WRONG_COMP_ID = "wrong_comp_id", Disclosure.SILENT, "a CompID is missing or malformed"
    STALE_SENDING_TIME = "stale_sending_time", Disclosure.SILENT, "SendingTime is too far from the clock"
    LOGIN_TIMEOUT = "login_timeout", Disclosure.SILENT, "no complete login before the deadline"
    TOO_MANY_CONNECTIONS = "too_many_connections", Disclosure.SILENT, "the connection limit was reached"
    BAD_PROXY_HEADER = "bad_proxy_header", Disclosure.SILENT, "a PROXY protocol header is missing, wrong or not trusted"
    TLS_FAILED = "tls_failed", Disclosure.SILENT, "the TLS handshake failed"
    CLIENT_LEFT = "client_left", Disclosure.SILENT, "the client closed before its login was decided"

    # A login was read and refused.
    NO_ROUTE = "no_route", Disclosure.SILENT, "no route leads to this target, version and user"
    UNKNOWN_USER = "unknown_user", Disclosure.SILENT, "no such user"
    NOT_BOUND = "not_bound", Disclosure.SILENT, "CompID, certificate or route belongs to another user"
    ADDRESS_BLOCKED = "address_blocked", Disclosure.SILENT, "too many failures from this address"
    BAD_PASSWORD = "bad_password", Disclosure.NEUTRAL, "wrong password"
    BAD_CODE = "bad_code", Disclosure.NEUTRAL, "wrong one-time code"
    MISSING_CODE = "missing_code", Disclosure.NEUTRAL, "no one-time code where one is demanded"
    STALE_CODE = "stale_code", Disclosure.NEUTRAL, "the code of an interval that is over"
    REPLAYED_CODE = "replayed_code", Disclosure.NEUTRAL, "a code that was used already"
    REPEATED = "repeated", Disclosure.NEUTRAL, "the credentials that were refused before, sent again: not counted again"
    LOCKED = "locked", Disclosure.NEUTRAL, "the account is locked after too many failures"
    BACKED_OFF = "backed_off", Disclosure.NEUTRAL, "another attempt before the back-off was over"
    SUSPICIOUS = (
        "suspicious",
        Disclosure.NEUTRAL,
        "a rule of detection that blocks held against it; no secret was counted",
    )
    DISABLED = "disabled", Disclosure.NEUTRAL, "the user is disabled or outside its validity dates"
    NOT_ENROLLED = "not_enrolled", Disclosure.TOLD, "the user has no authenticator yet"
    MUST_CHANGE_PASSWORD = "must_change_password", Disclosure.TOLD, "the password is initial or expired"
    TOO_MANY_SESSIONS = "too_many_sessions", Disclosure.TOLD, "the user has as many sessions as the policy allows"
    ALREADY_LOGGED_IN = "already_logged_in", Disclosure.TOLD, "this identity has a live session already"
    NOT_LOGGED_IN = "not_logged_in", Disclosure.TOLD, "a message that needs a login first"
    FORBIDDEN = "forbidden", Disclosure.TOLD, "a message that would reach the venue beside the login"
    UNAVAILABLE = "unavailable", Disclosure.TOLD, "the gateway could not decide, so the answer is no"

    # A login was right, but the engine did not take it.
    UPSTREAM_UNREACHABLE = "upstream_unreachable", Disclosure.TOLD, "no upstream address could be reached"
    UPSTREAM_SILENT = "upstream_silent", Disclosure.TOLD, "the engine did not answer the login in time"
    UPSTREAM_REFUSED = "upstream_refused", Disclosure.TOLD, "the engine refused the login itself"

    UPSTREAM_CLOSED = "upstream_closed", Disclosure.TOLD, "the engine closed the connection during the login"

    # A live session ended.
    LOGOUT = "logout", Disclosure.TOLD, "an orderly logout"
    CLIENT_LOST = "client_lost", Disclosure.SILENT, "the client's connection dropped"
    UPSTREAM_LOST = "upstream_lost", Disclosure.SILENT, "the engine's connection dropped"
    IDLE = "idle", Disclosure.TOLD, "no business message within the idle timeout"
    LIFETIME = "lifetime", Disclosure.TOLD, "the session reached its absolute lifetime"
    KICKED = "kicked", Disclosure.TOLD, "operations ended the session"
    REPLACED = "replaced", Disclosure.TOLD, "a newer login of the same identity took over"
    RIGHT_REMOVED = "right_removed", Disclosure.TOLD, "the user was disabled, locked or its credentials reset"
    IDENTITY_CHANGED = "identity_changed", Disclosure.SILENT, "a login of another identity on a live connection"
    GATEWAY_LOST = "gateway_lost", Disclosure.SILENT, "the gateway process that held the session is gone"
    SHUTDOWN = "shutdown", Disclosure.TOLD, "the gateway is stopping"

    def __new__(cls, key: str, disclosure: Disclosure, meaning: str) -> Self:
        """Make `key` the value, so that `Reason("idle")` reads one back from a log, a database or a wire."""
        self = object.__new__(cls)
        self._value_ = key
        self.key, self.disclosure, self.meaning = key, disclosure, meaning
        return self


_TOLD = {
    Reason.NOT_ENROLLED: "Login refused: no authenticator is registered for this user",
    Reason.MUST_CHANGE_PASSWORD: "Login refused: the password must be changed first",
    Reason.TOO_MANY_SESSIONS: "Login refused: too many sessions of this user",
    Reason.ALREADY_LOGGED_IN: "Login refused: already logged in",
    Reason.NOT_LOGGED_IN: "Login required: a login with a one-time code comes first",
    Reason.FORBIDDEN: "Not allowed through this gateway",
    Reason.UNAVAILABLE: "Login refused: service temporarily unavailable",
    Reason.UPSTREAM_UNREACHABLE: "Login refused: exchange not reachable; the code was not used up",
    Reason.UPSTREAM_SILENT: "Login refused: exchange did not answer",
    Reason.UPSTREAM_REFUSED: "Login refused by the exchange",
    Reason.IDLE: "Logged out: idle; a new login with a new code is needed",
    Reason.LIFETIME: "Logged out: maximum session lifetime reached; a new login with a new code is needed",
    Reason.KICKED: "Logged out by operations; a new login with a new code is needed",
    Reason.REPLACED: "Logged out: a newer login took over",
    Reason.RIGHT_REMOVED: "Logged out: access was changed; contact operations",
    Reason.SHUTDOWN: "Logged out: gateway is stopping; a new login with a new code is needed",
}


def public_text(reason: Reason, retry_after: int = 0, help_url: str = "") -> str:
    """Return the words a peer may read (ASCII, no SOH), or "" where it may read none.

    `retry_after` is in whole seconds. Wrong user, password and code, locked and disabled read the same
    but for that number (CQ-2 names the portal: `help_url`).
    """
    if reason.disclosure is Disclosure.SILENT:
        return ""
    text = _TOLD.get(reason, "Login refused: check user, password and one-time code")
    if retry_after > 0:
        text += f"; retry with a new code in {retry_after} s"
    return f"{text}. See {help_url}" if help_url else text
