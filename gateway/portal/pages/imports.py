"""Many people from a file (HK-8): sent, checked as a whole, and imported only when its administrator has seen the check."""

from starlette.responses import Response

from gateway.auth.uploads import LARGEST, LINES, Form, Upload
from gateway.core.secret import Secret
from gateway.policy.roles import Act, Standing
from gateway.portal.routes import Needs, Pages
from gateway.portal.visit import Visit
from gateway.store.errors import NotFound

pages = Pages()
SHOWN = 2000
"""Faults on a page; the others are counted."""


@pages.get("/people/import", Needs.FULL)
async def choose(visit: Visit) -> Response:
    """Ask for a file."""
    await visit.portal.office.desk.permit(visit.by, Act.CREATE, Standing("", visit.mine.user.organisation))
    return visit.page("import.html", megabytes=LARGEST // 1024 // 1024, lines=LINES)


@pages.post("/people/import", Needs.FULL, on=choose, files=1)
async def send(visit: Visit) -> Response:
    """Keep it, sealed, until it was checked."""
    form = next((one for one in Form if one.value == visit.text("form")), None)
    if form is None:
        raise ValueError("say what kind of file it is")
    data = Secret(visit.files.get("file", b""))
    upload = Upload(form, data, visit.secret("pskc_password"), visit.secret("pskc_key"))
    return visit.go(f"/people/import/{await visit.portal.office.uploads.keep(upload, visit.by)}")


@pages.get("/people/import/{id}", Needs.FULL)
async def check(visit: Visit) -> Response:
    """Show everything that is wrong with it, and what would be imported. Nothing is yet."""
    waiting = await visit.portal.office.uploads.check(_id(visit), visit.by)
    return visit.page("import_check.html", id=waiting.id, expires=waiting.expires, checked=waiting.checked, shown=SHOWN)


@pages.post("/people/import/{id}", Needs.FULL, on=check)
async def confirm(visit: Visit) -> Response:
    """Import it: all of it, or what is right."""
    partial = visit.text("what") == "right"
    done = await visit.portal.office.uploads.confirm(_id(visit), visit.by, partial=partial)
    return visit.page("import_done.html", checked=done, shown=SHOWN)


@pages.post("/people/import/{id}/forget", Needs.FULL, on=check)
async def forget(visit: Visit) -> Response:
    """Throw it away."""
    await visit.portal.office.uploads.forget(_id(visit), visit.by)
    return visit.go("/people/import", "file_forgotten")


def _id(visit: Visit) -> str:
    id_ = str(visit.request.path_params["id"])
    if not id_.isalnum():
        raise NotFound("there is no such file")
    return id_
