"""How a secret gets in: asked for without echo, from a file, or from standard input. Never from an argument."""

import getpass
import sys
from pathlib import Path

from gateway.cli.exits import Code, Refusal
from gateway.core.secret import Secret


def read_password(file: Path | None, *, stdin: bool, what: str = "password", twice: bool = True) -> Secret:
    """Return the password from `file`, else from the first line of standard input, else from the terminal."""
    if file is not None and stdin:
        raise Refusal(f"give either --{what}-file or --{what}-stdin", Code.USAGE)
    if file is not None:
        return _filled(file.read_text().partition("\n")[0].removesuffix("\r"), str(file))
    if stdin:
        return _filled(sys.stdin.readline().rstrip("\r\n"), "standard input")
    if not sys.stdin.isatty():
        raise Refusal(f"no terminal to ask for the {what}: give --{what}-file or --{what}-stdin", Code.USAGE)
    first = getpass.getpass(f"{what.capitalize()}: ")
    if twice and getpass.getpass(f"{what.capitalize()} again: ") != first:
        raise Refusal("the two are not the same", Code.USAGE)
    return _filled(first, "the terminal")


def _filled(text: str, source: str) -> Secret:
    if not text:
        raise Refusal(f"the password from {source} is empty", Code.USAGE)
    return Secret(text)
