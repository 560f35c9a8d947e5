"""`alerts`: what detection found at logins, and saying that somebody has looked at it (SF-18, SF-19, SF-20, BY-8)."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.options import COMMAND, AsJson, ConfigFile, new_app
from gateway.cli.output import print_json, print_table, say, when
from gateway.cli.workplace import at_work

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.store.alerts import Alert

app = new_app("Alerts: what no single account shows, noticed at login.")
_COLUMNS = ("alert", "rule", "about", "last from", "country", "times", "last", "acknowledged")
AlertId = Annotated[str, typer.Argument(help="The alert's id, as `gateway alerts list` prints it.", metavar="ALERT")]
All = Annotated[bool, typer.Option("--all", help="Those that were acknowledged, too.")]


@app.command("list", **COMMAND)
def list_alerts(config: ConfigFile = None, *, everything: All = False, as_json: AsJson = False) -> None:
    """List the alerts that nobody has acknowledged, the latest first. Times are UTC."""
    with at_work(config) as work:
        found = work.run(work.store.alerts.list(open_only=not everything))
    print_alerts(found, as_json=as_json)


@app.command(**COMMAND)
def acknowledge(alert: AlertId, config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """Say that somebody has looked at it: what was seen until now counts no more, and whom it shut out may log in again."""
    with at_work(config) as work:
        done = work.run(work.store.alerts.acknowledge(alert, work.actor()))
    print_acknowledged(done, as_json=as_json)


def print_alerts(found: "Sequence[Alert]", *, as_json: bool) -> None:
    """Print alerts, a row for each."""
    if as_json:
        print_json([as_fields(one) for one in found])
    elif not found:
        say("no alerts")
    else:
        print_table(_COLUMNS, map(_cells, found))


def print_acknowledged(done: "Alert", *, as_json: bool) -> None:
    """Print what was acknowledged."""
    if as_json:
        print_json(as_fields(done))
    else:
        say(f"acknowledged: {done.rule.value}{f' of {done.subject}' if done.subject else ''}, {done.count} times")


def as_fields(alert: "Alert") -> dict[str, Any]:
    """Return an alert as JSON shows it; times are seconds since 1970, null for none."""
    return {name: getattr(alert, name) for name in alert.__slots__} | {"rule": alert.rule.value}


def _cells(alert: "Alert") -> tuple[str, ...]:
    return (
        alert.id,
        f"{alert.rule.value}, refuses" if alert.blocks else alert.rule.value,
        alert.subject or "everybody",
        f"{alert.user} {alert.address}",
        alert.country,
        str(alert.count),
        when(alert.last),
        f"{alert.acknowledged_by} {when(alert.acknowledged)}".strip(),
    )
