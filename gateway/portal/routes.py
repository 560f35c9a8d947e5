"""How a page is written: a function of a `Visit`, registered with what it needs and, for a form, the page it is on.

A form that is refused shows its own page again with the reason on top; nobody types anything twice but secrets.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum
from http import HTTPStatus

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.auth.desk import Forbidden
from gateway.auth.links import Missing
from gateway.auth.passwords import WeakPassword
from gateway.auth.proofs import Denied
from gateway.auth.signin import Level
from gateway.auth.users import WrongCode
from gateway.core.reason import Reason
from gateway.core.secret import Secret
from gateway.portal.shield import LARGE, SMALL, TooLarge, TooSlow, at_most
from gateway.portal.spec import Portal
from gateway.portal.visit import FIELD, SESSION, VISITOR, Stale, Visit, new_visitor
from gateway.portal.words import AWAY, REFUSED
from gateway.store.errors import AlreadyExists, Conflict, NotFound, StoreUnavailable
from gateway.store.ports import Actor

Page = Callable[[Visit], Awaitable[Response]]
FIELDS = 64


class Needs(Enum):
    """Who may see a page."""

    NOTHING = "nothing"
    PASSWORD = "password"  # noqa: S105 - a level
    """Somebody whose second factor is still to come."""
    SETUP = "setup"
    """Somebody signed in, even where something must be set first."""
    FULL = "full"


HOME = {Level.PASSWORD: "/code", Level.SETUP: "/setup", Level.FULL: "/"}
_ENOUGH = {
    Needs.PASSWORD: frozenset({Level.PASSWORD}),
    Needs.SETUP: frozenset({Level.SETUP, Level.FULL}),
    Needs.FULL: frozenset({Level.FULL}),
}
_STATUS: dict[type[Exception], HTTPStatus] = {
    Denied: HTTPStatus.FORBIDDEN,
    Forbidden: HTTPStatus.FORBIDDEN,
    NotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    AlreadyExists: HTTPStatus.CONFLICT,
    StoreUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    WrongCode: HTTPStatus.UNPROCESSABLE_ENTITY,
    Missing: HTTPStatus.UNPROCESSABLE_ENTITY,
    WeakPassword: HTTPStatus.UNPROCESSABLE_ENTITY,
    ValueError: HTTPStatus.UNPROCESSABLE_ENTITY,
    TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    TooSlow: HTTPStatus.REQUEST_TIMEOUT,
    Stale: HTTPStatus.FORBIDDEN,
}
_OURS = tuple(_STATUS)


@dataclass(frozen=True, slots=True)
class _Form:
    on: Page
    files: int


class Pages:
    """Collects the pages of one file."""

    def __init__(self) -> None:
        self._made: list[tuple[str, str, Needs, Page, _Form | None]] = []

    def get(self, path: str, needs: Needs) -> Callable[[Page], Page]:
        """Register what answers a GET."""

        def register(page: Page) -> Page:
            self._made.append(("GET", path, needs, page, None))
            return page

        return register

    def post(self, path: str, needs: Needs, *, on: Page, files: int = 0) -> Callable[[Page], Page]:
        """Register what a form does; `on` is the page it stands on, shown again where it is refused; `files` it may send."""

        def register(page: Page) -> Page:
            self._made.append(("POST", path, needs, page, _Form(on, files)))
            return page

        return register

    def routes(self, portal: Portal) -> list[Route]:
        """Return them as Starlette takes them."""
        return [
            Route(path, _endpoint(portal, needs, page, form), methods=[method])
            for method, path, needs, page, form in self._made
        ]


def _endpoint(portal: Portal, needs: Needs, page: Page, form: _Form | None) -> Callable[[Request], Awaitable[Response]]:
    most = LARGE if form and form.files else SMALL

    async def endpoint(request: Request) -> Response:
        request = Request(request.scope, at_most(request.receive, most))
        visit = nobody(request, portal)
        on: Page | None = None
        try:
            visit = await visit_of(request, portal)
            if form is not None and _may(visit, needs):
                on = form.on
                await _read(visit, form.files)
                # A form may take its time to come: what counts is who this is once all of it is there.
                visit = replace(await visit_of(request, portal), typed=visit.typed, files=visit.files)
            if not _may(visit, needs):
                return _elsewhere(visit, HOME[visit.session.level] if visit.session else "/sign-in")
            return await page(visit)
        except _OURS as error:
            return await _refused(visit, error, on)

    return endpoint


def _may(visit: Visit, needs: Needs) -> bool:
    return needs is Needs.NOTHING or (visit.session is not None and visit.session.level in _ENOUGH[needs])


def _elsewhere(visit: Visit, path: str) -> Response:
    """Send the browser to another page; a part of a page that htmx asked for can't be another page, so all of it goes."""
    return Response(headers={"HX-Redirect": path}) if "hx-request" in visit.request.headers else visit.go(path)


