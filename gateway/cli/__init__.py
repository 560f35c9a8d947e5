"""The command line: thin over `gateway.auth` and `gateway.app`. `main` is the `gateway` command.

Every command starts quickly: what it needs is imported when it runs, not when `--help` is asked for.
A secret is never an argument (it would stand in the process list and in the shell's history), and every failure is one
line on standard error with an exit code that means something.
"""

from gateway.cli.main import main

__all__ = ["main"]
