"""Alerts at the command line. They are raised by what administrators prove there: a code that is given twice."""

import pytest

PASSWORD = "Correct-Horse-9"


@pytest.mark.req("BY-8", "SF-20")
def test_a_replayed_code_is_listed_and_acknowledged(gateway, trader, admins, wall, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert gateway("alerts", "list").out == "no alerts\n"
    typed = f"{PASSWORD}\n{admins['root1'].next(wall)}\n"
    how = ("request", "list", "--as", "root1", "--credentials-stdin")
    assert [gateway(*how, stdin=typed).code for _ in range(2)] == [0, 1]

    (alert,) = gateway("alerts", "list", "--json").data
    assert (alert["rule"], alert["subject"], alert["count"], alert["acknowledged"]) == ("replay", "root1", 1, None)
    table = gateway("alerts", "list").out
    assert alert["id"] in table
    assert "replay" in table

    done = gateway("alerts", "acknowledge", alert["id"])
    assert (done.code, done.out) == (0, "acknowledged: replay of root1, 1 times\n")
    assert gateway("alerts", "list", "--json").data == []
    (kept,) = gateway("alerts", "list", "--all", "--json").data
    assert kept["acknowledged_by"].startswith("cli:")


def test_an_alert_is_acknowledged_once_and_must_exist(gateway, trader, admins, wall):
    typed = f"{PASSWORD}\n{admins['root1'].next(wall)}\n"
    for _ in range(2):
        gateway("request", "list", "--as", "root1", "--credentials-stdin", stdin=typed)
    alert = gateway("alerts", "list", "--json").data[0]["id"]
    assert gateway("alerts", "acknowledge", alert, "--json").data["id"] == alert
    assert gateway("alerts", "acknowledge", alert).code == 1
    assert gateway("alerts", "acknowledge", "none").code == 3
