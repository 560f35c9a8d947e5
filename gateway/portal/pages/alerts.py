"""What detection found (SF-18 to SF-20, BY-8), and saying that somebody has looked at it."""

from starlette.responses import Response

from gateway.policy.roles import Act
from gateway.portal.routes import Needs, Pages
from gateway.portal.visit import Visit
from gateway.store.errors import NotFound

pages = Pages()


@pages.get("/alerts", Needs.FULL)
async def alerts(visit: Visit) -> Response:
    """List them, the latest first: those that nobody has looked at, or all."""
    desk, everything = visit.portal.office.desk, visit.request.query_params.get("show") == "all"
    found = await desk.alerts(visit.by, open_only=not everything)
    settles = await desk.may(Act.ACKNOWLEDGE, visit.by)
    return visit.page("alerts.html", alerts=found, everything=everything, settles=settles)


@pages.post("/alerts/{id}/acknowledge", Needs.FULL, on=alerts)
async def acknowledge(visit: Visit) -> Response:
    """Acknowledge one, which ends what it blocks."""
    alert = str(visit.request.path_params["id"])
    if not alert.isalnum():
        raise NotFound("there is no such alert")
    await visit.portal.office.desk.acknowledge(alert, visit.by)
    return visit.go("/alerts", "alert_acknowledged")
