"""What a user has, as options: the same for the operator's `user` and for the administrators' `desk`."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from gateway.policy.rules import Channel, SecondFactor
from gateway.policy.snapshot import Method


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


CompIds = Annotated[
    list[str] | None,
    typer.Option("--comp-id", "--process", help="SenderCompID or AMQP app_id it may log in as; repeatable."),
]
Certificates = Annotated[
    list[str] | None, typer.Option("--certificate", help="SHA-256 of a client certificate it must present.")
]
Routes = Annotated[
    list[str] | None, typer.Option("--route", help="Route it may use; repeatable; with none and no group: every one.")
]
HowProved = Annotated[Method | None, typer.Option("--method", help="How it proves who it is; at first password+totp.")]
OwnFactor = Annotated[
    SecondFactor | None, typer.Option("--second-factor", help="Over the policy's, where that allows it.")
]
Organisation = Annotated[str | None, typer.Option("--organisation", help="Firm it belongs to.")]
Email = Annotated[str | None, typer.Option("--email", help="Registered address: links go there.")]
Phone = Annotated[str | None, typer.Option("--phone", help="Registered number: codes by text message go there.")]
CodesFrom = Annotated[
    Channel | None,
    typer.Option("--channel", help="Where its codes come from, where the policy allows that; at first app."),
]
ValidFrom = Annotated[datetime | None, dates("First day, such as 2026-12-31 (UTC).")]
ValidUntil = Annotated[datetime | None, dates("When it ends.")]


def traits(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that were given, by the names that `User` has for them."""
    return {name: _plain(value) for name, value in given.items() if value is not None and value != []}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.timestamp()
    return frozenset(value) if isinstance(value, list) else value
