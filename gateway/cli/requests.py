"""`request`: what needs two administrators (HK-6). One makes it, another one approves it with a code of its own."""

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.exits import Code, Refusal
from gateway.cli.office import AsAdmin, FromStdin, seated
from gateway.cli.options import COMMAND, AsJson, ConfigFile, UserName, new_app
from gateway.cli.output import print_json, print_table, say, when
from gateway.cli.secrets import read_password
from gateway.cli.traits import dates
from gateway.cli.workplace import at_work

if TYPE_CHECKING:
    from gateway.policy.roles import Grant
    from gateway.store.people import Request

app = new_app("Requests: changes of credentials and roles, made by one administrator and approved by another.")


class Change(Enum):
    """What may be asked for."""

    RESET_PASSWORD = "reset_password"  # noqa: S105 - an act
    RESET_AUTHENTICATOR = "reset_authenticator"
    CHANGE_EMAIL = "change_email"
    CHANGE_ROLE = "change_role"


class RoleName(Enum):
    """A role; none ends the one there is."""

    DELEGATED_ADMIN = "delegated_admin"
    EXCHANGE_ADMIN = "exchange_admin"
    AUDITOR = "auditor"
    NONE = "none"


RequestId = Annotated[str, typer.Argument(help="The request's id.", metavar="REQUEST", show_default=False)]
Why = Annotated[str, typer.Option("--why", help="Why, and how the person was identified; both administrators' record.")]


@app.command(**COMMAND)
def make(  # noqa: PLR0913, PLR0917 - one option for each thing a request has
    change: Annotated[Change, typer.Argument(help="What is asked for.", show_default=False)],
    name: UserName,
    as_admin: AsAdmin = "",
    why: Why = "",
    config: ConfigFile = None,
    role: Annotated[RoleName, typer.Option(help="For change_role.")] = RoleName.NONE,
    until: Annotated[datetime | None, dates("When that role ends (SF-13).")] = None,
    email: Annotated[str, typer.Option(help="For change_email.")] = "",
    *,
    credentials_stdin: FromStdin = False,
    as_json: AsJson = False,
) -> None:
    """Ask for a change of another person's credentials or role. A second administrator has to approve it."""
    from gateway.auth.requests import Wish  # noqa: PLC0415
    from gateway.policy.roles import Act  # noqa: PLC0415

    wish = Wish(Act(change.value), name, why, _grant(role, until), email)
    with at_work(config) as work:
        seat = seated(work, as_admin, "request.make", stdin=credentials_stdin)
        made = work.run(seat.office.requests.ask(wish, seat.by))
    if as_json:
        print_json(_fields(made))
    else:
        say(f"request {made.id}: another administrator has until {when(made.expires)} to approve it")


@app.command("list", **COMMAND)
def list_requests(
    as_admin: AsAdmin = "", config: ConfigFile = None, *, credentials_stdin: FromStdin = False, as_json: AsJson = False
) -> None:
    """List the requests that wait for a decision."""
    with at_work(config) as work:
        seat = seated(work, as_admin, "request.list", stdin=credentials_stdin)
        found = work.run(seat.office.requests.waiting(seat.by))
    if as_json:
        print_json([_fields(one) for one in found])
        return
    columns = ("request", "change", "user", "asked by", "until", "why")
    print_table(columns, ((one.id, one.act.value, one.user, one.asked_by, when(one.expires), one.why) for one in found))


@app.command(**COMMAND)
def approve(
    request: RequestId, as_admin: AsAdmin = "", config: ConfigFile = None, *, credentials_stdin: FromStdin = False
) -> None:
    """Approve another administrator's request: your password, then a code, and it is done."""
    with at_work(config) as work:
        seat = seated(work, as_admin, "request.approve", stdin=credentials_stdin, code=False)
        code = read_password(None, stdin=credentials_stdin, what="code", twice=False)
        done = work.run(seat.office.requests.approve(request, code, seat.by))
    say(f"approved: {done.request.act.value} of {done.request.user}")
    if done.letter:
        say(f"setup link, once, until {when(done.letter.expires)}: {done.letter.url.reveal().decode()}")


@app.command(**COMMAND)
def refuse(
    request: RequestId,
    as_admin: AsAdmin = "",
    why: Why = "",
    config: ConfigFile = None,
    *,
    credentials_stdin: FromStdin = False,
) -> None:
    """Refuse a request, or take your own back."""
    with at_work(config) as work:
        seat = seated(work, as_admin, "request.refuse", stdin=credentials_stdin)
        work.run(seat.office.requests.refuse(request, why, seat.by))
    say(f"refused: {request}")


def _grant(role: RoleName, until: datetime | None) -> "Grant | None":
    from gateway.policy.roles import Grant, Role  # noqa: PLC0415

    if role is RoleName.NONE:
        return None
    if until is None:
        raise Refusal("a role ends: --until DATE (SF-13)", Code.USAGE)
    return Grant(Role(role.value), until.timestamp())


def _fields(request: "Request") -> dict[str, object]:
    grant = request.grant
    return {
        "id": request.id,
        "change": request.act.value,
        "user": request.user,
        "asked_by": request.asked_by,
        "asked": request.asked,
        "expires": request.expires,
        "why": request.why,
        "role": grant.role.value if grant else None,
        "until": grant.until if grant else None,
        "email": request.email,
    }
