import pytest

from gateway.core.login import Login
from gateway.core.route import Route, find_route


def login(target="EXCH", version="FIX.4.4", user="alice"):
    return Login("fix", user, "ALGO", target, version)


ROUTES = [
    Route("old", ("a:1",), version="FIX.4.2"),
    Route("desk", ("b:1",), target="EXCH", user="desk-*"),
    Route("main", ("c:1", "c:2"), target="EXCH"),
]


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        ("old", login(version="FIX.4.2")),
        ("desk", login(user="desk-7")),
        ("main", login()),
    ],
)
def test_the_first_route_that_fits_takes_the_login(expected, found):
    assert find_route(ROUTES, found).name == expected


def test_no_route_takes_what_none_names():
    assert find_route(ROUTES, login(target="OTHER")) is None


def test_patterns_are_case_sensitive_as_comp_ids_are():
    assert find_route([Route("r", ("a:1",), target="exch")], login()) is None


def test_a_login_can_not_widen_its_own_match_with_wildcards():
    assert find_route([Route("r", ("a:1",), user="alice")], login(user="*")) is None
