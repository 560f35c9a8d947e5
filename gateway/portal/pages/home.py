"""The first page after signing in: how things stand, and where to go."""

from starlette.responses import Response

from gateway.portal.routes import Needs, Pages
from gateway.portal.visit import Visit

pages = Pages()


@pages.get("/", Needs.FULL)
async def home(visit: Visit) -> Response:
    """Show one's own account at a glance."""
    myself = visit.portal.office.myself
    return visit.page(
        "home.html",
        devices=await myself.devices(visit.by),
        sessions=await myself.sessions(visit.by),
        recovery_left=await myself.recovery_codes_left(visit.by),
    )
