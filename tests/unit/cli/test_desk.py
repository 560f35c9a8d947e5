"""Delegated administration at the command line: each act proved anew, and nobody goes beyond its firm (HK-6)."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.core.reason import Reason
from gateway.store.audit import Event
from tests.unit.cli.conftest import Done
from tests.unit.cli.officers import Codes

PASSWORD = "Correct-Horse-9"
At = Callable[..., Done]


@pytest.fixture
def at(gateway, admins, wall) -> At:
    """`at("root1", "list")`: `gateway desk list` by root1, who proves it; acme1 is ACME's, zen1 ZEN's, eye an auditor."""
    keys = dict(admins)

    def typed(name: str) -> str:
        return f"{PASSWORD}\n{keys[name].next(wall)}\n"

    def run(name: str, *arguments: str, group: str = "desk") -> Done:
        return gateway(group, *arguments, "--as", name, "--credentials-stdin", stdin=typed(name))

    day = time.strftime("%Y-%m-%d", time.gmtime(wall.now + 9 * 86400))
    for name, firm, role in (
        ("acme1", "ACME", "delegated_admin"), ("zen1", "ZEN", "delegated_admin"), ("eye", "", "auditor")
    ):  # fmt: skip
        hired = gateway("user", "add", name, "--organisation", firm, "--password-stdin", stdin=f"{PASSWORD}\n")
        assert hired.code == 0, hired.err
        keys[name] = Codes(gateway("totp", "enroll", name, "--confirmed", "--json").data["secret"])
        what = ("make", "change_role", name, "--role", role, "--until", day, "--why", "new", "--json")
        made = run("root1", *what, group="request")
        assert made.code == 0, made.err
        assert run("root2", "approve", made.data["id"], group="request").code == 0
    for name, firm in (("tom", "ACME"), ("tina", "ZEN")):
        assert gateway("user", "add", name, "--organisation", firm, "--password-stdin", stdin=f"{PASSWORD}\n").code == 0
    return run


def names(done: Done) -> list[str]:
    assert done.code == 0, done.err
    return [one["name"] for one in done.data]


@pytest.mark.req("HK-6", "HK-7")
def test_an_administrator_sees_its_own_firms_users_and_the_exchange_sees_all(at: At):
    assert names(at("acme1", "list", "--json")) == ["acme1", "tom"]
    assert names(at("root1", "list", "--json", "--search", "ZEN")) == ["tina", "zen1"]
    assert names(at("eye", "list", "--json", "--only", "unfinished")) == ["tina", "tom"]
    assert "tom" in at("acme1", "list").out


@pytest.mark.req("HK-6")
@pytest.mark.parametrize(
    "command",
    [
        ("show", "tina"), ("history", "tina"), ("disable", "tina"), ("enable", "tina"), ("setup-link", "tina"),
        ("unlock", "tina", "--proof", "called"), ("change", "tina", "--valid-until", "2030-01-01"),
        ("sessions", "--user", "tina"),
    ],
    ids=lambda command: command[0],
)  # fmt: skip
def test_another_firms_user_is_not_there_for_it(at: At, command: tuple[str, ...]):
    done = at("acme1", *command)
    assert (done.code, done.err) == (3, "gateway: there is no user called 'tina'\n")


@pytest.mark.req("CQ-5", "CQ-6", "HK-6")
def test_a_firm_takes_somebody_on_who_sets_itself_up_by_the_link(at: At, gateway, wall):
    added = at("acme1", "add", "new", "--email", "new@acme.example", "--comp-id", "new", "--json")
    assert (added.code, added.data["organisation"], added.data["enrolled"]) == (0, "ACME", False)
    assert "new" in names(at("acme1", "list", "--only", "unfinished", "--json"))

    letter = at("acme1", "setup-link", "new", "--json")

    opened = gateway("link", "open", "--stdin", "--json", stdin=f"{letter.data['url']}\n")
    assert (opened.data["user"], opened.data["sets"]) == ("new", ["code", "password"])
    foreign = at("acme1", "add", "spy", "--organisation", "ZEN")
    assert (foreign.code, foreign.err) == (1, "gateway: that belongs to another organisation\n")
    bound = at("acme1", "add", "spy", "--comp-id", "ZEN-ALGO")
    assert (bound.code, bound.err) == (1, "gateway: this role may not do that\n")


@pytest.mark.req("HK-7", "TW-5")
def test_a_user_is_changed_disabled_enabled_and_unlocked_and_the_record_says_by_whom(at: At, gateway):
    changed = at("acme1", "change", "tom", "--valid-until", "2030-01-01", "--json")
    assert (changed.code, changed.data["valid_until"]) == (0, 1893456000.0)
    assert at("acme1", "disable", "tom").out == "disabled user tom; its sessions end\n"
    assert at("root1", "enable", "tom").code == 0
    bare = at("acme1", "unlock", "tom")
    assert (bare.code, "--proof" in bare.err) == (2, True)
    assert at("acme1", "unlock", "tom", "--proof", "called back").code == 0
    moved = at("acme1", "change", "tom", "--organisation", "ZEN")
    assert (moved.code, moved.err) == (1, "gateway: that belongs to another organisation\n")
    assert gateway("user", "show", "tom", "--json").data["enabled"] is True
    assert gateway("audit", "verify").code == 0


@pytest.mark.req("HK-9")
def test_the_exchange_makes_a_group_and_a_firm_puts_its_users_into_its_own(at: At):
    assert at("root1", "set-group", "algos", "--route", "engine", "--organisation", "ACME").code == 0
    assert at("root1", "set-group", "all", "--route", "engine").code == 0
    assert at("acme1", "set-group", "mine", "--route", "engine").code == 1

    assert names(at("acme1", "groups", "--json")) == ["algos"]
    joined = at("acme1", "change", "tom", "--join", "algos", "--json")
    assert joined.data["groups"] == ["algos"]
    left = at("acme1", "change", "tom", "--leave", "algos", "--json")
    assert (left.code, "without its last group" in left.err) == (1, True)
    assert at("root1", "change", "tom", "--route", "engine").code == 0
    left = at("acme1", "change", "tom", "--leave", "algos", "--json")
    assert (left.data["groups"], left.data["routes"]) == ([], ["engine"])
    assert at("acme1", "change", "tom", "--join", "all").code == 1


@pytest.mark.req("HK-8", "HK-6")
def test_a_firm_imports_its_own_people_and_no_others(at: At):
    Path("people.csv").write_text("user,organisation\nnew1,ACME\nnew2,ZEN\n")
    faulty = at("acme1", "import", "people.csv")
    assert (faulty.code, faulty.err.splitlines()[0]) == (
        1, "people.csv:3: belongs to another organisation than 'ACME'"
    )  # fmt: skip
    dry = at("acme1", "import", "people.csv", "--partial", "--dry-run")
    assert dry.out == "1 users and 0 authenticators would be imported; 1 faults left out\n"
    assert names(at("acme1", "list", "--json")) == ["acme1", "tom"]
    assert at("acme1", "import", "people.csv", "--partial").code == 0
    assert names(at("acme1", "list", "--json")) == ["acme1", "new1", "tom"]


@pytest.mark.req("TW-2", "HK-6")
def test_without_password_and_code_of_an_administrator_nothing_is_shown_or_done(at: At, gateway):
    nobody = gateway("desk", "list")
    assert (nobody.code, "--as NAME" in nobody.err) == (2, True)
    wrong = gateway("desk", "list", "--as", "root1", "--credentials-stdin", stdin=f"{PASSWORD}\n000000\n")
    assert (wrong.code, wrong.out) == (1, "")
    assert wrong.err.startswith("gateway: Login refused: check user, password and one-time code")
    user = gateway("desk", "disable", "tina", "--as", "tom", "--credentials-stdin", stdin=f"{PASSWORD}\n000000\n")
    assert (user.code, user.out) == (1, "")
    auditor = at("eye", "disable", "tom")
    assert (auditor.code, auditor.err) == (1, "gateway: this role may not do that\n")
    himself = at("acme1", "disable", "acme1")
    assert (himself.code, himself.err) == (1, "gateway: nobody administers himself\n")


@pytest.mark.req("TW-12", "HK-7")
def test_logins_are_listed_newest_first_for_oneself_and_for_the_administrator(at: At, gateway):
    for code in ("000000", "111111"):
        refused = gateway("desk", "list", "--as", "tom", "--credentials-stdin", stdin=f"{PASSWORD}\n{code}\n")
        assert refused.code == 1

    mine = gateway("my", "history", "tom", "--json").data
    theirs = at("acme1", "history", "tom", "--json").data

    assert mine == theirs
    assert [(one["event"], one["why"]) for one in mine] == [
        (Event.PROOF_REFUSED.value, Reason(one["reason"]).meaning) for one in mine
    ]  # fmt: skip
    assert [one["seq"] for one in mine] == sorted((one["seq"] for one in mine), reverse=True)
    (older,) = gateway("my", "history", "tom", "--json", "--before", str(mine[0]["seq"]), "--limit", "1").data
    assert older == mine[1]
    assert f"\n{mine[0]['seq']} " in gateway("my", "history", "tom").out
    assert gateway("my", "history", "tina").out == "no logins\n"


@pytest.mark.req("TW-12")
def test_sessions_and_alerts_have_nothing_in_them_for_a_quiet_firm(at: At):
    assert at("acme1", "sessions").out == "nobody is logged in\n"
    assert at("acme1", "alerts").out == "no alerts\n"
    gone = at("root1", "end-session", "nowhere")
    assert gone.code == 3
    assert at("root1", "acknowledge", "nothing").code == 3
