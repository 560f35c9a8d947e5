"""Signing in and out: user, password, and the code below them (M7-16), or a second factor on a page of its own."""

from starlette.responses import Response

from gateway.auth.proofs import Claim
from gateway.core.secret import Secret
from gateway.policy.channels import sends
from gateway.portal.routes import HOME, Needs, Pages
from gateway.portal.visit import Visit
from gateway.portal.work import asked, demand

pages = Pages()


@pages.get("/sign-in", Needs.NOTHING)
async def sign_in(visit: Visit) -> Response:
    """Ask for user, password and code."""
    if visit.session:
        return visit.go(HOME[visit.session.level])
    return visit.page("sign_in.html", puzzle=await asked(visit))


@pages.post("/sign-in", Needs.NOTHING, on=sign_in)
async def enter(visit: Visit) -> Response:
    """Open a session; who was signed in in this browser is signed out."""
    await demand(visit)
    if visit.token:
        await visit.portal.office.signin.leave(visit.token, visit.by)
    password = visit.secret("password") or Secret(b"")
    claim = Claim(visit.text("user"), password, visit.code(), visit.code("recovery"))
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


@pages.get("/code", Needs.PASSWORD)
async def second(visit: Visit) -> Response:
    """Ask for the second factor, where the password was proved alone."""
    user = visit.mine.user
    return visit.page(
        "code.html", passkeys=visit.mine.passkeys, sends=sends(visit.policy, user), channel=user.channel.value
    )


@pages.post("/code", Needs.PASSWORD, on=second)
async def prove(visit: Visit) -> Response:
    """Prove it by a code or a recovery code."""
    signed_in = visit.portal.office.signin
    claim = Claim(visit.signed_in.user, code=visit.code() or Secret(b""), recovery=visit.code("recovery"))
    entered = await signed_in.step_up(visit.held, claim, visit.by)
    return visit.enter(entered, HOME[entered.session.level])


@pages.post("/code/send", Needs.PASSWORD, on=second)
async def send(visit: Visit) -> Response:
    """Send a code to who has its codes sent (HK-2)."""
    await visit.portal.office.sentcodes.send(visit.by)
    return visit.go("/code", "code_sent")
