import pytest


@pytest.mark.req("HK-9")
def test_a_user_joins_and_leaves_a_group(gateway, trader):
    assert gateway("group", "set", "desk", "--route", "engine", "--organisation", "ACME").code == 0
    assert gateway("group", "list", "--json").data == [{"name": "desk", "organisation": "ACME", "routes": ["engine"]}]
    assert gateway("group", "join", "desk", trader).code == 0
    assert gateway("user", "show", trader, "--json").data["groups"] == ["desk"]
    assert gateway("group", "join", "ghost", trader).code == 3

    alone = gateway("group", "leave", "desk", trader)

    assert (alone.code, "every route" in alone.err) == (1, True)
    assert gateway("group", "remove", "desk").code == 1
