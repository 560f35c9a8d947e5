"""A wall clock that steps, either way, ends nothing and prolongs nothing: deadlines are monotonic."""

import pytest

from gateway.core import events as ev
from gateway.core.login import Moment
from gateway.core.states import Closed, Passing

from .conversation import play

YEAR = 365 * 86400.0
STEPS = pytest.mark.parametrize("wall", [1000.0 - YEAR, 1000.0 + YEAR], ids=["back", "forth"])
TO_ADMITTING = """
I connected
I client LOGIN alice 123456
E verify alice at main
I judged yes
E dial main
"""
TO_PASSING = TO_ADMITTING + "I dialled\nE send upstream LOGIN alice\nI upstream OK\nE send client OK\nE pipe\n"


@STEPS
@pytest.mark.parametrize("before", ["I connected", TO_ADMITTING, TO_PASSING], ids=["waiting", "admitting", "passing"])
def test_a_clock_step_ends_nothing(before, wall):
    session = play(before)
    state = type(session.state)

    assert session.handle(ev.Ticked(), Moment(1001.0, wall)) == []
    assert type(session.state) is state


@STEPS
@pytest.mark.req("SF-9", "SF-10")
def test_a_clock_step_keeps_no_session_alive(wall):
    session = play(TO_PASSING)

    session.handle(ev.Ticked(business=True), Moment(1010.0, wall))
    assert isinstance(session.state, Passing)
    session.handle(ev.Ticked(), Moment(1041.0, wall))
    assert not isinstance(session.state, Passing)


@STEPS
def test_a_clock_step_gives_a_slow_login_no_more_time(wall):
    session = play("I connected")

    session.handle(ev.Ticked(), Moment(1011.0, wall))
    assert isinstance(session.state, Closed)
