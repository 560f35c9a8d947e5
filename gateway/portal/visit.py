"""One request: who it is, what was typed, and how to answer. Cookies and the forms' CSRF token live here.

Two cookies, both `__Host-` (RFC 6265bis: Secure, this host only, no domain): the session's token, and before there is
one a visitor's, so that a form on a public page is bound to its browser, too. Signing in replaces the token (fixation).
"""

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from gateway.auth.signin import Entered, WebSession
from gateway.core.secret import Secret
from gateway.policy.roles import Role, role_at
from gateway.policy.rules import Policy
from gateway.portal.spec import Portal
from gateway.portal.views import render
from gateway.store.ports import Account, Actor

SESSION, VISITOR = "__Host-session", "__Host-visitor"
FIELD = 4096
"""Characters of one typed value: enough for a list of routes, too few to keep anything busy."""


class Stale(Exception):  # noqa: N818 - what happened
    """The form's token is not this browser's: it is too old, or another site made it."""


@dataclass(slots=True)
class Visit:
    """One request. `typed` is empty before a form was read; `fault` is what is wrong with it, for its page."""

    request: Request
    portal: Portal
    token: Secret | None
    session: WebSession | None
    by: Actor
    visitor: str
    account: Account | None = None
    typed: Mapping[str, str] = field(default_factory=dict, repr=False)
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    fault: str = ""
    faults: tuple[str, ...] = ()
    status: int = HTTPStatus.OK

    @property
    def signed_in(self) -> WebSession:
        """Return the session, on a page that needs one."""
        if self.session is None:
            raise Stale
        return self.session

    @property
    def held(self) -> Secret:
        """Return the session's token, on a page that needs one."""
        if self.token is None:
            raise Stale
        return self.token

    @property
    def mine(self) -> Account:
        """Return this person's account, on a page that needs a session."""
        if self.account is None:
            raise Stale
        return self.account

    @property
    def policy(self) -> Policy:
        """Return the policy this person is judged by; the house's for a visitor (CQ-8)."""
        return self.portal.policy_of(self.account.user if self.account else None)

    @property
    def role(self) -> Role:
        """Return what this person may be for others now."""
        return role_at(self.account.user.grant, self.by.wall) if self.account else Role.USER

    # ── what was typed ──

    def text(self, name: str) -> str:
        """Return a typed value without the spaces around it; "" where there is none."""
        return self.typed.get(name, "").strip()

    def secret(self, name: str) -> Secret | None:
        """Return a typed secret exactly as it was typed; None where there is none."""
        typed = self.typed.get(name, "")
        return Secret(typed) if typed else None

    def code(self, name: str = "code") -> Secret | None:
        """Return a typed one-time code, without the spaces people type into it."""
        typed = self.text(name).replace(" ", "")
        return Secret(typed) if typed else None

    @property
    def csrf(self) -> str:
        """Return the token that every form of this browser carries."""
        bound = self.token.reveal() if self.token else self.visitor.encode()
        return self.portal.digest(b"portal form", bound).hex()

    def check_csrf(self, given: str) -> None:
        """Raise Stale unless the form is this browser's."""
        if not hmac.compare_digest(given.encode(), self.csrf.encode()):
            raise Stale

    # ── answers ──

    def page(self, template: str, **values: Any) -> Response:
        """Return a page, with what went wrong on top of it where a form was refused."""
        common = {
            "visit": self,
            "site": self.portal.site,
            "csrf": self.csrf,
            "session": self.session,
            "role": self.role,
            "path": self.request.url.path,
            "fault": self.fault,
            "faults": self.faults,
            "typed": self.typed,
            "said": self.request.query_params.get("said", ""),
            "own_passwords": self.portal.own_passwords,
        }
        answer = HTMLResponse(render(template, common | values), self.status)
        if not self.token:
            _set(answer, VISITOR, self.visitor)
        return answer

    def go(self, path: str, said: str = "") -> Response:
        """Send the browser to a page of ours; `said` is a key of words.SAID. `path` is never what somebody typed."""
        return RedirectResponse(f"{path}?said={said}" if said else path, HTTPStatus.SEE_OTHER)

    def enter(self, entered: Entered, path: str, said: str = "") -> Response:
        """Give the browser its session's token, and send it to a page."""
        answer = self.go(path, said)
        _set(answer, SESSION, entered.token.reveal().decode())
        answer.delete_cookie(VISITOR, path="/", secure=True, httponly=True, samesite="strict")
        return answer

    def leave(self, path: str, said: str = "") -> Response:
        """Take the browser's session away, and send it to a page."""
        answer = self.go(path, said)
        answer.delete_cookie(SESSION, path="/", secure=True, httponly=True, samesite="strict")
        return answer


def new_visitor() -> str:
    """Return the name of a browser that has none."""
    return secrets.token_urlsafe(24)


def _set(answer: Response, name: str, value: str) -> None:
    answer.set_cookie(name, value, path="/", secure=True, httponly=True, samesite="strict")
