"""The users of the black-box tests, made once with the gateway's own commands and copied into each test's folder.

`trader` has codes of 30 s, `quick` of 5 s (a fresh code is never far), `other` is somebody else. It must not import the
gateway: what an operator types is part of what is tested.
"""

import datetime as dt
import fcntl
import json
import shutil
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyotp

from tests.blackbox.gateway_process import COMMAND

PASSWORD = "correct-Horse-7-battery"
_SETTINGS = """\
[store]
url = "sqlite:///{folder}/gateway.db"
[argon2]
time_cost = 1
memory_cost = 8192
"""
_PEOPLE = {
    "trader": (30, ("ALGO", "ALGO2", "ALGO3", "trader")),
    "quick": (5, ("QUICK",)),
    "other": (30, ("OTHER",)),
    "bare": (0, ("BARE",)),
}


@dataclass(frozen=True)
class Person:
    """A user: `secret` is its TOTP key in base32, `period` its seconds; `bare` has no authenticator."""

    name: str
    secret: str
    period: int
    sender: str

    def code(self, steps: int = 0) -> str:
        """Return the code of now, or of some steps from now."""
        return self._totp().at(dt.datetime.now(dt.UTC), counter_offset=steps)

    def wrong_code(self, number: int = 0) -> str:
        """Return six digits that are no code of these minutes; another number, other digits."""
        near = {self.code(steps) for steps in range(-11, 12)}
        candidates = (digits for digits in (f"{number:03}{tail:03}" for tail in range(40)) if digits not in near)
        return next(candidates)

    def seconds_left(self) -> float:
        """How long the code of now still holds."""
        return self.period - time.time() % self.period

    def algo(self) -> dict[str, Any]:
        """Return what an algorithm must be started with to log in as this user."""
        return {"user": self.name, "password": PASSWORD, "totp_secret": self.secret}

    def _totp(self) -> pyotp.TOTP:
        return pyotp.TOTP(self.secret, interval=self.period)


@dataclass(frozen=True)
class People:
    """Everybody, and the database they are in."""

    folder: Path
    trader: Person
    quick: Person
    other: Person
    bare: Person

    def move_in(self, folder: Path) -> None:
        """Copy the database and its key into a gateway's folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for file in self.folder.glob("gateway.db*"):
            shutil.copy(file, folder / file.name)


def settle(folder: Path) -> People:
    """Make them, or read who was made by another worker of the same test run."""
    folder.mkdir(parents=True, exist_ok=True)
    known = folder / "people.json"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not known.exists():
            (folder / "gateway.toml").write_text(_SETTINGS.replace("{folder}", str(folder)))
            made = {name: asdict(_make(folder, name, *what)) for name, what in _PEOPLE.items()}
            known.write_text(json.dumps(made))
    return People(folder, **{name: Person(**person) for name, person in json.loads(known.read_text()).items()})


def _make(folder: Path, name: str, period: int, senders: tuple[str, ...]) -> Person:
    comp_ids = [option for sender in senders for option in ("--comp-id", sender)]
    _run(folder, "user", "add", name, *comp_ids, "--password-stdin", stdin=PASSWORD + "\n")
    if not period:
        return Person(name, "", 30, senders[0])
    enrolled = _run(folder, "totp", "enroll", name, "--period", str(period), "--confirmed", "--json")
    return Person(name, json.loads(enrolled)["secret"], period, senders[0])


def _run(folder: Path, *arguments: str, stdin: str = "") -> str:
    command = [*COMMAND, *arguments, "--config", str(folder / "gateway.toml")]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