def nobody(request: Request, portal: Portal) -> Visit:
    """Return the request of somebody nobody knows (yet)."""
    by = Actor("", portal.clock().wall, request.client.host if request.client else "")
    return Visit(request, portal, None, None, by, request.cookies.get(VISITOR) or new_visitor())


async def visit_of(request: Request, portal: Portal) -> Visit:
    """Find out whose request it is. An unknown or ended session is none. Raises StoreUnavailable."""
    visit, token, session = nobody(request, portal), _token(request), None
    if token is not None:
        with suppress(NotFound):
            session = await portal.office.signin.resume(token, visit.by)
    if session is None:
        return visit
    by = replace(visit.by, name=session.user)
    return replace(visit, token=token, session=session, by=by, account=await portal.office.myself.account(by))


def _token(request: Request) -> Secret | None:
    value = request.cookies.get(SESSION, "")
    return Secret(value) if value else None


class _InMemory(MultiPartParser):
    """Keeps a file in memory: one with keys in it must lie on no disk in clear (HK-8). The shield bounds its size."""

    spool_max_size = LARGE


async def _form(request: Request, files: int) -> FormData:
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return await request.form(max_fields=FIELDS)
    try:
        return await _InMemory(request.headers, request.stream(), max_files=files, max_fields=FIELDS).parse()
    except MultiPartException:
        raise HTTPException(HTTPStatus.BAD_REQUEST) from None


async def _read(visit: Visit, files: int) -> None:
    """Read the form. Raises Stale, TooLarge, TooSlow, ValueError."""
    given = visit.request.headers.get("x-csrf-token", "")
    form = await _form(visit.request, files)
    try:
        texts = {name: value for name, value in form.multi_items() if isinstance(value, str)}
        long = [name for name, value in texts.items() if len(value) > FIELD]
        visit.check_csrf(given or texts.pop("csrf", ""))
        if long:
            raise ValueError(f"too long: {', '.join(sorted(name[:40] for name in long))}")
        visit.typed = texts
        visit.files = {name: await value.read() for name, value in form.multi_items() if isinstance(value, UploadFile)}
    finally:
        await form.close()


async def _refused(visit: Visit, error: Exception, on: Page | None) -> Response:
    visit.status = next(status for kind, status in _STATUS.items() if isinstance(error, kind))
    visit.fault, visit.faults = _words(error)
    if on is None or isinstance(error, Stale | StoreUnavailable | TooLarge | TooSlow):
        return visit.page("problem.html")
    try:
        return await on(visit)
    except _OURS:  # the page itself is not there any more
        return visit.page("problem.html")


_FIXED: dict[type[Exception], str] = {
    StoreUnavailable: AWAY,
    Denied: REFUSED,
    Stale: "This page was open too long. Go back, reload it and try again.",
    TooLarge: "That is too large.",
    TooSlow: "That took too long.",
}


def _words(error: Exception) -> tuple[str, tuple[str, ...]]:
    """Return what is wrong, and its list where there is one."""
    if isinstance(error, WeakPassword):
        return "This password can't be taken: it", error.faults
    if isinstance(error, Denied) and error.reason is Reason.UNAVAILABLE:
        return AWAY, ()
    text = _FIXED.get(type(error)) or str(error)
    return text[:1].upper() + text[1:], ()
