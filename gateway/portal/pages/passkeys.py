"""Passkeys (WebAuthn): another second factor for these pages. The browser's part is static/passkeys.js."""

from http import HTTPStatus

from starlette.responses import Response

from gateway.core.secret import Secret
from gateway.portal.pages.enter import second
from gateway.portal.pages.typed import label, password
from gateway.portal.routes import HOME, Needs, Pages
from gateway.portal.visit import Visit
from gateway.store.errors import NotFound
from gateway.store.ports import PasskeyInfo

pages = Pages()


@pages.get("/passkeys", Needs.FULL)
async def look(visit: Visit) -> Response:
    """List them, and offer another one."""
    return visit.page("passkeys.html", passkeys=visit.mine.passkeys)


@pages.post("/passkeys/options", Needs.FULL, on=look)
async def begin(visit: Visit) -> Response:
    """Ask the browser for a new one, once the password was proved."""
    return _json(await visit.portal.office.passkeys.begin(visit.held, password(visit), visit.by))


@pages.post("/passkeys", Needs.FULL, on=look)
async def add(visit: Visit) -> Response:
    """Keep what the browser made."""
    entered = await visit.portal.office.passkeys.add(visit.held, visit.text("answer"), label(visit), visit.by)
    return visit.enter(entered, "/passkeys", "passkey_added")


@pages.get("/passkeys/{id}", Needs.FULL)
async def one(visit: Visit) -> Response:
    """Show one, and what can be done with it."""
    return visit.page("passkey.html", passkey=_one(visit))


@pages.post("/passkeys/{id}/rename", Needs.FULL, on=one)
async def rename(visit: Visit) -> Response:
    """Call it something else."""
    await visit.portal.office.passkeys.rename(_one(visit).id, label(visit), visit.by)
    return visit.go("/passkeys", "passkey_renamed")


@pages.post("/passkeys/{id}/remove", Needs.FULL, on=one)
async def remove(visit: Visit) -> Response:
    """Forget it."""
    entered = await visit.portal.office.passkeys.remove(visit.held, password(visit), _one(visit).id, visit.by)
    return visit.enter(entered, "/passkeys", "passkey_removed")


@pages.post("/code/passkey/options", Needs.PASSWORD, on=second)
async def ask(visit: Visit) -> Response:
    """Ask the browser for one that is known, after the password."""
    return _json(await visit.portal.office.passkeys.ask(visit.held, visit.by))


@pages.post("/code/passkey", Needs.PASSWORD, on=second)
async def answer(visit: Visit) -> Response:
    """Take its answer as the second factor."""
    given = visit.secret("answer") or Secret(b"")
    entered = await visit.portal.office.passkeys.answer(visit.held, given, visit.by)
    return visit.enter(entered, HOME[entered.session.level])


def _one(visit: Visit) -> PasskeyInfo:
    for passkey in visit.mine.passkeys:
        if passkey.id == visit.request.path_params["id"]:
            return passkey
    raise NotFound("there is no such passkey")


def _json(text: str) -> Response:
    return Response(text, HTTPStatus.OK, media_type="application/json")
