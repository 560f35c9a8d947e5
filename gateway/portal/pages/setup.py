"""First login (HK-3, TW-3) and expired passwords (HK-4): what must be set before anything else."""

from starlette.responses import Response

from gateway.auth.signin import Entered
from gateway.core.secret import Secret
from gateway.policy.proof import Factor
from gateway.policy.snapshot import Device
from gateway.portal.pages.typed import new_password, password
from gateway.portal.routes import Needs, Pages
from gateway.portal.shown import shown
from gateway.portal.visit import Visit

pages = Pages()
BLANK = Device("", Secret(b""), confirmed=False)
"""What a new authenticator is like: RFC 6238 with SHA-1, six digits and 30 seconds, which every app knows (M7-1, CQ-1)."""


@pages.get("/setup", Needs.SETUP)
async def setup(visit: Visit) -> Response:
    """Ask for the next thing that is missing."""
    session, myself = visit.signed_in, visit.portal.office.myself
    if not session.todo:
        return visit.go("/")
    if Factor.PASSWORD in session.todo:
        return visit.page("setup_password.html", rules=visit.policy.password)
    begun = [one for one in await myself.devices(visit.by) if not one.confirmed]
    return visit.page("setup_device.html", begun=begun[-1] if begun else None)


@pages.post("/setup/password", Needs.SETUP, on=setup)
async def choose(visit: Visit) -> Response:
    """Replace the initial or expired password."""
    await visit.portal.office.myself.change_password(password(visit), new_password(visit), visit.by)
    return visit.enter(await renewed(visit), "/setup")


@pages.post("/setup/begin", Needs.SETUP, on=setup)
async def begin(visit: Visit) -> Response:
    """Make the first authenticator's key, and show it this once."""
    made = await visit.portal.office.myself.add(password(visit), BLANK, "authenticator", visit.by)
    return visit.page("device_new.html", new=shown(made), confirm="/setup/confirm", back="/setup")


@pages.post("/setup/confirm", Needs.SETUP, on=setup)
async def confirm(visit: Visit) -> Response:
    """Make it count, by a first code of it."""
    await visit.portal.office.myself.confirm(visit.text("device"), visit.code() or Secret(b""), visit.by)
    return visit.enter(await renewed(visit), "/recovery", "device_confirmed")


async def renewed(visit: Visit) -> Entered:
    """Let the session go on under a new token after its user changed its own credentials."""
    return await visit.portal.office.signin.renew(visit.held, visit.by)
