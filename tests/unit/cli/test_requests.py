"""Two administrators at the command line: one asks, the other one approves."""

import time

import pytest

PASSWORD = "Correct-Horse-9"


@pytest.mark.req("HK-6", "SF-13", "TW-2")
def test_a_role_is_asked_for_by_one_and_approved_by_the_other(gateway, trader, admins, wall):
    def typed(name: str) -> str:
        return f"{PASSWORD}\n{admins[name].next(wall)}\n"

    what = ("request", "make", "change_role", trader, "--role", "auditor", "--until")
    day = time.strftime("%Y-%m-%d", time.gmtime(wall.now + 9 * 86400))
    made = gateway(*what, day, "--why", "audit", "--as", "root1", "--credentials-stdin", "--json", stdin=typed("root1"))
    assert made.code == 0, made.err
    own = gateway("request", "approve", made.data["id"], "--as", "root1", "--credentials-stdin", stdin=typed("root1"))
    assert (own.code, own.err) == (1, "gateway: nobody administers himself\n")
    listed = gateway("request", "list", "--as", "root2", "--credentials-stdin", "--json", stdin=typed("root2"))
    assert [one["id"] for one in listed.data] == [made.data["id"]]

    done = gateway("request", "approve", made.data["id"], "--as", "root2", "--credentials-stdin", stdin=typed("root2"))

    assert done.code == 0, done.err
    assert [one["name"] for one in gateway("admin", "list", "--json").data] == ["root1", "root2", trader]


@pytest.mark.req("HK-6")
def test_a_reset_prints_the_setup_link_once(gateway, trader, admins, wall):
    def typed(name: str) -> str:
        return f"{PASSWORD}\n{admins[name].next(wall)}\n"

    made = gateway("request", "make", "reset_password", trader, "--why", "called", "--as", "root1",
                   "--credentials-stdin", "--json", stdin=typed("root1"))  # fmt: skip
    done = gateway("request", "approve", made.data["id"], "--as", "root2", "--credentials-stdin", stdin=typed("root2"))

    assert "setup link" in done.out
    url = done.out.split()[-1]
    assert gateway("link", "open", "--stdin", "--json", stdin=f"{url}\n").data["user"] == trader


@pytest.mark.req("TW-2")
def test_nobody_asks_without_being_somebody(gateway, trader, admins):
    assert gateway("request", "list").code == 2
    wrong = gateway("request", "list", "--as", "root1", "--credentials-stdin", stdin=f"{PASSWORD}\n000000\n")
    assert (wrong.code, "check user, password and one-time code" in wrong.err) == (1, True)


def test_a_role_without_an_end_is_refused(gateway, trader):
    done = gateway("request", "make", "change_role", trader, "--role", "auditor", "--as", "x", "--why", "y")
    assert (done.code, "SF-13" in done.err) == (2, True)
