"""What an administrator may do alone. What needs a second one is `request`; nobody does any of it to himself."""

from dataclasses import replace
from typing import Annotated

import typer

from gateway.cli.alerts import AlertId, print_acknowledged
from gateway.cli.exits import Code, Refusal
from gateway.cli.groups import GroupName
from gateway.cli.intake import (
    DryRun,
    FormOption,
    ImportFile,
    Partial,
    PskcKeyFile,
    PskcPassword,
    reading_of,
    tell_done,
    tell_faults,
)
from gateway.cli.links import print_letter
from gateway.cli.office import AsAdmin, FromStdin, at_desk
from gateway.cli.options import AsJson, ConfigFile, Proof, UserName
from gateway.cli.output import print_json, say
from gateway.cli.persons import as_fields
from gateway.cli.sessions import SessionId
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
from gateway.policy.snapshot import User

Groups = Annotated[list[str] | None, typer.Option("--group", help="Group it is a member of; repeatable.")]


def add(  # noqa: PLR0913, PLR0917 - one option for each thing a user has
    name: UserName,
    as_admin: AsAdmin = "",
    config: ConfigFile = None,
    comp_id: CompIds = None,
    certificate: Certificates = None,
    route: Routes = None,
    group: Groups = None,
    method: HowProved = None,
    second_factor: OwnFactor = None,
    organisation: Organisation = None,
    email: Email = None,
    phone: Phone = None,
    channel: CodesFrom = None,
    valid_from: ValidFrom = None,
    valid_until: ValidUntil = None,
    *,
    credentials_stdin: FromStdin = False,
    as_json: AsJson = False,
) -> None:
    """Add a user, without a password: `desk setup-link` lets the person choose it. Its firm is yours unless you say."""
    given = {
        "processes": comp_id,
        "certificates": certificate,
        "routes": route,
        "groups": group,
        "method": method,
        "second_factor": second_factor,
        "organisation": organisation,
        "email": email,
        "phone": phone,
        "channel": channel,
        "valid_from": valid_from,
        "valid_until": valid_until,
    }
    with at_desk(config, as_admin, "add", stdin=credentials_stdin) as seat:
        own = seat.run(seat.office.desk.standing(seat.by)).organisation
        user = User("", name, **{"organisation": own, **traits(given)})
        account = seat.run(seat.office.desk.add(user, seat.by))
    if as_json:
        print_json(as_fields(account, seat.by.wall))
    else:
        say(f"added user {name}; its first password: gateway desk setup-link {name}")


def change(  # noqa: PLR0913, PLR0917 - one option for each thing that may change
    name: UserName,
    as_admin: AsAdmin = "",
    config: ConfigFile = None,
    comp_id: CompIds = None,
    certificate: Certificates = None,
    route: Routes = None,
    method: HowProved = None,
    second_factor: OwnFactor = None,
    organisation: Organisation = None,
    valid_from: ValidFrom = None,
    valid_until: ValidUntil = None,
    join: Annotated[list[str] | None, typer.Option(help="Group it becomes a member of; repeatable.")] = None,
    leave: Annotated[list[str] | None, typer.Option(help="Group it leaves; repeatable.")] = None,
    *,
    credentials_stdin: FromStdin = False,
    as_json: AsJson = False,
) -> None:
    """Change a user; sessions that could not be opened any more are logged out (HK-7).

    Only what is given changes, and takes the place of what was there. Where links and codes go is a `request`.
    """
    given = {
        "processes": comp_id,
        "certificates": certificate,
        "routes": route,
        "method": method,
        "second_factor": second_factor,
        "organisation": organisation,
        "valid_from": valid_from,
        "valid_until": valid_until,
    }
    with at_desk(config, as_admin, "change", stdin=credentials_stdin) as seat:
        account = seat.run(seat.office.desk.show(name, seat.by))
        groups = (account.user.groups | frozenset(join or ())) - frozenset(leave or ())
        wanted = replace(account.user, groups=groups, **traits(given))
        account = seat.run(seat.office.desk.change(wanted, account.revision, seat.by))
    if as_json:
        print_json(as_fields(account, seat.by.wall))
    else:
        say(f"changed user {name}")


def enable(
    name: UserName, as_admin: AsAdmin = "", config: ConfigFile = None, *, credentials_stdin: FromStdin = False
) -> None:
    """Enable a disabled user again. A lock stays: see unlock."""
    with at_desk(config, as_admin, "enable", stdin=credentials_stdin) as seat:
        seat.run(seat.office.desk.set_enabled(name, seat.by, enabled=True))
    say(f"enabled user {name}")


