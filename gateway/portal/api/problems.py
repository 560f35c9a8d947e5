"""Every refusal of the API as problem+json (RFC 9457): one table of what there is, its `type` never changes.

A refusal repeats nothing of what was sent: there may be a password in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.auth.desk import Forbidden
from gateway.auth.intake.intake import FaultyFile
from gateway.auth.links import Missing
from gateway.auth.passwords import WeakPassword
from gateway.auth.proofs import Denied
from gateway.auth.users import WrongCode
from gateway.core.reason import Reason
from gateway.portal.api.models import Fault, Problem
from gateway.portal.shield import TooLarge, TooSlow
from gateway.portal.words import AWAY, REFUSED
from gateway.store.errors import AlreadyExists, Conflict, NotFound, StoreUnavailable

PLACE = "/api/v1/problems/"
MEDIA = "application/problem+json"
SHOWN = 1000
"""Faults of a file in one answer."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of refusal; `key` ends its type. `says`: its one text, "" where it tells what was wrong in this case."""

    key: str
    status: HTTPStatus
    title: str
    says: str = ""

    @property
    def type(self) -> str:
        """Return what programs tell it by."""
        return PLACE + self.key


class NotSignedIn(Exception):  # noqa: N818 - what happened
    """There is no token, or none that is good (any more)."""


class SignInRefused(Exception):  # noqa: N818 - what happened
    """User, password or code is wrong, or may not be tried now: nobody is told which."""


class Unfinished(Exception):  # noqa: N818 - what happened
    """Something is still to be proved or set, which the portal's pages ask for."""


class Changed(Exception):  # noqa: N818 - what happened
    """What was to be changed is not any more what the caller has seen."""


class Unconditional(Exception):  # noqa: N818 - what happened
    """A change has to say what it changes (If-Match)."""


NOT_SIGNED_IN = Kind("not-signed-in", HTTPStatus.UNAUTHORIZED, "Not signed in", "Make a token, and send it as Bearer.")
SIGN_IN_REFUSED = Kind("sign-in-refused", HTTPStatus.UNAUTHORIZED, "Refused", REFUSED)
UNFINISHED = Kind(
    "unfinished",
    HTTPStatus.FORBIDDEN,
    "Something is missing",
    "Sign in at the portal: it asks for what is still to be proved or set.",
)
REFUSED_PROOF = Kind("refused", HTTPStatus.FORBIDDEN, "Refused", REFUSED)
FORBIDDEN = Kind("forbidden", HTTPStatus.FORBIDDEN, "Not allowed")
NOT_FOUND = Kind("not-found", HTTPStatus.NOT_FOUND, "Not there")
NO_OPERATION = Kind("no-operation", HTTPStatus.NOT_FOUND, "No such operation", "There is nothing at this address.")
WRONG_METHOD = Kind("wrong-method", HTTPStatus.METHOD_NOT_ALLOWED, "No such operation", "See Allow for what there is.")
CONFLICT = Kind("conflict", HTTPStatus.CONFLICT, "In the way")
CHANGED = Kind(
    "changed", HTTPStatus.PRECONDITION_FAILED, "Changed meanwhile", "Somebody else changed it: read it again."
)
UNCONDITIONAL = Kind(
    "precondition-required",
    HTTPStatus.PRECONDITION_REQUIRED,
    "Say what you change",
    "Send the ETag you have read as If-Match.",
)
MALFORMED = Kind("malformed", HTTPStatus.BAD_REQUEST, "Not to be understood", "The body is no JSON.")
INVALID = Kind("invalid", HTTPStatus.UNPROCESSABLE_ENTITY, "Not valid")
WEAK_PASSWORD = Kind("weak-password", HTTPStatus.UNPROCESSABLE_ENTITY, "Weak password", "This password can't be taken.")
WRONG_CODE = Kind("wrong-code", HTTPStatus.UNPROCESSABLE_ENTITY, "Wrong code")
FAULTY_FILE = Kind("faulty-file", HTTPStatus.UNPROCESSABLE_ENTITY, "Faulty file")
TOO_LARGE = Kind("too-large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Too large", "The body is too large.")
TOO_SLOW = Kind("too-slow", HTTPStatus.REQUEST_TIMEOUT, "Too slow", "The body took too long.")
UNAVAILABLE = Kind("unavailable", HTTPStatus.SERVICE_UNAVAILABLE, "Not available", AWAY)
FAILED = Kind("failed", HTTPStatus.INTERNAL_SERVER_ERROR, "Failed", "Something failed here. It was noted.")

