"""deploy/rabbitmq/definitions.py: what it writes for the exchange's broker, and what it refuses to write."""

import base64
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "deploy" / "rabbitmq" / "definitions.py"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=False)


def written(*arguments: str) -> dict:
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def permission(definitions: dict, user: str) -> dict:
    return next(one for one in definitions["permissions"] if one["user"] == user)


@pytest.mark.parametrize(
    ("queue", "own"),
    [
        ("m7.broadcastQueue.alice", True),
        ("m7.private.responseQueue.alice.1", True),
        ("m7.broadcastQueue.alice.b", False),
        ("m7.private.responseQueue.alice.b.1", False),
        ("m7.broadcastQueue.alicia", False),
        ("m7-broadcastQueue.alice", False),
        ("xm7.broadcastQueue.alice", False),
        ("m7.backend.requests", False),
        ("amq.default", False),
    ],
)
def test_a_client_has_its_own_queues_and_no_others(queue: str, own: bool) -> None:
    allowed = permission(written("--client", "alice", "--client", "alice.b"), "alice")

    assert bool(re.search(allowed["configure"], queue)) == own
    assert bool(re.search(allowed["read"], queue)) == own
    assert not re.search(allowed["write"], queue)


def test_a_clients_name_is_taken_literally() -> None:
    allowed = permission(written("--client", "a.c"), "a.c")

    assert re.search(allowed["write"], "m7.requestExchange.a.c")
    assert not re.search(allowed["write"], "m7.requestExchange.abc")


def test_only_the_gateways_account_may_speak_for_others_and_it_reads_nothing() -> None:
    definitions = written("--client", "alice")

    assert {one["name"]: one["tags"] for one in definitions["users"]} == {
        "alice": "",
        "gateway": "impersonator",
        "m7-backend": "",
    }
    assert permission(definitions, "gateway")["read"] == permission(definitions, "gateway")["configure"] == "^$"


def test_a_password_is_salted_and_hashed_as_rabbitmq_has_it(tmp_path: Path) -> None:
    file = tmp_path / "passwords"
    file.write_text("alice:a:colon and a space\n")

    users = {one["name"]: one for one in written("--client", "alice", "--passwords", str(file))["users"]}

    raw = base64.b64decode(users["alice"]["password_hash"])
    assert raw[4:] == hashlib.sha256(raw[:4] + b"a:colon and a space").digest()
    assert users["gateway"]["password_hash"] == ""


@pytest.mark.parametrize("names", [["*"], ["a?"], ["{user}"], ["alice", "alice"], ["gateway"], [""]])
def test_names_that_would_reach_further_are_refused(names: list[str]) -> None:
    done = run(*(word for name in names for word in ("--client", name)))

    assert done.returncode == 1
    assert done.stderr.startswith("definitions: ")
    assert done.stdout == ""
