"""Recovery codes (HK-5): each stands in for a one-time code once; they are shown when they are made, and never again."""

from starlette.responses import Response

from gateway.portal.pages.typed import password
from gateway.portal.routes import Needs, Pages
from gateway.portal.visit import Visit

pages = Pages()


@pages.get("/recovery", Needs.FULL)
async def look(visit: Visit) -> Response:
    """Say how many are left, and offer new ones."""
    return visit.page("recovery.html", left=await visit.portal.office.myself.recovery_codes_left(visit.by))


@pages.post("/recovery", Needs.FULL, on=look)
async def make(visit: Visit) -> Response:
    """Make new ones and show them this once; the old ones are void."""
    made = await visit.portal.office.myself.recovery_codes(password(visit), visit.by)
    return visit.page("recovery_new.html", codes=[code.reveal().decode() for code in made])
