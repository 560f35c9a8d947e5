"""`gateway compliance` as it is typed: formats, profiles, exit codes, and the file it writes."""

import sqlite3
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

pytestmark = pytest.mark.req("BY-9")


def rows(done) -> dict:
    return {row["row"]: row for row in done.data["rows"]}


def test_the_configured_profile_is_reported_and_a_deviation_ends_with_1(gateway, trader):
    done = gateway("compliance", "--format", "json")

    assert (done.code, done.data["profile"], done.data["deviates"]) == (1, "default", True)
    assert rows(done)["TW-4"]["verdict"] == "deviating"  # the listener is plain
    assert "deviating in" in done.err
    assert done.err.count("\n") == 1


def test_an_installation_that_holds_its_profile_ends_with_0(gateway, trader):
    Path("gateway.toml").write_text('profile = "hkex"\n' + Path("gateway.toml").read_text())

    done = gateway("compliance", "--profile", "hkex")

    assert done.code == 0, done.err
    assert "NOT BUILT YET" in done.out
    assert "0 deviating" in done.out


def test_another_profile_can_be_asked_for(gateway, trader):
    found = rows(gateway("compliance", "--profile", "m7-6.16", "--format", "json"))

    assert found["M7-8"]["verdict"] == "deviating"
    assert found["M7-8"]["settings"] == {"totp.window": "1"}


def test_a_profile_that_is_not_there_is_wrong_usage(gateway):
    done = gateway("compliance", "--profile", "nope")

    assert (done.code, "there is no 'nope'" in done.err) == (2, True)


def test_what_is_not_applicable_and_what_is_not_built_are_said_so(gateway):
    found = rows(gateway("compliance", "--profile", "sfc-vatp", "--format", "json"))

    assert found["SF-21"]["verdict"] == "not applicable"
    assert found["SF-14"]["verdict"] == "not built yet"
    assert found["SF-14"]["why"]


def test_html_goes_into_a_file_of_its_own(gateway, trader):
    done = gateway("compliance", "--format", "html", "--output", "report.html")

    text = Path("report.html").read_text()
    assert done.out == ""
    assert ET.fromstring(text.removeprefix("<!DOCTYPE html>\n")).tag == "html"
    assert Path("report.html").stat().st_mode & 0o777 == 0o600


@pytest.mark.req("BY-6")
def test_a_tampered_record_is_a_deviation(gateway, trader):
    before = rows(gateway("compliance", "--profile", "hkex", "--format", "json"))["BY-6"]
    with sqlite3.connect("gateway.db") as database:
        database.execute("delete from audit where seq = 1")

    done = gateway("compliance", "--profile", "hkex", "--format", "json")

    assert before["verdict"] != "deviating"
    assert (done.code, rows(done)["BY-6"]["verdict"]) == (1, "deviating")
