"""Administrators and links from the command line, over a real SQLite store."""

import sqlite3
import time

import pytest

from tests.unit.cli.officers import finish


@pytest.mark.req("TW-2", "SF-13")
def test_the_first_administrator_comes_by_a_link_that_works_once(gateway):
    made = gateway("admin", "bootstrap", "root1", "--json")
    assert made.code == 0, made.err
    opened = gateway("link", "open", "--stdin", "--json", stdin=f"{made.data['url']}\n")
    assert (opened.data["user"], opened.data["asks"], opened.data["sets"]) == ("root1", [], ["code", "password"])

    finish(gateway, made.data["url"])

    again = gateway("link", "open", "--stdin", stdin=f"{made.data['url']}\n")
    assert (again.code, "not good" in again.err) == (3, True)
    (admin,) = gateway("admin", "list", "--json").data
    assert (admin["name"], admin["role"], admin["now"]) == ("root1", "exchange_admin", "exchange_admin")
    assert admin["until"] == pytest.approx(time.time() + 90 * 86400, abs=600)


@pytest.mark.req("TW-2")
def test_there_is_no_administrator_before(gateway):
    assert gateway("admin", "list", "--json").data == []


@pytest.mark.req("TW-10")
def test_a_links_token_is_not_in_the_store(gateway):
    made = gateway("admin", "bootstrap", "root1", "--json")
    token = made.data["url"].rpartition("/")[2]
    (rows,) = sqlite3.connect("gateway.db").execute("select count(*) from links").fetchone()
    dump = "\n".join(sqlite3.connect("gateway.db").iterdump())
    assert (rows, token in dump) == (1, False)


@pytest.mark.req("SF-13")
def test_a_role_can_be_ended_at_once_and_not_begin_without_an_end(gateway):
    finish(gateway, gateway("admin", "bootstrap", "root1", "--json").data["url"])
    late = gateway("admin", "bootstrap", "root2", "--until", "2099-01-01")
    assert (late.code, "366 days" in late.err) == (1, True)
    assert gateway("admin", "end", "root1", "--proof", "left the firm").code == 0
    assert gateway("admin", "list", "--json").data == []


@pytest.mark.req("CQ-5", "HK-3")
def test_a_user_is_set_up_by_a_link(gateway):
    gateway("user", "add", "maker", "--password-stdin", "--must-change", stdin="Correct-Horse-9\n")
    made = gateway("link", "setup", "maker", "--json")
    finish(gateway, made.data["url"], "Another-Horse-8")
    shown = gateway("user", "show", "maker", "--json").data
    assert (shown["enrolled"], shown["must_change"]) == (True, False)
    assert gateway("link", "setup", "maker").code == 1
