"""`my`: one's own account, for a person without a browser. The current password is asked for each change (M7-4)."""

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.history import LINES, Before, Limit, print_visits
from gateway.cli.office import office_of
from gateway.cli.options import COMMAND, AsJson, ConfigFile, UserName, new_app
from gateway.cli.output import print_json, say
from gateway.cli.secrets import read_password
from gateway.cli.totp import fields_of, show_key
from gateway.cli.workplace import at_work
from gateway.core.secret import Secret
from gateway.policy.rules import Channel

if TYPE_CHECKING:
    from gateway.store.ports import Actor

app = new_app("One's own account: authenticators, recovery codes and password.")
FromStdin = Annotated[
    bool,
    typer.Option(
        "--stdin", help="Read everything that is asked for from standard input, one line each, in that order."
    ),
]
ChannelName = Annotated[Channel, typer.Argument(help="Where codes come from.", show_default=False)]
DeviceId = Annotated[str, typer.Argument(help="The authenticator's id.", metavar="DEVICE", show_default=False)]


@app.command(**COMMAND)
def password(name: UserName, config: ConfigFile = None, *, stdin: FromStdin = False) -> None:
    """Change the password: the current one, then the new one. Sessions end."""
    with at_work(config) as work:
        current = _current(stdin=stdin)
        new = read_password(None, stdin=stdin, what="new password")
        work.run(office_of(work).myself.change_password(current, new, _me(name)))
    say("changed; your sessions end")


@app.command(**COMMAND)
def devices(name: UserName, config: ConfigFile = None) -> None:
    """List the authenticators, as JSON."""
    with at_work(config) as work:
        print_json([asdict(one) for one in work.run(office_of(work).myself.devices(_me(name)))])


@app.command(**COMMAND)
def history(
    name: UserName,
    config: ConfigFile = None,
    before: Before = None,
    limit: Limit = LINES,
    *,
    as_json: AsJson = False,
) -> None:
    """List your logins, newest first, with the true reason of each refusal: was that you? Times are UTC."""
    with at_work(config) as work:
        found = work.run(office_of(work).myself.history(_me(name), before, limit))
    print_visits(found, as_json=as_json)


@app.command(**COMMAND)
def add(
    name: UserName,
    config: ConfigFile = None,
    label: Annotated[str, typer.Option(help="What you call it.")] = "authenticator",
    *,
    stdin: FromStdin = False,
    as_json: AsJson = False,
) -> None:
    """Begin another authenticator and show its key, once; `my confirm` makes it count."""
    from gateway.policy.snapshot import Device  # noqa: PLC0415

    with at_work(config) as work:
        made = work.run(office_of(work).myself.add(_current(stdin=stdin), Device("", Secret(b"")), label, _me(name)))
    _show(made, as_json=as_json)


@app.command(**COMMAND)
def regenerate(
    name: UserName, device: DeviceId, config: ConfigFile = None, *, stdin: FromStdin = False, as_json: AsJson = False
) -> None:
    """Begin a new key for an authenticator, shown once; the old one counts until `my confirm` of the new one."""
    with at_work(config) as work:
        made = work.run(office_of(work).myself.regenerate(_current(stdin=stdin), device, _me(name)))
    _show(made, as_json=as_json)


@app.command(**COMMAND)
def confirm(name: UserName, device: DeviceId, config: ConfigFile = None, *, stdin: FromStdin = False) -> None:
    """Make a new authenticator count, by a first code from it."""
    with at_work(config) as work:
        code = read_password(None, stdin=stdin, what="code", twice=False)
        work.run(office_of(work).myself.confirm(device, code, _me(name)))
    say(f"confirmed: codes of {device} count")


@app.command(**COMMAND)
def rename(name: UserName, device: DeviceId, label: str, config: ConfigFile = None) -> None:
    """Call an authenticator something else."""
    with at_work(config) as work:
        work.run(office_of(work).myself.rename(device, label, _me(name)))
    say(f"{device} is called {label}")


@app.command(**COMMAND)
def remove(name: UserName, device: DeviceId, config: ConfigFile = None, *, stdin: FromStdin = False) -> None:
    """Destroy an authenticator's key. Sessions end."""
    with at_work(config) as work:
        work.run(office_of(work).myself.remove(_current(stdin=stdin), device, _me(name)))
    say(f"removed {device}; your sessions end")


@app.command("recovery-codes", **COMMAND)
def recovery_codes(name: UserName, config: ConfigFile = None, *, stdin: FromStdin = False) -> None:
    """Make new recovery codes and print them, once; each stands in for a code one time. The old ones are void."""
    with at_work(config) as work:
        codes = work.run(office_of(work).myself.recovery_codes(_current(stdin=stdin), _me(name)))
    for code in codes:
        say(code.reveal().decode())


@app.command(**COMMAND)
def channel(name: UserName, chosen: ChannelName, config: ConfigFile = None, *, stdin: FromStdin = False) -> None:
    """Choose where one's codes come from, where the policy allows that: the authenticator, e-mail, text message."""
    with at_work(config) as work:
        work.run(office_of(work).myself.choose_channel(_current(stdin=stdin), chosen, _me(name)))
    say(f"your codes come by {chosen.value}")


@app.command(**COMMAND)
def code(name: UserName, config: ConfigFile = None, *, stdin: FromStdin = False) -> None:
    """Have a code sent, for who has chosen that. It is good once, for a few minutes."""
    from gateway.auth.proofs import Claim  # noqa: PLC0415
    from gateway.policy.proof import Factor  # noqa: PLC0415

    with at_work(config) as work:
        office = office_of(work)
        work.run(office.proofs.prove(Claim(name, _current(stdin=stdin)), frozenset({Factor.PASSWORD}), "code.send"))
        sent = work.run(office.sentcodes.send(_me(name)))
    say(f"a code is on its way by {sent.channel.value} to {sent.hint}: never pass it on")


@app.command("opt-out", **COMMAND)
def opt_out(name: UserName, config: ConfigFile = None, *, stdin: FromStdin = False) -> None:
    """Be told of one's logins no more, and take the risk (SF-11); locks, changes and alerts are told all the same."""
    with at_work(config) as work:
        work.run(office_of(work).myself.opt_out(_current(stdin=stdin), _me(name)))
    say("you are told of your logins no more: a login that was not you will not be told to you")


@app.command("opt-in", **COMMAND)
def opt_in(name: UserName, config: ConfigFile = None) -> None:
    """Be told of each of one's logins again."""
    with at_work(config) as work:
        work.run(office_of(work).myself.opt_in(_me(name)))
    say("you are told of your logins again")


def _current(*, stdin: bool) -> Secret:
    return read_password(None, stdin=stdin, what="current password", twice=False)


def _me(name: str) -> "Actor":
    from gateway.store.ports import Actor  # noqa: PLC0415

    return Actor(name, time.time())


def _show(made: Any, *, as_json: bool) -> None:
    if as_json:
        print_json(fields_of(made))
    else:
        show_key(made)
        say(f"It does not count yet: gateway my confirm USER {made.device}")