def disable(
    name: UserName, as_admin: AsAdmin = "", config: ConfigFile = None, *, credentials_stdin: FromStdin = False
) -> None:
    """Disable a user; its live sessions are logged out."""
    with at_desk(config, as_admin, "disable", stdin=credentials_stdin) as seat:
        seat.run(seat.office.desk.set_enabled(name, seat.by, enabled=False))
    say(f"disabled user {name}; its sessions end")


def unlock(
    name: UserName,
    as_admin: AsAdmin = "",
    proof: Proof = "",
    config: ConfigFile = None,
    *,
    credentials_stdin: FromStdin = False,
) -> None:
    """Forget a user's failures and locks, once you know that it is that person who asks (TW-5)."""
    if not proof.strip():
        raise Refusal("say how the person was identified: --proof TEXT (TW-5)", Code.USAGE)
    with at_desk(config, as_admin, "unlock", stdin=credentials_stdin) as seat:
        seat.run(seat.office.desk.unlock(name, proof, seat.by))
    say(f"unlocked user {name}")


def setup_link(
    name: UserName,
    as_admin: AsAdmin = "",
    config: ConfigFile = None,
    *,
    credentials_stdin: FromStdin = False,
    as_json: AsJson = False,
) -> None:
    """Send a link with which the user sets its password and authenticator (CQ-5), and print it once, to be handed over."""
    with at_desk(config, as_admin, "setup_link", stdin=credentials_stdin) as seat:
        letter = seat.run(seat.office.desk.setup_link(name, seat.by))
    print_letter(letter, as_json=as_json)


def end_session(
    session: SessionId, as_admin: AsAdmin = "", config: ConfigFile = None, *, credentials_stdin: FromStdin = False
) -> None:
    """End a live session; its owner is told why and needs a new login with a new code (TW-12)."""
    with at_desk(config, as_admin, "end_session", stdin=credentials_stdin) as seat:
        seat.run(seat.office.desk.end_session(session, seat.by))
    say(f"ordered: session {session} ends within a second")


def import_people(  # noqa: PLR0913, PLR0917 - one option for each thing an import has
    file: ImportFile,
    as_admin: AsAdmin = "",
    config: ConfigFile = None,
    form: FormOption = None,
    password_file: PskcPassword = None,
    key_file: PskcKeyFile = None,
    *,
    partial: Partial = False,
    dry_run: DryRun = False,
    credentials_stdin: FromStdin = False,
) -> None:
    """Import new users, with their authenticators where the file has them (HK-8); the columns are `user import`'s.

    A firm's administrator imports its own firm's; nobody who is there already is changed.
    """
    reading = reading_of(file, form, password_file, key_file)
    with at_desk(config, as_admin, "import", stdin=credentials_stdin) as seat:
        checked = seat.run(seat.office.desk.check_import(reading, seat.by))
        tell_faults(checked, file, partial=partial)
        if not dry_run:
            checked = seat.run(seat.office.desk.import_people(reading, seat.by, partial=partial))
    tell_done(checked, dry_run=dry_run)


def set_group(  # noqa: PLR0913 - what a group is, and who says so
    name: GroupName,
    route: Annotated[list[str], typer.Option(help="Route its members may use; repeatable.", show_default=False)],
    as_admin: AsAdmin = "",
    config: ConfigFile = None,
    organisation: Annotated[str, typer.Option(help="Firm it belongs to; none: the exchange's.")] = "",
    *,
    credentials_stdin: FromStdin = False,
) -> None:
    """Make a group, or change its routes; sessions of members on a route that is gone are logged out (HK-9)."""
    from gateway.store.people import Group  # noqa: PLC0415

    with at_desk(config, as_admin, "set_group", stdin=credentials_stdin) as seat:
        seat.run(seat.office.desk.put_group(Group(name, organisation, frozenset(route)), seat.by))
    say(f"members of {name} may use {', '.join(sorted(route))}")


def acknowledge(
    alert: AlertId,
    as_admin: AsAdmin = "",
    config: ConfigFile = None,
    *,
    credentials_stdin: FromStdin = False,
    as_json: AsJson = False,
) -> None:
    """Say that you have looked at an alert: whom it shut out may log in again."""
    with at_desk(config, as_admin, "acknowledge", stdin=credentials_stdin) as seat:
        done = seat.run(seat.office.desk.acknowledge(alert, seat.by))
    print_acknowledged(done, as_json=as_json)
