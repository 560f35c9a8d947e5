"""What stands before every operation of the API: whose token it is, and how much may be sent.

An ASGI middleware, so that nothing of a body is read for somebody who has not signed in. Cookies are not looked at.
"""

from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from gateway.auth.office import Office
from gateway.auth.signin import Level, WebSession
from gateway.core.secret import Secret
from gateway.portal.api.problems import PLACE, NotSignedIn, Unfinished, answer
from gateway.portal.shield import LARGE, SMALL, App, Receive, Scope, Send, at_most
from gateway.portal.spec import Portal
from gateway.store.errors import NotFound, StoreUnavailable
from gateway.store.ports import Actor

ROOT = "/api/v1"
OPEN = frozenset({("POST", f"{ROOT}/tokens"), ("GET", f"{ROOT}/openapi.json")})
"""What nobody needs a token for; the list of problems is one of them, too."""
FILES = f"{ROOT}/imports"
"""What takes a file."""
LONGEST = 200
"""Characters of a token: ours have 43."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who has not signed in, and where from."""

    portal: Portal
    by: Actor

    @property
    def office(self) -> Office:
        """Return the use-cases."""
        return self.portal.office


@dataclass(frozen=True, slots=True)
class Caller(Visitor):
    """Somebody whose token is good, with everything proved and set."""

    token: Secret
    session: WebSession


class Door:
    """Invariant: behind it, `scope["state"]["who"]` is a Caller, or the operation is an open one."""

    def __init__(self, app: App, portal: Portal) -> None:
        self._app = app
        self._portal = portal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request = Request(scope)
        try:
            request.state.who = await self._who(request)
        except (NotSignedIn, Unfinished, StoreUnavailable) as error:
            await answer(error)(scope, receive, send)
            return
        await self._app(scope, at_most(receive, LARGE if scope["path"] == FILES else SMALL), send)

    async def _who(self, request: Request) -> Visitor:
        portal, path = self._portal, request.scope["path"]
        if (request.method, path) in OPEN or path.startswith(PLACE):
            return Visitor(portal, _actor(portal, request))
        return await _signed_in(portal, request)


def _actor(portal: Portal, request: Request) -> Actor:
    return Actor("", portal.clock().wall, request.client.host if request.client else "")


async def _signed_in(portal: Portal, request: Request) -> Caller:
    """Return whose token it is at this moment. Raises NotSignedIn, Unfinished, StoreUnavailable."""
    token, by = _token(request), _actor(portal, request)
    try:
        session = await portal.office.signin.resume(token, by)
    except NotFound:
        raise NotSignedIn from None
    if session.level is not Level.FULL:
        raise Unfinished
    return Caller(portal, replace(by, name=session.user), token, session)


def _token(request: Request) -> Secret:
    """Return the token (RFC 6750 §2.1). Raises NotSignedIn."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not 0 < len(token.strip()) <= LONGEST:
        raise NotSignedIn
    return Secret(token.strip())


async def _visitor(request: Request) -> Visitor:
    found = request.state.who
    if not isinstance(found, Visitor):
        raise NotSignedIn
    return found


async def _caller(request: Request) -> Caller:
    """Look once more, now that the body is there: it may have taken its time, and a right may be gone since."""
    found = request.state.who
    if not isinstance(found, Caller):
        raise NotSignedIn
    return await _signed_in(found.portal, request)


Who = Annotated[Visitor, Depends(_visitor)]
"""Whoever asks, for an operation that is open to everybody."""
Me = Annotated[Caller, Depends(_caller)]
"""Who has signed in."""
