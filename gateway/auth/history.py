"""A person's logins, as the audit chain has them: for that person, and for who may look at the account (HK-7, TW-12).

Reads only; whether somebody may look is `Myself`'s and `Desk`'s to say.
"""

import json
from dataclasses import dataclass

from gateway.core.reason import Reason
from gateway.store.audit import AuditRow, Event
from gateway.store.ports import AuditStore

PAGE = 50
SHOWN = frozenset(
    {
        Event.LOGIN_ADMITTED,
        Event.LOGIN_REFUSED,
        Event.CODE_REPLAYED,
        Event.SESSION_RENEWED,
        Event.SESSION_ENDED,
        Event.PROOF_REFUSED,
        Event.WEB_SIGNED_IN,
        Event.WEB_SIGNED_OUT,
    }
)
"""Every login, whatever became of it, and every end. A session that went live is its login once more."""
_MEANINGS = {reason.key: reason.meaning for reason in Reason}


@dataclass(frozen=True, slots=True)
class Visit:
    """One of them. `seq` is its number in the chain, `wall` in seconds since 1970, `reason` the true one's key ("" where it
    was admitted) and `why` that in words. What an event does not have is "".
    """

    seq: int
    wall: float
    event: str
    reason: str
    why: str
    protocol: str
    process: str
    address: str
    route: str
    session: str


async def visits(audit: AuditStore, name: str, before: int | None = None, limit: int = PAGE) -> tuple[Visit, ...]:
    """Return a user's visits, newest first; `before`: only those with a smaller number, which turns the page."""
    return tuple(map(_visit, await audit.of_user(name, SHOWN, before, limit)))


def _visit(row: AuditRow) -> Visit:
    details = json.loads(row.details)
    protocol, process, route = (str(details.get(key, "")) for key in ("protocol", "process", "route"))
    why = _MEANINGS.get(row.reason, row.reason)
    wall = row.wall / 1e6
    return Visit(row.seq, wall, row.event, row.reason, why, protocol, process, row.address, route, row.session)
