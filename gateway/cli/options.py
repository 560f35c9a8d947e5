"""Options that several commands share."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.exits import EPILOG

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", help="Configuration file; else GATEWAY_CONFIG, else ./gateway.toml.", show_default=False
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
UserName = Annotated[str, typer.Argument(help="The user's name.", metavar="USER", show_default=False)]
Proof = Annotated[
    str, typer.Option(help="How the person was identified; goes into the audit record (TW-5).", show_default=False)
]


def new_app(words: str) -> typer.Typer:
    """Return a group of commands that shows its help when called without one."""
    return typer.Typer(
        help=words, epilog=EPILOG, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
    )


COMMAND: dict[str, Any] = {"epilog": EPILOG}
