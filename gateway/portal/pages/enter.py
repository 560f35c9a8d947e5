"""Signing in and out: user, password, and the code below them (M7-16), or a second factor on a page of its own."""

from starlette.responses import Response

from gateway.auth.proofs import Claim
from gateway.auth.signin import Level
from gateway.core.secret import Secret
from gateway.portal.routes import Needs, Pages
from gateway.portal.visit import Visit

pages = Pages()
HOME = {Level.PASSWORD: "/code", Level.SETUP: "/setup", Level.FULL: "/"}


@pages.get("/sign-in", Needs.NOTHING)
async def sign_in(visit: Visit) -> Response:
    """Ask for user, password and code."""
    return visit.go(HOME[visit.session.level]) if visit.session else visit.page("sign_in.html")


@pages.post("/sign-in", Needs.NOTHING, on=sign_in)
async def enter(visit: Visit) -> Response:
    """Open a session; who was signed in in this browser is signed out."""
    if visit.token:
        await visit.portal.office.signin.leave(visit.token, visit.by)
    claim = Claim(
        visit.text("user"),
        visit.secret("password") or Secret(b""),
        visit.code(),
        visit.code("recovery"),
        visit.by.address,
    )
    entered = await visit.portal.office.signin.enter(claim, visit.by)
    return visit.enter(entered, HOME[entered.session.level])


@pages.get("/sign-out", Needs.NOTHING)
async def sign_out(visit: Visit) -> Response:
    """Ask whether to sign out: a link must not do it."""
    return visit.page("sign_out.html") if visit.session else visit.go("/sign-in")


@pages.post("/sign-out", Needs.NOTHING, on=sign_out)
async def leave(visit: Visit) -> Response:
    """End the session."""
    if visit.token:
        await visit.portal.office.signin.leave(visit.token, visit.by)
    return visit.leave("/sign-in", "signed_out")
