"""Signing in and out of the API: a token is a session of the portal, and ends like one (TW-2, M7-16)."""

from typing import Self

from fastapi import APIRouter, Response
from starlette.status import HTTP_201_CREATED, HTTP_204_NO_CONTENT

from gateway.auth.proofs import Claim, Denied
from gateway.auth.signin import Entered, Level
from gateway.core.reason import Reason
from gateway.portal.api.door import Me, Who
from gateway.portal.api.models import Code, Model, Name, Password, Shown, When, moment
from gateway.portal.api.problems import SIGN_IN_REFUSED, UNAVAILABLE, UNFINISHED, SignInRefused, Unfinished, may

enter = APIRouter(tags=["tokens"])
leave = APIRouter(tags=["tokens"])


class Credentials(Model):
    """Who signs in. A recovery code stands in for a one-time code."""

    user: Name
    password: Password
    code: Code | None = None
    recovery: Code | None = None


class Token(Model):
    """A bearer token. It is over at `expires`, earlier where nothing is asked with it, or its user's rights change."""

    token: Shown
    user: str
    expires: When

    @classmethod
    def of(cls, entered: Entered) -> Self:
        """Return what is told of a session, this once."""
        session = entered.session
        return cls(token=entered.token.reveal().decode(), user=session.user, expires=moment(session.expires))


@enter.post("/tokens", status_code=HTTP_201_CREATED, responses=may(SIGN_IN_REFUSED, UNFINISHED, UNAVAILABLE))
async def sign_in(given: Credentials, who: Who) -> Token:
    """Prove who you are. Whatever is wrong, the answer is the same; what the portal's pages have to ask for is not here."""
    signin = who.office.signin
    try:
        entered = await signin.enter(Claim(given.user, given.password, given.code, given.recovery), who.by)
    except Denied as error:
        if error.reason is Reason.UNAVAILABLE:
            raise
        raise SignInRefused from None
    if entered.session.level is not Level.FULL:
        await signin.leave(entered.token, who.by)
        raise Unfinished
    return Token.of(entered)


@leave.delete("/tokens/current", status_code=HTTP_204_NO_CONTENT, response_class=Response)
async def sign_out(me: Me) -> None:
    """End the token that this is asked with."""
    await me.office.signin.leave(me.token, me.by)
