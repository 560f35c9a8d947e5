"""Makes many users at once: `python -m tests.blackbox.amqp_crowd CONFIG NAME...`.

It is the gateway's own command, `user add`, called once for each in one process: fifty starts of Python take half a minute.
"""

import io
import sys

from gateway.cli.main import app
from tests.blackbox.people import PASSWORD


def main(config: str, *names: str) -> None:
    for name in names:
        sys.stdin = io.TextIOWrapper(io.BytesIO(f"{PASSWORD}\n".encode()))
        app(["user", "add", name, "--password-stdin", "--config", config], standalone_mode=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
