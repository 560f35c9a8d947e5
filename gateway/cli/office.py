"""Where administrators' commands work: the use-cases over the open store, and proof of who is at the keyboard."""

import secrets
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from gateway.cli.exits import Code, Refusal
from gateway.cli.secrets import read_password
from gateway.cli.workplace import Work, at_work

if TYPE_CHECKING:
    from gateway.auth.office import Office
    from gateway.store.ports import Actor

T = TypeVar("T")
AsAdmin = Annotated[
    str, typer.Option("--as", help="The administrator you are; password and code are asked for.", metavar="NAME")
]
FromStdin = Annotated[
    bool,
    typer.Option("--credentials-stdin", help="Read your password and your code from two lines of standard input."),
]


@dataclass(frozen=True, slots=True)
class Seat:
    """An administrator who has proved who it is."""

    work: Work
    office: "Office"
    by: "Actor"

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Wait for what the office does."""
        return self.work.run(coroutine)


def office_of(work: Work) -> "Office":
    """Return the use-cases over the open store."""
    from gateway.auth.office import Office  # noqa: PLC0415
    from gateway.auth.parts import Parts  # noqa: PLC0415
    from gateway.core.login import Moment  # noqa: PLC0415
    from gateway.credentials import house_of, password_check  # noqa: PLC0415
    from gateway.notifications import post_of  # noqa: PLC0415

    settings = work.configuration.settings
    check = password_check(settings)
    work.closing.callback(check.close)
    parts = Parts(
        store=work.store.logins(node=f"cli:{secrets.token_hex(4)}", policy_of=work.policies),
        passwords=check,
        policy_of=work.policies,
        digest=work.store.vault.credential_digest,
        clock=lambda: Moment(time.monotonic(), time.time()),
    )
    post = post_of(settings, work.store)
    return Office.over(work.store, parts, work.people, house_of(settings), post, post)


def seated(work: Work, name: str, purpose: str, *, stdin: bool, code: bool = True) -> Seat:
    """Prove that the administrator `name` is at the keyboard (TW-2). Raises Denied.

    Without `code` the password alone is proved: the act itself asks for the code, and one is good once.
    """
    from gateway.auth.proofs import Claim  # noqa: PLC0415
    from gateway.policy.proof import BOTH, Factor  # noqa: PLC0415
    from gateway.store.ports import Actor  # noqa: PLC0415

    if not name:
        raise Refusal("say which administrator you are: --as NAME", Code.USAGE)
    password = read_password(None, stdin=stdin, twice=False)
    typed = read_password(None, stdin=stdin, what="code", twice=False) if code else None
    office, factors = office_of(work), BOTH if code else frozenset({Factor.PASSWORD})
    work.run(office.proofs.prove(Claim(name, password, typed), factors, purpose))
    return Seat(work, office, Actor(name, time.time()))


@contextmanager
def at_desk(config: Path | None, name: str, act: str, *, stdin: bool) -> Iterator[Seat]:
    """Open the store, prove that the administrator `name` is at the keyboard, and close it afterwards.

    `act` stands with the proof in the audit record. Raises what `at_work` and `seated` raise.
    """
    with at_work(config) as work:
        yield seated(work, name, f"desk.{act}", stdin=stdin)
