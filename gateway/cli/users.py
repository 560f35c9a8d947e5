"""`user`: who may log in, and as what. Passwords come by prompt, file or standard input, never as an argument."""

from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.exits import Code, Refusal
from gateway.cli.options import COMMAND, AsJson, ConfigFile, Proof, UserName, new_app
from gateway.cli.output import print_fields, print_json, print_table, say, when
from gateway.cli.persons import as_fields, state_of
from gateway.cli.secrets import read_password
from gateway.cli.workplace import at_work
from gateway.policy.rules import Channel, SecondFactor
from gateway.policy.snapshot import Method, User

if TYPE_CHECKING:
    from gateway.store.ports import Account

app = new_app("Users: who may log in, and as what.")

PasswordFile = Annotated[
    Path | None,
    typer.Option("--password-file", help="Read the password from a file's first line.", exists=True, dir_okay=False),
]
PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]
Names = list[str]
_ELSEWHERE = "passwords are the directory's (passwords.backend): set and change them there"


def _date(text: str) -> datetime:
    for form in ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"):
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise typer.BadParameter("a date is 2026-12-31 (midnight UTC) or 2026-12-31T18:00:00Z")


def dates(words: str) -> Any:
    """Return the option of a date."""
    return typer.Option(parser=_date, metavar="DATE", show_default=False, help=words)


@app.command(**COMMAND)
def add(  # noqa: PLR0913, PLR0917 - one option for each thing a user has
    name: UserName,
    config: ConfigFile = None,
    comp_id: Annotated[
        Names | None,
        typer.Option("--comp-id", "--process", help="SenderCompID or AMQP app_id it may log in as; repeatable."),
    ] = None,
    certificate: Annotated[Names | None, typer.Option(help="SHA-256 of a client certificate it must present.")] = None,
    route: Annotated[Names | None, typer.Option(help="Route it may use; repeatable; none given: every one.")] = None,
    method: Annotated[Method, typer.Option(help="How it proves who it is.")] = Method.PASSWORD_TOTP,
    second_factor: Annotated[SecondFactor | None, typer.Option(help="Over the policy's, where that allows it.")] = None,
    organisation: Annotated[str, typer.Option(help="Firm it belongs to.")] = "",
    email: Annotated[str, typer.Option(help="Registered address: links go there.")] = "",
    phone: Annotated[str, typer.Option(help="Registered number: codes by text message go there.")] = "",
    channel: Annotated[
        Channel, typer.Option(help="Where its codes come from, where the policy allows that.")
    ] = Channel.APP,
    valid_from: Annotated[datetime | None, dates("First day, such as 2026-12-31 (UTC).")] = None,
    valid_until: Annotated[datetime | None, dates("When it ends.")] = None,
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
        local = work.keeps_passwords and method in (Method.PASSWORD, Method.PASSWORD_TOTP)
        password = read_password(password_file, stdin=password_stdin) if local else None
        user = User(
            id="",
            name=name,
            organisation=organisation,
            method=method,
            second_factor=second_factor,
            valid_from=valid_from.timestamp() if valid_from else None,
            valid_until=valid_until.timestamp() if valid_until else None,
            must_change=must_change,
            processes=frozenset(comp_id or ()),
            certificates=frozenset(certificate or ()),
            routes=frozenset(route or ()),
            email=email,
            phone=phone,
            channel=channel,
        )
        account = work.run(work.people.add(user, password, work.actor()))
    _tell(as_fields(account, work.now()), as_json=as_json, words=f"added user {name}")


@app.command("list", **COMMAND)
def list_users(config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """List the users by name."""
    with at_work(config) as work:
        accounts = work.run(work.people.everybody())
        now = work.now()
    if as_json:
        print_json([as_fields(account, now) for account in accounts])
        return
    columns = ("user", "state", "organisation", "method", "authenticators", "CompIDs")
    print_table(columns, (_row(account, now) for account in accounts))


@app.command(**COMMAND)
def show(name: UserName, config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """Show a user, its authenticators (without their keys), failures and locks."""
    with at_work(config) as work:
        account = work.run(work.store.users.show(name))
        fields = as_fields(account, work.now())
    if as_json:
        print_json(fields)
        return
    times = {
        key: when(fields[key]) for key in ("valid_from", "valid_until", "password_changed", "created", "locked_until")
    }
    devices = [f"{one['name']} ({one['id']}{'' if one['confirmed'] else ', unconfirmed'})" for one in fields["devices"]]
    print_fields({"state": state_of(account, work.now()), **fields, **times, "devices": devices})


@app.command(**COMMAND)
def change(  # noqa: PLR0913, PLR0917 - one option for each thing that may change
    name: UserName,
    config: ConfigFile = None,
    comp_id: Annotated[Names | None, typer.Option("--comp-id", "--process", help="In place of those it has.")] = None,
    certificate: Annotated[Names | None, typer.Option(help="In place of those it has.")] = None,
    route: Annotated[Names | None, typer.Option(help="In place of those it has.")] = None,
    method: Annotated[Method | None, typer.Option(help="How it proves who it is.")] = None,
    organisation: Annotated[str | None, typer.Option(help="Firm it belongs to.")] = None,
    email: Annotated[str | None, typer.Option(help="Registered address; links to the old one are void.")] = None,
    phone: Annotated[str | None, typer.Option(help="Registered number; codes sent to the old one are void.")] = None,
    channel: Annotated[Channel | None, typer.Option(help="Where its codes come from.")] = None,
    valid_from: Annotated[datetime | None, dates("First day.")] = None,
    valid_until: Annotated[datetime | None, dates("When it ends.")] = None,
) -> None:
    """Change a user; sessions that could not be opened any more are logged out (HK-7). Only what is given changes."""
    given = {
        "processes": frozenset(comp_id) if comp_id else None,
        "certificates": frozenset(certificate) if certificate else None,
        "routes": frozenset(route) if route else None,
        "method": method,
        "organisation": organisation,
        "email": email,
        "phone": phone,
        "channel": channel,
        "valid_from": valid_from.timestamp() if valid_from else None,
        "valid_until": valid_until.timestamp() if valid_until else None,
    }
    changes: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
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


def _row(account: "Account", now: float) -> tuple[object, ...]:
    user = account.user
    confirmed = sum(device.confirmed for device in account.devices)
    return (
        user.name,
        state_of(account, now),
        user.organisation,
        user.method.value,
        confirmed,
        ", ".join(sorted(user.processes)),
    )


def _tell(fields: dict[str, object], *, as_json: bool, words: str) -> None:
    if as_json:
        print_json(fields)
    else:
        say(words)
