"""One's authenticators (M7-4 to M7-6, SF-6): each change asks for the password, each key is shown once."""

from http import HTTPStatus

from starlette.responses import Response

from gateway.core.secret import Secret
from gateway.portal.pages.setup import BLANK, renewed
from gateway.portal.pages.typed import label, password
from gateway.portal.routes import Needs, Pages
from gateway.portal.shown import shown
from gateway.portal.visit import Visit
from gateway.store.errors import NotFound
from gateway.store.ports import DeviceInfo

pages = Pages()


@pages.get("/devices", Needs.FULL)
async def devices(visit: Visit) -> Response:
    """List them, and offer another one."""
    mine = await visit.portal.office.myself.devices(visit.by)
    most = visit.policy.totp.max_devices
    return visit.page("devices.html", devices=mine, most=most, room=len([one for one in mine if one.confirmed]) < most)


@pages.post("/devices", Needs.FULL, on=devices)
async def add(visit: Visit) -> Response:
    """Begin another one, and show its key this once."""
    made = await visit.portal.office.myself.add(password(visit), BLANK, label(visit), visit.by)
    return visit.page("device_new.html", new=shown(made), confirm=f"/devices/{made.device}/confirm", back="/devices")


@pages.get("/devices/{id}", Needs.FULL)
async def device(visit: Visit) -> Response:
    """Show one, and what can be done with it; its key is not among it."""
    return visit.page("device.html", device=await _one(visit))


@pages.get("/devices/{id}/QR_Code.png", Needs.FULL)
async def picture(visit: Visit) -> Response:
    """Say that the picture was shown once, with the key it holds (M7-4)."""
    await _one(visit)
    visit.status, visit.fault = HTTPStatus.GONE, "The key was shown once, and never is again. A new one can be made."
    return visit.page("problem.html")


@pages.post("/devices/{id}/regenerate", Needs.FULL, on=device)
async def regenerate(visit: Visit) -> Response:
    """Begin a new key in its place; the old one counts until then."""
    made = await visit.portal.office.myself.regenerate(password(visit), _id(visit), visit.by)
    return visit.page("device_new.html", new=shown(made), confirm=f"/devices/{made.device}/confirm", back="/devices")


@pages.post("/devices/{id}/confirm", Needs.FULL, on=device)
async def confirm(visit: Visit) -> Response:
    """Make it count, by a first code of it."""
    await visit.portal.office.myself.confirm(_id(visit), visit.code() or Secret(b""), visit.by)
    return visit.enter(await renewed(visit), "/devices", "device_confirmed")


@pages.post("/devices/{id}/rename", Needs.FULL, on=device)
async def rename(visit: Visit) -> Response:
    """Call it something else."""
    await visit.portal.office.myself.rename(_id(visit), label(visit), visit.by)
    return visit.go("/devices", "device_renamed")


@pages.post("/devices/{id}/remove", Needs.FULL, on=device)
async def remove(visit: Visit) -> Response:
    """Destroy its key."""
    await visit.portal.office.myself.remove(password(visit), _id(visit), visit.by)
    return visit.enter(await renewed(visit), "/devices", "device_removed")


async def _one(visit: Visit) -> DeviceInfo:
    for one in await visit.portal.office.myself.devices(visit.by):
        if one.id == _id(visit):
            return one
    raise NotFound("there is no such authenticator")


def _id(visit: Visit) -> str:
    return str(visit.request.path_params["id"])
