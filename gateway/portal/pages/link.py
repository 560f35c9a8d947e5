"""One-time links (M7-7, TW-9, CQ-5) and the form that asks for one. Looking at a link changes nothing: mail scanners do it, too."""

from http import HTTPStatus

from starlette.responses import Response

from gateway.auth.links import Given, Opened
from gateway.core.secret import Secret
from gateway.policy.links import Purpose
from gateway.policy.proof import Factor
from gateway.portal.pages.typed import new_password
from gateway.portal.routes import Needs, Pages
from gateway.portal.shown import Shown, shown
from gateway.portal.visit import Visit
from gateway.portal.work import asked, demand
from gateway.store.errors import NotFound
from gateway.store.ports import Actor

pages = Pages()
_LOST = {"password": Purpose.RESET_PASSWORD, "authenticator": Purpose.RESET_AUTHENTICATOR}


@pages.get("/forgot", Needs.NOTHING)
async def forgot(visit: Visit) -> Response:
    """Ask what was lost."""
    return visit.page("forgot.html", puzzle=await asked(visit))


@pages.post("/forgot", Needs.NOTHING, on=forgot)
async def ask(visit: Visit) -> Response:
    """Send a link, if there is one to be sent; the answer is the same (TW-9)."""
    await demand(visit)
    purpose = _LOST.get(visit.text("lost"))
    if purpose is None:
        raise ValueError("say what you lost")
    name = visit.text("user")
    await visit.portal.office.links.ask(purpose, name, Actor(name, visit.by.wall, visit.by.address))
    return visit.go("/sign-in", "link_asked")


@pages.get("/link/{token}", Needs.NOTHING)
async def look(visit: Visit) -> Response:
    """Say what a link is for, and ask for what it needs."""
    try:
        opened = await visit.portal.office.links.open(_token(visit), visit.by.wall)
    except NotFound:
        visit.status = HTTPStatus.GONE
        return visit.page("link_gone.html")
    return _page(visit, opened, None)


@pages.post("/link/{token}/begin", Needs.NOTHING, on=look)
async def begin(visit: Visit) -> Response:
    """Make the new authenticator's key, and show it this once (M7-4); one that was begun before is gone."""
    links = visit.portal.office.links
    made = await links.enrol(_token(visit), visit.by)
    return _page(visit, await links.open(_token(visit), visit.by.wall), shown(made))


@pages.post("/link/{token}", Needs.NOTHING, on=look)
async def finish(visit: Visit) -> Response:
    """Make the link's change, and use it up."""
    given = Given(
        visit.secret("password"),
        visit.code(),
        visit.code("recovery"),
        new_password(visit) if "new_password" in visit.typed else None,
        visit.code("new_code"),
    )
    await visit.portal.office.links.finish(_token(visit), given, visit.by)
    return visit.go("/sign-in", "link_used")


def _page(visit: Visit, opened: Opened, new: Shown | None) -> Response:
    return visit.page(
        "link.html",
        token=visit.request.path_params["token"],
        opened=opened,
        asks={factor.value for factor in opened.plan.asks},
        sets={factor.value for factor in opened.plan.sets},
        ready=Factor.CODE not in opened.plan.sets or opened.begun,
        new=new,
        rules=visit.policy.password,
    )


def _token(visit: Visit) -> Secret:
    return Secret(visit.request.path_params["token"])
