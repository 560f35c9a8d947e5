"""`user`: who may log in, and as what. Passwords come by prompt, file or standard input, never as an argument."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.exits import Code, Refusal
from gateway.cli.options import COMMAND, AsJson, ConfigFile, Proof, UserName, new_app
from gateway.cli.output import print_json, say
from gateway.cli.persons import as_fields, print_account, print_accounts
from gateway.cli.secrets import read_password
from gateway.cli.traits import (
    Certificates,
    CodesFrom,
    CompIds,
    Email,
    HowProved,
    Organisation,
    OwnFactor,
    Phone,
    Routes,
    ValidFrom,
    ValidUntil,
    traits,
)
from gateway.cli.workplace import at_work
from gateway.policy.decide import LOCAL
from gateway.policy.snapshot import User

app = new_app("Users: who may log in, and as what.")

PasswordFile = Annotated[
    Path | None,
    typer.Option("--password-file", help="Read the password from a file's first line.", exists=True, dir_okay=False),
]
PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]
_ELSEWHERE = "passwords are the directory's (passwords.backend): set and change them there"


@app.command(**COMMAND)
def add(  # noqa: PLR0913, PLR0917 - one option for each thing a user has
    name: UserName,
    config: ConfigFile = None,
    comp_id: CompIds = None,
    certificate: Certificates = None,
    route: Routes = None,
    method: HowProved = None,
    second_factor: OwnFactor = None,
    organisation: Organisation = None,
    email: Email = None,
    phone: Phone = None,
    channel: CodesFrom = None,
    valid_from: ValidFrom = None,
    valid_until: ValidUntil = None,
    password_file: PasswordFile = None,
    *,
    password_stdin: PasswordStdin = False,
    must_change: Annotated[bool, typer.Option("--must-change", help="The password is initial (TW-3).")] = False,
    as_json: AsJson = False,
) -> None:
    """Add a user. Without --comp-id its SenderCompID, or AMQP app_id, is its name."""
    with at_work(config) as work:
        if not work.keeps_passwords and (password_file or password_stdin or must_change):
            raise Refusal(_ELSEWHERE)
        given = {
            "processes": comp_id,
            "certificates": certificate,
            "routes": route,
            "method": method,
            "second_factor": second_factor,
            "organisation": organisation,
            "email": email,
            "phone": phone,
            "channel": channel,
            "valid_from": valid_from,
            "valid_until": valid_until,
        }
        user = User("", name, must_change=must_change, **traits(given))
        local = work.keeps_passwords and user.method in LOCAL
        password = read_password(password_file, stdin=password_stdin) if local else None
        account = work.run(work.people.add(user, password, work.actor()))
    _tell(as_fields(account, work.now()), as_json=as_json, words=f"added user {name}")


@app.command("list", **COMMAND)
def list_users(config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """List the users by name."""
    with at_work(config) as work:
        accounts = work.run(work.people.everybody())
    print_accounts(accounts, work.now(), as_json=as_json)


@app.command(**COMMAND)
def show(name: UserName, config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """Show a user, its authenticators (without their keys), failures and locks."""
    with at_work(config) as work:
        account = work.run(work.store.users.show(name))
    print_account(account, work.now(), as_json=as_json)


@app.command(**COMMAND)
def change(  # noqa: PLR0913, PLR0917 - one option for each thing that may change
    name: UserName,
    config: ConfigFile = None,
    comp_id: CompIds = None,
    certificate: Certificates = None,
    route: Routes = None,
    method: HowProved = None,
    organisation: Organisation = None,
    email: Email = None,
    phone: Phone = None,
    channel: CodesFrom = None,
    valid_from: ValidFrom = None,
    valid_until: ValidUntil = None,
) -> None:
    """Change a user; sessions that could not be opened any more are logged out (HK-7).

    Only what is given changes, and takes the place of what was there; links and codes to an older address are void.
    """
    given = {
        "processes": comp_id,
        "certificates": certificate,
        "routes": route,
        "method": method,
        "organisation": organisation,
        "email": email,
        "phone": phone,
        "channel": channel,
        "valid_from": valid_from,
        "valid_until": valid_until,
    }
    changes = traits(given)
    with at_work(config) as work:
        account = work.run(work.store.users.show(name))
        work.run(work.store.users.change(replace(account.user, **changes), account.revision, work.actor()))
    say(f"changed user {name}: {', '.join(changes) or 'nothing'}")


@app.command(**COMMAND)
def remind(config: ConfigFile = None) -> None:
    """List, as JSON, whose password is old or expires soon, for whoever sends the reminders (SF-7)."""
    from gateway.auth.reminders import reminders  # noqa: PLC0415
    from gateway.credentials import house_of  # noqa: PLC0415

    with at_work(config) as work:
        accounts, house = work.run(work.people.everybody()), house_of(work.configuration.settings)
        found = list(reminders(accounts, work.policies, house, work.now()))
    print_json([asdict(one) for one in found])


@app.command(**COMMAND)
def disable(name: UserName, config: ConfigFile = None) -> None:
    """Disable a user; its live sessions are logged out."""
    with at_work(config) as work:
        work.run(work.people.set_enabled(name, work.actor(), enabled=False))
    say(f"disabled user {name}; its sessions end")


@app.command(**COMMAND)
def enable(name: UserName, config: ConfigFile = None) -> None:
    """Enable a disabled user again. A lock stays: see unlock."""
    with at_work(config) as work:
        work.run(work.people.set_enabled(name, work.actor(), enabled=True))
    say(f"enabled user {name}")


@app.command(**COMMAND)
def unlock(
    name: UserName,
    config: ConfigFile = None,
    proof: Proof = "",
) -> None:
    """Forget a user's failures and locks, once you know that it is that person who asks (TW-5)."""
    if not proof.strip():
        raise Refusal("say how the person was identified: --proof TEXT (TW-5)", Code.USAGE)
    with at_work(config) as work:
        work.run(work.people.unlock(name, work.actor(proof)))
    say(f"unlocked user {name}")


@app.command(**COMMAND)
def passwd(
    name: UserName,
    config: ConfigFile = None,
    password_file: PasswordFile = None,
    *,
    password_stdin: PasswordStdin = False,
    must_change: Annotated[bool, typer.Option("--must-change", help="The password is initial (TW-3).")] = False,
) -> None:
    """Set a user's password; its live sessions are logged out."""
    with at_work(config) as work:
        if not work.keeps_passwords:
            raise Refusal(_ELSEWHERE)
        password = read_password(password_file, stdin=password_stdin)
        work.run(work.people.set_password(name, password, work.actor(), must_change=must_change))
    say(f"set the password of user {name}; its sessions end")


def _tell(fields: dict[str, object], *, as_json: bool, words: str) -> None:
    if as_json:
        print_json(fields)
    else:
        say(words)
