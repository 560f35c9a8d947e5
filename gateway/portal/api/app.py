"""Puts the API together: its operations, what each may refuse, and the door before them."""

from typing import Any

from fastapi import APIRouter, FastAPI, Security
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException

from gateway.portal.api import alerts, groups, imports, me, requests, tokens, users
from gateway.portal.api.door import Door, Who
from gateway.portal.api.models import Id, Model, Problem
from gateway.portal.api.problems import (
    INVALID,
    KINDS,
    MALFORMED,
    NOT_FOUND,
    NOT_SIGNED_IN,
    OF,
    TOO_LARGE,
    TOO_SLOW,
    UNAVAILABLE,
    UNFINISHED,
    may,
    refused,
)
from gateway.portal.shield import App
from gateway.portal.spec import Portal
from gateway.store.errors import NotFound

ANYWHERE = may(MALFORMED, TOO_LARGE, TOO_SLOW, INVALID, UNAVAILABLE)
SIGNED_IN = may(NOT_SIGNED_IN, UNFINISHED)
BEARER = HTTPBearer(scheme_name="bearer", description="A token of POST /tokens.", auto_error=False)
problems = APIRouter(prefix="/problems", tags=["problems"])


class KindModel(Model):
    """One kind of refusal."""

    type: str
    status: int
    title: str
    detail: str


@problems.get("/{key}", responses=may(NOT_FOUND))
async def show_problem(key: Id, who: Who) -> KindModel:
    """Say what a problem's `type` means."""
    del who
    if key not in KINDS:
        raise NotFound("there is no such problem")
    kind = KINDS[key]
    return KindModel(type=kind.type, status=kind.status, title=kind.title, detail=kind.says)


def api(portal: Portal) -> App:
    """Return the API as an ASGI application."""
    handlers: dict[int | type[Exception], Any] = dict.fromkeys((HTTPException, *OF), refused)
    app = _Api(
        title=portal.site.name,
        summary="Enrolment, self-service and delegated administration",
        version="1",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers=handlers,
        generate_unique_id_function=_name,
        responses=ANYWHERE,
    )
    for router in (problems, tokens.enter):
        app.include_router(router)
    for router in (
        tokens.leave,
        me.router,
        users.router,
        requests.router,
        groups.router,
        imports.router,
        alerts.router,
    ):
        app.include_router(router, dependencies=[Security(BEARER)], responses=SIGNED_IN)
    return Door(app, portal)


def _name(route: APIRoute) -> str:
    return route.name


class _Api(FastAPI):
    """Says in its description that refusals are problems, and nothing else."""

    def openapi(self) -> dict[str, Any]:
        """Return the description (OpenAPI 3.1)."""
        if self.openapi_schema is None:
            said = super().openapi()
            schemas = said["components"]["schemas"]
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            schemas["Problem"] = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= schemas["Problem"].pop("$defs", {})
        return self.openapi_schema or said
