"""What several pages read from their forms."""

import hmac

from gateway.core.secret import Secret
from gateway.portal.visit import Visit

LABEL = 60
"""Characters of a name that somebody gives a thing of its own."""
ROW = 18
"""Digits of a row's number in the audit chain, at most."""


def new_password(visit: Visit) -> Secret:
    """Return a new password that was typed twice alike. Raises ValueError."""
    new, again = visit.secret("new_password") or Secret(b""), visit.secret("new_password_again") or Secret(b"")
    if not new:
        raise ValueError("a new password is needed")
    if not hmac.compare_digest(new.reveal(), again.reveal()):
        raise ValueError("the new password was not typed the same way twice")
    return new


def password(visit: Visit) -> Secret:
    """Return the current password, which every change of a credential asks for (M7-4). An empty one is wrong like any other."""
    return visit.secret("password") or Secret(b"")


def row_in(visit: Visit) -> int | None:
    """Return the audit row before which a page of history begins; None: at the newest."""
    before = visit.request.query_params.get("before", "")
    return int(before) if before.isascii() and before.isdecimal() and len(before) <= ROW else None


def label(visit: Visit) -> str:
    """Return what an authenticator or a passkey is to be called: one short line. Raises ValueError."""
    text = visit.text("label")
    if not 0 < len(text) <= LABEL or not text.isprintable():
        raise ValueError(f"give it a name of at most {LABEL} characters")
    return text
