"""What is told, and to whom. `docs/notifications.md` is held to this file by a test."""

from enum import Enum, auto
from typing import Self


class Audience(Enum):
    """Who reads a notice beside the machines (webhooks and broker), which get every kind they ask for."""

    USER = auto()
    """The person concerned, at its registered address."""
    OPERATIONS = auto()
    """The addresses of notify.operations."""
    OPERATIONS_FOR_STAFF = auto()
    """The same, where the person concerned is an administrator."""
    CHECKERS = auto()
    """Administrators who may decide the request."""
    ASKER = auto()
    """The administrator who asked."""


_U, _O, _S = Audience.USER, Audience.OPERATIONS, Audience.OPERATIONS_FOR_STAFF


class Kind(Enum):
    """`value` is the event's name for machines, and its text's; `meaning` is for the documents."""

    audience: frozenset[Audience]
    meaning: str

    LOGIN = "login.admitted", {_U}, "a login was admitted, or somebody signed in to the portal (SF-11)"
    LOCKED = "account.locked", {_U, _S}, "failures have locked the account, for a time or until it is unlocked"
    UNLOCKED = "account.unlocked", {_U}, "an administrator has unlocked the account"
    CHANGED = "account.changed", {_U}, "where notices and codes go, or how the user proves who it is, was changed"
    ENROLLED = "authenticator.added", {_U}, "a new authenticator counts from now on (CQ-6)"
    REMOVED = "authenticator.removed", {_U}, "an authenticator is gone"
    PASSKEY_ADDED = "passkey.added", {_U}, "a new passkey counts from now on"
    PASSKEY_REMOVED = "passkey.removed", {_U}, "a passkey is gone"
    PASSWORD = "password.set", {_U}, "the password was set"
    REMINDER = "password.reminder", {_U}, "the password is old, or expires soon (SF-7, HK-4)"
    RECOVERY_MADE = "recovery.made", {_U}, "new recovery codes were made"
    RECOVERY_USED = "recovery.used", {_U}, "a recovery code was used"
    REPLAY = "code.replayed", {_U, _O}, "a code that was used already came again (BY-8)"
    ALERT = "alert.raised", {_U, _O}, "detection found something suspicious (SF-18 to SF-20)"
    ROLE_GRANTED = "role.granted", {_U}, "the user may administer others from now on"
    ROLE_ENDED = "role.ended", {_U}, "the user may administer others no more"
    REQUEST_MADE = (
        "request.made",
        {_U, Audience.CHECKERS},
        "an administrator asks for a change that another has to approve (HK-6)",
    )
    REQUEST_APPROVED = (
        "request.approved",
        {_U, Audience.ASKER},
        "another administrator has approved it: the change is made",
    )
    REQUEST_REFUSED = "request.refused", {Audience.ASKER}, "another administrator has refused it: nothing changes"
    QUIET = "notices.stopped", {_U}, "the user wants no notice of its logins any more (SF-11)"
    LOUD = "notices.resumed", {_U}, "the user is told of its logins again"

    def __new__(cls, name: str, audience: set[Audience], meaning: str) -> Self:
        """Make the name the value."""
        self = object.__new__(cls)
        self._value_ = name
        self.audience, self.meaning = frozenset(audience), meaning
        return self


LETTER = "letter"
"""The text of a link's letter is this and the link's purpose. Machines never see one: there is a token in it."""
CODE = "code"
"""A one-time code on its way; neither."""
