"""What the portal says after something was done, and the words for reasons and events. One place to read them all."""

from gateway.core.reason import Reason

SAID = {
    "signed_out": "You are signed out.",
    "password_changed": "Your password is changed. Your other sessions have ended.",
    "device_confirmed": "The authenticator counts from now on.",
    "device_removed": "The authenticator is removed.",
    "device_renamed": "The authenticator has its new name.",
    "link_asked": "If this account exists and has a registered e-mail address, a link is on its way. It is good for one hour.",
    "link_used": "Done. Sign in with it now.",
}
"""Fixed texts by key: what stands in a URL is never shown itself."""


_MEANINGS = {reason.key: reason.meaning for reason in Reason}


def words_of(reason: str) -> str:
    """Return the meaning of a reason's key, for people."""
    return _MEANINGS.get(reason) or reason.replace("_", " ").replace(".", ": ")
