"""Puts the portal together: every page, the files they need, and the shield before all of them."""

from contextlib import suppress
from http import HTTPStatus
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from gateway.portal.api.app import api
from gateway.portal.api.door import ROOT
from gateway.portal.api.problems import answer
from gateway.portal.pages import (
    alerts,
    devices,
    enter,
    groups,
    home,
    imports,
    link,
    notices,
    passkeys,
    password,
    people,
    person,
    recovery,
    requests,
    sessions,
    setup,
)
from gateway.portal.routes import nobody, visit_of
from gateway.portal.shield import App, Shield
from gateway.portal.spec import Portal
from gateway.store.errors import StoreUnavailable

STATIC = Path(__file__).parent / "static"
FILES = (enter, link, setup, home, devices, passkeys, recovery, password, sessions, notices)
OFFICE = (imports, people, person, requests, groups, alerts)
"""A person's page comes last of those under /people: its path is whatever theirs is not."""
_MISSING = {
    HTTPStatus.NOT_FOUND: "There is no such page.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This page can't be used like that.",
}


def application(portal: Portal) -> App:
    """Return the portal as an ASGI application."""
    routes: list[Route | Mount] = [route for file in (*FILES, *OFFICE) for route in file.pages.routes(portal)]
    routes += [Mount(ROOT, api(portal)), Mount("/static", StaticFiles(directory=STATIC))]

    async def missing(request: Request, error: Exception) -> Response:
        if request.url.path.startswith(f"{ROOT}/"):  # a line end in a path leads past every mount
            return answer(error)
        visit = nobody(request, portal)
        with suppress(StoreUnavailable):
            visit = await visit_of(request, portal)
        status = HTTPStatus(error.status_code if isinstance(error, HTTPException) else HTTPStatus.BAD_REQUEST)
        visit.status, visit.fault = status, _MISSING.get(status, "This request can't be understood.")
        return visit.page("problem.html")

    async def failed(request: Request, error: Exception) -> Response:
        portal.observer.failed(f"portal {request.method}", error)
        return Response(
            "Something failed here. It was noted; try again.\n",
            HTTPStatus.INTERNAL_SERVER_ERROR,
            media_type="text/plain; charset=utf-8",
        )

    app = Starlette(routes=routes, exception_handlers={HTTPException: missing, Exception: failed})
    return Shield(app, portal.site.host, portal.site.origin)
