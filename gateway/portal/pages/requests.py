"""What one administrator asked for and another one decides with a fresh code of its own (HK-6)."""

from starlette.responses import Response

from gateway.core.secret import Secret
from gateway.policy.roles import Ruling
from gateway.portal.pages.person_form import line
from gateway.portal.routes import Needs, Pages
from gateway.portal.visit import Visit
from gateway.store.errors import NotFound
from gateway.store.people import State

pages = Pages()


@pages.get("/requests", Needs.FULL)
async def requests(visit: Visit) -> Response:
    """List what waits, the oldest first."""
    return visit.page("requests.html", requests=await visit.portal.office.requests.waiting(visit.by))


@pages.get("/requests/{id}", Needs.FULL)
async def request(visit: Visit) -> Response:
    """Show one, and let who may decide it."""
    asked, ruling = await visit.portal.office.requests.show(_id(visit), visit.by)
    waits = asked.state is State.OPEN and visit.by.wall < asked.expires
    subject = await visit.portal.office.desk.show(asked.user, visit.by)
    return visit.page(
        "request.html",
        request=asked,
        subject=subject.user,
        waits=waits,
        decides=waits and ruling is Ruling.ALLOWED,
        mine=asked.asked_by == visit.by.name,
        refusal=ruling,
    )


@pages.post("/requests/{id}/approve", Needs.FULL, on=request)
async def approve(visit: Visit) -> Response:
    """Make the change; a reset gives a setup link, which is shown this once."""
    outcome = await visit.portal.office.requests.approve(_id(visit), visit.code() or Secret(b""), visit.by)
    if outcome.letter is None:
        return visit.go(f"/requests/{_id(visit)}", "request_approved")
    return visit.page("person_link.html", letter=outcome.letter, here="/requests")


@pages.post("/requests/{id}/refuse", Needs.FULL, on=request)
async def refuse(visit: Visit) -> Response:
    """Refuse it, or take one's own back."""
    why = line(visit, "why", "say why")
    await visit.portal.office.requests.refuse(_id(visit), why, visit.by)
    return visit.go(f"/requests/{_id(visit)}", "request_refused")


def _id(visit: Visit) -> str:
    id_ = str(visit.request.path_params["id"])
    if not id_.isalnum():
        raise NotFound("there is no such request")
    return id_
