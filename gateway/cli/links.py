"""`link`: one-time links, for a person without a browser. The token is read, never an argument: it is a secret."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.office import office_of
from gateway.cli.options import COMMAND, AsJson, ConfigFile, UserName, new_app
from gateway.cli.output import print_fields, print_json, say, when
from gateway.cli.secrets import read_password
from gateway.cli.totp import fields_of, show_key
from gateway.cli.workplace import at_work
from gateway.core.secret import Secret

if TYPE_CHECKING:
    from gateway.auth.links import Letter
    from gateway.store.ports import Actor

app = new_app("One-time links: set up an account, or reset what was lost.")

FromStdin = Annotated[
    bool,
    typer.Option(
        "--stdin", help="Read everything that is asked for from standard input, one line each, in that order."
    ),
]


@app.command(**COMMAND)
def setup(name: UserName, config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """Make a link with which the user sets its password and authenticator (CQ-5); printed once, to be handed over."""
    with at_work(config) as work:
        letter = work.run(office_of(work).links.setup(name, work.actor()))
    print_letter(letter, as_json=as_json)


def print_letter(letter: "Letter", *, as_json: bool) -> None:
    """Print a link, the one time that it is shown."""
    url = letter.url.reveal().decode()
    if as_json:
        print_json({"name": letter.user, "url": url, "expires": letter.expires})
        return
    say(url)
    say(f"It works once, until {when(letter.expires)}; it is shown this once.")


@app.command("open", **COMMAND)
def open_link(config: ConfigFile = None, *, stdin: FromStdin = False, as_json: AsJson = False) -> None:
    """Say what a link is for, what it asks and what it sets; changes nothing."""
    with at_work(config) as work:
        opened = work.run(office_of(work).links.open(_token(stdin=stdin), work.now()))
    plan = {"asks": _words(opened.plan.asks), "sets": _words(opened.plan.sets)}
    fields = {"user": opened.user, "purpose": opened.purpose.value, "expires": opened.expires, **plan}
    if as_json:
        print_json(fields)
    else:
        print_fields({**fields, "expires": when(opened.expires)})


@app.command(**COMMAND)
def enroll(config: ConfigFile = None, *, stdin: FromStdin = False, as_json: AsJson = False) -> None:
    """Begin the authenticator that a link sets, and show its key, once."""
    with at_work(config) as work:
        token = _token(stdin=stdin)
        links = office_of(work).links
        opened = work.run(links.open(token, work.now()))
        made = work.run(links.enrol(token, _visitor(opened.user)))
    if as_json:
        print_json(fields_of(made))
    else:
        show_key(made)
        say("It counts once the link is finished with a first code of it: gateway link finish")


@app.command(**COMMAND)
def finish(config: ConfigFile = None, *, stdin: FromStdin = False) -> None:
    """Use a link up: prove what it asks, set what it sets."""
    from gateway.auth.links import Given  # noqa: PLC0415
    from gateway.policy.proof import Factor  # noqa: PLC0415

    def read(what: str, factor: Factor, among: frozenset[Factor], *, twice: bool = False) -> Secret | None:
        return read_password(None, stdin=stdin, what=what, twice=twice) if factor in among else None

    with at_work(config) as work:
        token = _token(stdin=stdin)
        links = office_of(work).links
        opened = work.run(links.open(token, work.now()))
        asks, sets = opened.plan.asks, opened.plan.sets
        given = Given(
            password=read("password", Factor.PASSWORD, asks),
            code=read("code", Factor.CODE, asks),
            new_password=read("new password", Factor.PASSWORD, sets, twice=True),
            new_code=read("code of the new authenticator", Factor.CODE, sets),
        )
        name = work.run(links.finish(token, given, _visitor(opened.user)))
    say(f"done: {name} has what the link was for; its sessions end")


def _token(*, stdin: bool) -> Secret:
    """Return the token of a link; the whole URL will do."""
    typed = read_password(None, stdin=stdin, what="link", twice=False).reveal().decode()
    return Secret(typed.rstrip("/").rpartition("/")[2])


def _visitor(user: str) -> "Actor":
    from gateway.store.ports import Actor  # noqa: PLC0415

    return Actor(user, time.time())


def _words(factors: frozenset[object]) -> list[str]:
    return sorted(getattr(factor, "value", "") for factor in factors)
