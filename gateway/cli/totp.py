"""`totp`: authenticators. The key is shown once, when it is made, and never again (M7-4)."""

import sys
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.exits import Code, Refusal
from gateway.cli.options import COMMAND, AsJson, ConfigFile, Proof, UserName, new_app
from gateway.cli.output import print_json, say
from gateway.cli.secrets import read_password
from gateway.cli.workplace import Work, at_work
from gateway.core.secret import Secret
from gateway.policy.snapshot import Device

if TYPE_CHECKING:
    from gateway.auth.users import Enrolment

app = new_app("Authenticators for one-time codes (RFC 6238).")


class Algorithm(Enum):
    """The hash of the codes; most authenticator apps know SHA1 only."""

    SHA1 = "SHA1"
    SHA256 = "SHA256"
    SHA512 = "SHA512"


class Digits(Enum):
    """How long a code is."""

    SIX = "6"
    EIGHT = "8"


@app.command(**COMMAND)
def enroll(  # noqa: PLR0913, PLR0917 - one option for each thing an authenticator has
    name: UserName,
    config: ConfigFile = None,
    label: Annotated[str, typer.Option(help="What the user calls it.")] = "authenticator",
    algorithm: Annotated[Algorithm, typer.Option(help="Hash; many apps know SHA1 only.")] = Algorithm.SHA1,
    digits: Annotated[Digits, typer.Option(help="Digits of a code.")] = Digits.SIX,
    period: Annotated[int, typer.Option(help="Seconds a code is shown.", min=5, max=120)] = 30,
    *,
    confirmed: Annotated[bool, typer.Option("--confirmed", help="It counts at once, without a first code.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make an authenticator and show its key, once: the user should be the one who looks.

    It counts from its first good code on: type it here, or give it to `gateway totp confirm` later.
    """
    device = Device("", Secret(b""), algorithm.value, int(digits.value), period, confirmed)
    with at_work(config) as work:
        made = work.run(work.people.enroll(name, device, label, work.actor()))
        if as_json:
            print_json(fields_of(made))
        else:
            show_key(made)
            if not confirmed:
                _first_code(work, name, made.device)


@app.command(**COMMAND)
def confirm(
    name: UserName,
    device: Annotated[str, typer.Argument(help="The authenticator's id.", metavar="DEVICE", show_default=False)],
    config: ConfigFile = None,
    *,
    code_stdin: Annotated[bool, typer.Option("--code-stdin", help="Read the code from standard input.")] = False,
) -> None:
    """Make an authenticator count, by a first code from it."""
    with at_work(config) as work:
        code = read_password(None, stdin=code_stdin, what="code", twice=False)
        work.run(work.people.confirm(name, device, code, work.actor()))
    say(f"confirmed: codes of {device} count for user {name}")


@app.command(**COMMAND)
def reset(name: UserName, config: ConfigFile = None, proof: Proof = "") -> None:
    """Destroy all keys of a user; its sessions are logged out, and it must enroll again."""
    if not proof.strip():
        raise Refusal("say how the person was identified: --proof TEXT", Code.USAGE)
    with at_work(config) as work:
        count = work.run(work.people.reset(name, work.actor(proof)))
    say(f"reset: {count} authenticator{'' if count == 1 else 's'} of user {name} destroyed")


def fields_of(made: "Enrolment") -> dict[str, object]:
    """Return what `--json` prints: the one time that the key is shown."""
    key = {"secret": made.secret.reveal().decode(), "uri": made.uri.reveal().decode()}
    return {"device": made.device, "confirmed": made.confirmed, **key}


def show_key(made: "Enrolment") -> None:
    """Print a new key, with its QR code on a terminal."""
    import segno  # noqa: PLC0415 - only this command draws

    if sys.stdout.isatty():
        segno.make(made.uri.reveal().decode(), error="m").terminal(compact=True)
    key = made.secret.reveal().decode()
    say(f"device  {made.device}")
    say(f"uri     {made.uri.reveal().decode()}")
    say(f"key     {' '.join(key[i : i + 4] for i in range(0, len(key), 4))}")
    say("This is shown once and never again.")


def _first_code(work: Work, name: str, device: str) -> None:
    if not sys.stdin.isatty():
        say(f"It does not count yet: gateway totp confirm {name} {device}")
        return
    code = read_password(None, stdin=False, what="code", twice=False)
    work.run(work.people.confirm(name, device, code, work.actor()))
    say("confirmed: its codes count from now on")
