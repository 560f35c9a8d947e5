"""docs/people.md is run as it is printed: every command in its order, each with the proof that it asks for."""

import calendar
import re
import shlex
from pathlib import Path

import pytest

from gateway.policy.snapshot import User
from gateway.settings import load
from tests.unit.cli.conftest import Done, Gateway
from tests.unit.cli.officers import Codes, Wall

GUIDE = Path(__file__).resolve().parents[3] / "docs/people.md"
PASSWORD = "Correct-Horse-9"
WRITTEN = calendar.timegm((2026, 12, 1, 12, 0, 0))
"""The day on which the dates in it make sense."""
NOT_THERE = {("desk", "end-session"): "there is no session", ("desk", "acknowledge"): "there is no alert"}
"""Nobody is logged in, and nothing was detected: these say so."""


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)


COMMANDS = [line for block in blocks("sh") for line in block.splitlines() if line]


class Reader:
    """Somebody who types what the guide says, opens the links that are shown, and proves who it is."""

    def __init__(self, gateway: Gateway, wall: Wall) -> None:
        self.gateway = gateway
        self.wall = wall
        self.codes: dict[str, Codes] = {}
        self.request = ""
        self.urls: list[str] = []

    def types(self, line: str) -> Done:
        words = shlex.split(line, comments=True)[1:]
        words = [self.request if word == "REQUEST" else word for word in words]
        typed = ""
        if "--as" in words:
            words.append("--credentials-stdin")
            typed = self._proof(words[words.index("--as") + 1])
        elif words[0] == "link":
            words.append("--stdin")
            typed = f"{self.urls[0]}\n"
        return self._run(words, typed)

    def _run(self, words: list[str], typed: str) -> Done:
        match words:
            case ["link", "finish", *_]:
                self._finish()
                return Done(0, "", "")
            case ["link", "enroll", *_]:
                return self._enrolled(self.gateway(*words, "--json", stdin=typed))
            case ["admin", "bootstrap", *_] | ["desk", "setup-link", *_]:
                return self._shown_a_link(self.gateway(*words, "--json", stdin=typed))
            case ["request", "make", *_]:
                done = self.gateway(*words, "--json", stdin=typed)
                self.request = done.data["id"] if done.code == 0 else ""
                return done
        return self.gateway(*words, stdin=typed)

    def _proof(self, name: str) -> str:
        return f"{PASSWORD}\n{self.codes[name].next(self.wall)}\n"

    def _shown_a_link(self, done: Done) -> Done:
        if done.code == 0:
            self.urls.append(done.data["url"])
        return done

    def _enrolled(self, done: Done) -> Done:
        """Keep the key of the first link that waits; `_finish` sees to the others."""
        if done.code == 0:
            opened = self.gateway("link", "open", "--stdin", "--json", stdin=f"{self.urls[0]}\n")
            self.codes[opened.data["user"]] = Codes(done.data["secret"])
        return done

    def _finish(self) -> None:
        """Finish what was begun, and the other links that wait: the guide says it once for both administrators."""
        for url in self.urls:
            name = self.gateway("link", "open", "--stdin", "--json", stdin=f"{url}\n").data["user"]
            if name not in self.codes:
                begun = self.gateway("link", "enroll", "--stdin", "--json", stdin=f"{url}\n")
                self.codes[name] = Codes(begun.data["secret"])
            code = self.codes[name].next(self.wall)
            done = self.gateway("link", "finish", "--stdin", stdin=f"{url}\n{PASSWORD}\n{code}\n")
            assert done.code == 0, done.err
        self.urls.clear()


@pytest.mark.req("HK-6", "HK-7", "CQ-5", "CQ-6", "CQ-8", "TW-5", "TW-12")
def test_every_command_in_the_guide_does_what_it_says(gateway, wall):
    wall.now = float(WRITTEN)
    with Path("gateway.toml").open("a") as file:
        file.write("\n".join(blocks("toml")))
    Path("people.csv").write_text("user,email\nbob,bob@acme.example\neve,eve@acme.example\n")
    reader = Reader(gateway, wall)

    said = [(line, reader.types(line)) for line in COMMANDS]

    for line, done in said:
        missing = NOT_THERE.get(tuple(shlex.split(line, comments=True)[1:3]))
        assert done.code == (3 if missing else 0), f"{line}\n{done.out}\n{done.err}"
        assert (missing or "") in done.err, line
    everybody = {one["name"]: one for one in gateway("user", "list", "--json").data}
    assert set(everybody) == {"root1", "root2", "acme1", "ann", "bob", "eve"}
    assert {everybody[name]["organisation"] for name in ("acme1", "ann", "bob", "eve")} == {"ACME"}
    ann = everybody["ann"]
    assert (ann["comp_ids"], ann["groups"], ann["email"]) == (["ACME-ALGO1"], [], "ann@acme.example")
    assert everybody["acme1"]["role"] == "delegated_admin"
    assert (
        gateway("request", "list", "--as", "root2", "--credentials-stdin", "--json", stdin=reader._proof("root2")).data
        == []
    )
    assert gateway("audit", "verify").code == 0


@pytest.mark.req("CQ-8", "CQ-5")
def test_the_terms_in_the_guide_are_what_it_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (block,) = blocks("toml")
    Path("gateway.toml").write_text(block)

    found = load()

    policies = found.policies
    acme = policies(User("", "ann", "ACME"))
    assert (acme.sessions.idle, acme.lockout.threshold, acme.password.max_age) == (600, 3, 60 * 86400)
    assert policies.house.sessions.idle != 600
    assert found.settings.organisation[0].setup_link == 86400


def test_the_guide_shows_every_command_of_the_desk():
    from gateway.cli.desk import COMMANDS as DESK

    shown = {shlex.split(line, comments=True)[2] for line in COMMANDS if line.startswith("gateway desk ")}
    assert shown == set(DESK)
