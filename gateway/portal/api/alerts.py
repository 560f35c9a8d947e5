"""What detection found (SF-18 to SF-20, BY-8), and saying that somebody has looked at it."""

from typing import Annotated

from fastapi import APIRouter, Query

from gateway.policy.sightings import Rule
from gateway.portal.api.door import Me
from gateway.portal.api.models import Id, Model, When
from gateway.portal.api.problems import CONFLICT, FORBIDDEN, NOT_FOUND, may

router = APIRouter(prefix="/alerts", tags=["alerts"], responses=may(FORBIDDEN))


class AlertModel(Model):
    """An alert. `blocks`: logins are refused because of it until it is acknowledged, or its rule's window has passed."""

    id: str
    rule: Rule
    subject: str
    user: str
    address: str
    country: str
    organisation: str
    blocks: bool
    first: When
    last: When
    count: int
    acknowledged: When | None
    acknowledged_by: str


class Alerts(Model):
    """The latest first."""

    alerts: list[AlertModel]


@router.get("")
async def list_alerts(me: Me, everything: Annotated[bool, Query(alias="all")] = False) -> Alerts:  # noqa: FBT002 - a query
    """List those that nobody has looked at, or all."""
    found = await me.office.desk.alerts(me.by, open_only=not everything)
    return Alerts(alerts=[AlertModel.model_validate(one) for one in found])


@router.post("/{alert}/acknowledge", responses=may(NOT_FOUND, CONFLICT))
async def acknowledge_alert(alert: Id, me: Me) -> AlertModel:
    """Acknowledge one, which ends what it blocks."""
    return AlertModel.model_validate(await me.office.desk.acknowledge(alert, me.by))
