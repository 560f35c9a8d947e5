"""The command line in this process, in a folder of its own with a real SQLite store."""

import io
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.main import main
from tests.unit.cli.officers import Codes, Wall, finish

CONFIG = """
[store]
url = "sqlite:///gateway.db"
[argon2]
time_cost = 1
memory_cost = 8192
[[listener]]
name = "fix"
plain = true
[[route]]
name = "engine"
plain = true
upstream = ["127.0.0.1:9880"]
"""


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


Gateway = Callable[..., Done]


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Gateway:
    monkeypatch.chdir(tmp_path)
    Path("gateway.toml").write_text(CONFIG)

    def run(*arguments: str, stdin: str = "") -> Done:
        monkeypatch.setattr(sys, "argv", ["gateway", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return Done(int(ended.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture
def trader(gateway: Gateway) -> str:
    assert (
        gateway("user", "add", "trader", "--comp-id", "ALGO", "--password-stdin", stdin="Correct-Horse-9\n").code == 0
    )
    return "trader"


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    """The wall clock, which goes on to the next code when one is needed."""
    clock = Wall()
    monkeypatch.setattr(time, "time", clock)
    return clock


@pytest.fixture
def admins(gateway, wall) -> dict[str, Codes]:
    return {
        name: Codes(finish(gateway, gateway("admin", "bootstrap", name, "--json").data["url"]))
        for name in ("root1", "root2")
    }
