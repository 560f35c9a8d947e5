"""One's live sessions at the venue, and every login there was, with the true reason (TW-12)."""

from starlette.responses import Response

from gateway.portal.routes import Needs, Pages
from gateway.portal.visit import Visit

pages = Pages()
DIGITS = 18
"""Of a row's number in the audit chain, at most."""


@pages.get("/sessions", Needs.FULL)
async def look(visit: Visit) -> Response:
    """Show them, a page of the history at a time."""
    before = visit.request.query_params.get("before", "")
    myself = visit.portal.office.myself
    history = await myself.history(visit.by, int(before) if before.isdecimal() and len(before) <= DIGITS else None)
    return visit.page("sessions.html", live=await myself.sessions(visit.by), history=history, first=not before)
