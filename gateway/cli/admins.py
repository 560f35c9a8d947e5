"""`admin`: administrators. The first two are made here; everybody after them by maker and checker (`request`)."""

from datetime import datetime, timedelta
from typing import Annotated

from gateway.cli.options import COMMAND, AsJson, ConfigFile, Proof, UserName, new_app
from gateway.cli.output import print_json, print_table, say, when
from gateway.cli.traits import dates
from gateway.cli.workplace import at_work

app = new_app("Administrators: roles that end on a date (SF-13).")


@app.command(**COMMAND)
def bootstrap(
    name: UserName,
    config: ConfigFile = None,
    until: Annotated[datetime | None, dates("When the role ends; default: in 90 days.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Make an exchange administrator and print a one-time link, with which it sets password and authenticator (TW-2).

    Works until there are two who can act: from then on roles are asked for and approved.
    """
    from gateway.cli.office import office_of  # noqa: PLC0415

    with at_work(config) as work:
        by = work.actor()
        ends = until.timestamp() if until else by.wall + timedelta(days=90).total_seconds()
        letter = work.run(office_of(work).links.bootstrap(name, ends, by))
    url = letter.url.reveal().decode()
    if as_json:
        print_json({"name": name, "until": ends, "url": url, "expires": letter.expires})
        return
    say(f"{name} is an exchange administrator until {when(ends)}, once it has opened")
    say(url)
    say(f"The link works once, until {when(letter.expires)}; it is shown this once.")


@app.command("list", **COMMAND)
def list_admins(config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """List everybody with a role, and when it ends."""
    from gateway.policy.roles import role_at  # noqa: PLC0415

    with at_work(config) as work:
        found = [one.user for one in work.run(work.people.everybody()) if one.user.grant]
        now = work.now()
    rows = [(user.name, user.organisation, user.grant) for user in found if user.grant]
    if as_json:
        keys = ("name", "organisation", "role", "until", "now")
        print_json(
            [
                dict(zip(keys, (name, firm, grant.role.value, grant.until, role_at(grant, now).value), strict=True))
                for name, firm, grant in rows
            ]
        )
        return
    shown = (
        (name, firm, grant.role.value, when(grant.until), "" if now < grant.until else "over")
        for name, firm, grant in rows
    )
    print_table(("user", "organisation", "role", "until", ""), shown)


@app.command(**COMMAND)
def end(name: UserName, config: ConfigFile = None, proof: Proof = "") -> None:
    """End a role at once. Giving one needs two administrators; taking one away must not wait for them."""
    with at_work(config) as work:
        work.run(work.store.users.grant(name, None, work.actor(proof)))
    say(f"{name} has no role any more")
