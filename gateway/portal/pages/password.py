"""Changing one's password (HK-5, TW-6, TW-7): the session goes on under a new token, all others end."""

from starlette.responses import Response

from gateway.portal.pages.setup import renewed
from gateway.portal.pages.typed import new_password, password
from gateway.portal.routes import Needs, Pages
from gateway.portal.visit import Visit

pages = Pages()


@pages.get("/password", Needs.FULL)
async def look(visit: Visit) -> Response:
    """Ask for the current password and a new one; say the rules before they are broken."""
    return visit.page("password.html", rules=visit.policy.password, user=visit.mine.user)


@pages.post("/password", Needs.FULL, on=look)
async def change(visit: Visit) -> Response:
    """Change it."""
    await visit.portal.office.myself.change_password(password(visit), new_password(visit), visit.by)
    return visit.enter(await renewed(visit), "/password", "password_changed")
