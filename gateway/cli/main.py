"""The commands and their names; what each does is in the file of its subject."""

import sys
from typing import Annotated, NoReturn

import typer

from gateway.cli.admins import app as admins
from gateway.cli.alerts import app as alerts
from gateway.cli.attach import attach
from gateway.cli.audit import app as audit
from gateway.cli.backup import backup, restore
from gateway.cli.bill import sbom
from gateway.cli.compliance import compliance
from gateway.cli.desk import app as desk
from gateway.cli.doctor import doctor
from gateway.cli.exits import Code, Refusal, code_of, fail
from gateway.cli.groups import app as groups
from gateway.cli.intake import import_file
from gateway.cli.keys import app as keys
from gateway.cli.links import app as links
from gateway.cli.loading import loading
from gateway.cli.myself import app as myself
from gateway.cli.notify import app as notify
from gateway.cli.options import COMMAND, AsJson, ConfigFile, new_app
from gateway.cli.requests import app as requests
from gateway.cli.sessions import kick, sessions
from gateway.cli.totp import app as totp
from gateway.cli.users import app as users

app = new_app("A login-session gateway for order entry.")
app.add_typer(users, name="user")
users.command("import", **COMMAND)(import_file)
app.add_typer(totp, name="totp")
app.add_typer(admins, name="admin")
app.add_typer(links, name="link")
app.add_typer(requests, name="request")
app.add_typer(desk, name="desk")
app.add_typer(myself, name="my")
app.add_typer(groups, name="group")
app.add_typer(alerts, name="alerts")
app.add_typer(audit, name="audit")
app.add_typer(keys, name="keys")
app.add_typer(notify, name="notify")
app.command("backup", **COMMAND)(backup)
app.command("restore", **COMMAND)(restore)
app.command("sessions", **COMMAND)(sessions)
app.command("kick", **COMMAND)(kick)
app.command("compliance", **COMMAND)(compliance)
app.command("doctor", **COMMAND)(doctor)
app.command("attach", **COMMAND)(attach)
app.command("sbom", **COMMAND)(sbom)


@app.command(**COMMAND)
def serve(
    config: ConfigFile = None,
    workers: Annotated[
        int | None, typer.Option(help="Proxy processes, over the configuration's.", min=1, max=256)
    ] = None,
) -> None:
    """Serve until SIGTERM or SIGINT: new connections are refused then, live sessions may end by themselves for a while."""
    with loading():
        from gateway.app import serve as run  # noqa: PLC0415 - only this command serves
        from gateway.settings import load  # noqa: PLC0415

    raise SystemExit(run(load(config, {"workers": workers} if workers else None, serving=True)))


@app.command(**COMMAND)
def portal(config: ConfigFile = None) -> None:
    """Serve the portal alone until SIGTERM or SIGINT, where portal.process = "own"."""
    with loading():
        from gateway.app import serve_portal  # noqa: PLC0415 - only this command serves it
        from gateway.settings import load  # noqa: PLC0415

    configuration = load(config)
    if configuration.settings.portal.address == "off" or configuration.settings.portal.process != "own":
        raise Refusal('the portal is not to run here: set portal.address and portal.process = "own"', Code.USAGE)
    raise SystemExit(serve_portal(configuration))


@app.command("check-config", **COMMAND)
def check_config(config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """Read the configuration as `serve` would, and say everything that is wrong with it."""
    from gateway.cli.check import check  # noqa: PLC0415 - reads the whole settings model

    check(config, as_json=as_json)


@app.command(**COMMAND)
def version(*, as_json: AsJson = False) -> None:
    """Print the version of the gateway and of what it stands on."""
    from gateway.cli.check import versions  # noqa: PLC0415

    versions(as_json=as_json)


def main() -> NoReturn:
    """Run the command line; ends the process."""
    try:
        app(prog_name="gateway")
    except KeyboardInterrupt:
        fail("interrupted", Code.INTERRUPTED)
    except BrokenPipeError:  # the reader of our output has seen enough
        sys.stderr.close()
        raise SystemExit(Code.OK) from None
    except Exception as error:
        code = code_of(error)
        if code is None:
            raise
        fail(str(error), code)
    raise SystemExit(Code.OK)
