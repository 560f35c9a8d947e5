"""What the portal says after something was done, and the words for reasons and events. One place to read them all."""

from gateway.core.reason import Reason

SAID = {
    "signed_out": "You are signed out.",
    "password_changed": "Your password is changed. Your other sessions have ended.",
    "device_confirmed": "The authenticator counts from now on.",
    "device_removed": "The authenticator is removed.",
    "device_renamed": "The authenticator has its new name.",
    "passkey_added": "The passkey counts from now on, for signing in here.",
    "passkey_removed": "The passkey is removed.",
    "passkey_renamed": "The passkey has its new name.",
    "notices_stopped": "You are no longer told of each login. Everything else you are told as before.",
    "notices_resumed": "You are told of each login again.",
    "channel_chosen": "Your codes come this way from now on.",
    "code_sent": "A code is on its way to you. It is good for five minutes.",
    "person_added": "The account is there. Nobody can log in with it until a setup link was used.",
    "person_changed": "The change is made. Sessions that could not be opened any more end now.",
    "person_enabled": "The account is enabled.",
    "person_disabled": "The account is disabled; its sessions end now.",
    "person_unlocked": "Failures and locks are forgotten; who did it, and how the person was identified, is in the record.",
    "session_ended": "The session was told to end.",
    "request_made": "It is asked for. Another administrator has to approve it with a code of its own.",
    "request_approved": "The request is approved, and its change is made.",
    "request_refused": "The request is refused: nothing was changed.",
    "file_forgotten": "The file is thrown away: nothing was imported.",
    "group_made": "The group is there.",
    "group_changed": "The group's routes are changed, for all of its members.",
    "group_removed": "The group is removed.",
    "alert_acknowledged": "The alert is acknowledged: what was seen until now counts no more.",
    "link_asked": "If this account exists and has a registered e-mail address, a link is on its way. It is good for one hour.",
    "link_used": "Done. Sign in with it now. Each code is good once: wait for the next one your app shows.",
}
"""Fixed texts by key: what stands in a URL is never shown itself."""


REFUSED = (
    "Refused: check user, password and one-time code. Take a new code for the next try; after several failures you have "
    "to wait, longer each time."
)
"""One text whatever was wrong, and whoever it is said to be: it tells neither known from unknown nor locked from open."""
AWAY = "The service is not available at the moment. Nothing was changed; try again in a minute."
EVENTS = {
    "login.admitted": "logged in",
    "login.refused": "login refused",
    "code.replayed": "code used again",
    "session.renewed": "login renewed",
    "session.ended": "logged out",
    "proof.refused": "refused",
    "web.signed_in": "signed in",
    "web.signed_out": "signed out",
}
_MEANINGS = EVENTS | {reason.key: reason.meaning for reason in Reason}


def words_of(reason: str) -> str:
    """Return what an event's or a reason's key means, for people."""
    return _MEANINGS.get(reason) or reason.replace("_", " ").replace(".", ": ")