OF: Mapping[type[Exception], Kind] = {
    NotSignedIn: NOT_SIGNED_IN,
    SignInRefused: SIGN_IN_REFUSED,
    Unfinished: UNFINISHED,
    Denied: REFUSED_PROOF,
    Forbidden: FORBIDDEN,
    NotFound: NOT_FOUND,
    AlreadyExists: CONFLICT,
    Conflict: CONFLICT,
    Changed: CHANGED,
    Unconditional: UNCONDITIONAL,
    WeakPassword: WEAK_PASSWORD,
    WrongCode: WRONG_CODE,
    FaultyFile: FAULTY_FILE,
    Missing: INVALID,
    RequestValidationError: INVALID,
    ValidationError: FAILED,
    ValueError: INVALID,
    TooLarge: TOO_LARGE,
    TooSlow: TOO_SLOW,
    StoreUnavailable: UNAVAILABLE,
    Exception: FAILED,
}
"""What each error is; the nearest of its ancestors counts."""
_OTHERS = (NO_OPERATION, WRONG_METHOD, MALFORMED)
KINDS = {kind.key: kind for kind in (*OF.values(), *_OTHERS)}
_BY_STATUS = {kind.status: kind for kind in _OTHERS}


def kind_of(error: Exception) -> Kind:
    """Return what kind of refusal an error is."""
    if isinstance(error, Denied) and error.reason is Reason.UNAVAILABLE:
        return UNAVAILABLE
    if isinstance(error, RequestValidationError) and any(one["type"] == "json_invalid" for one in error.errors()):
        return MALFORMED
    if isinstance(error, HTTPException):
        inner = error.__cause__
        if isinstance(inner, TooLarge | TooSlow):
            return OF[type(inner)]
        return _BY_STATUS.get(HTTPStatus(error.status_code), MALFORMED)
    return next(OF[one] for one in type(error).__mro__ if one in OF)


def answer(error: Exception) -> Response:
    """Return the refusal."""
    kind = kind_of(error)
    detail = kind.says or _words(error)
    problem = Problem(
        type=kind.type, title=kind.title, status=kind.status, detail=detail[:1000], faults=list(_faults(error))
    )
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if kind.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(problem.model_dump(), kind.status, headers, media_type=MEDIA)


def _words(error: Exception) -> str:
    if isinstance(error, RequestValidationError):
        return "The request does not keep to the schema."
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}"


async def refused(request: Request, error: Exception) -> Response:
    """Answer what an operation raised."""
    del request
    return answer(error)


def _faults(error: Exception) -> Sequence[Fault]:
    match error:
        case WeakPassword():
            return [Fault(at="/body/new", why=why) for why in error.faults]
        case FaultyFile():
            return [Fault(at=f"line {one.line}", why=one.text) for one in error.faults[:SHOWN]]
        case RequestValidationError() if kind_of(error) is INVALID:
            return [Fault(at=_pointer(one["loc"]), why=str(one["msg"])) for one in error.errors()]
    return ()


def _pointer(where: Sequence[Any]) -> str:
    """Name the place, never what stood there; a field nobody knows is named by its first characters."""
    return "".join(f"/{str(part)[:40]}" for part in where)


def may(*kinds: Kind) -> dict[int | str, dict[str, Any]]:
    """Return these refusals as an operation's OpenAPI responses."""
    texts: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        found = texts.setdefault(int(kind.status), {"description": "", "content": CONTENT})
        found["description"] = f"{found['description']}, {kind.key}".removeprefix(", ")
    return texts


CONTENT = {MEDIA: {"schema": {"$ref": "#/components/schemas/Problem"}}}
