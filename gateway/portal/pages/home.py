"""The first page after signing in: how things stand, and what should be done."""

from starlette.responses import Response

from gateway.portal.routes import Needs, Pages
from gateway.portal.visit import Visit

pages = Pages()


@pages.get("/", Needs.FULL)
async def home(visit: Visit) -> Response:
    """Show one's own account at a glance."""
    myself, user, rules = visit.portal.office.myself, visit.mine.user, visit.policy.password
    return visit.page(
        "home.html",
        devices=[one for one in visit.mine.devices if one.confirmed],
        sessions=await myself.sessions(visit.by),
        recovery_left=await myself.recovery_codes_left(visit.by),
        password_age=visit.by.wall - user.password_changed if user.password_hash else None,
        password_left=user.password_changed + rules.max_age - visit.by.wall if rules.max_age else None,
    )
