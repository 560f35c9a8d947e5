"""When a Logon may go: a code once, first come first served, and not before a refusal's time is over (BY-10)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.attach.turns import JITTER, LONGEST_MISS, LONGEST_PAUSE, Turns
from gateway.core.login import Moment

START = 1_000_000 * 30.0
"""The beginning of a step of 30 s; its edge is 1 s."""


def at(seconds: float) -> Moment:
    return Moment(5000.0 + seconds, START + seconds)


def later(now: Moment, seconds: float) -> Moment:
    return Moment(now.mono + seconds, now.wall + seconds)


@pytest.mark.req("BY-10")
def test_the_first_goes_at_once():
    assert Turns(30).wait("a", at(10)) == 0.0


@pytest.mark.req("BY-10")
def test_a_code_is_used_once_and_the_next_waits_for_the_next_step():
    turns = Turns(30)
    turns.wait("a", at(10))
    turns.take("a", at(10))

    assert turns.wait("b", at(12)) == 30 + 1 - 12


@pytest.mark.req("BY-10")
def test_no_code_goes_at_the_edges_of_its_step():
    assert Turns(30).wait("a", at(0.25)) == 0.75
    assert Turns(30).wait("a", at(29.5)) == 1.5


@pytest.mark.req("BY-10")
def test_those_who_wait_go_in_their_order_one_a_step():
    turns = Turns(30)
    turns.take("first", at(10))

    assert [turns.wait(name, at(10)) for name in "abc"] == [21, 51, 81]

    turns.leave("b")
    assert turns.wait("c", at(10)) == 51


@pytest.mark.req("BY-10", "BY-3")
def test_what_a_refusal_says_is_obeyed():
    turns = Turns(30)
    turns.take("a", at(10))
    turns.refused(at(10.5), told=900)

    assert turns.wait("b", at(11)) == pytest.approx(899.5, abs=1.1)
    assert turns.wait("b", at(911)) == 0.0


@pytest.mark.req("BY-10")
def test_the_first_refusal_costs_its_code_only_the_next_ones_double():
    turns = Turns(30)

    assert [turns.refused(at(10), told=0) for _ in range(7)] == [0, 30, 60, 120, 240, LONGEST_PAUSE, LONGEST_PAUSE]


@pytest.mark.req("BY-10")
def test_a_good_answer_ends_the_row():
    turns = Turns(30)
    for _ in range(4):
        turns.refused(at(10), told=0)
    turns.accepted()

    assert turns.wait("a", at(10)) == 0.0
    assert turns.refused(at(10), told=0) == 0.0


def test_a_text_can_not_stop_it_for_ever():
    turns = Turns(30)
    turns.refused(at(10), told=999_999_999)

    assert turns.wait("a", at(10)) <= 86_400 + 31


@pytest.mark.req("BY-10")
def test_an_upstream_that_is_down_is_tried_less_and_less():
    turns = Turns(30, lambda: 1.0)

    pauses = [turns.unreachable(at(5)) for _ in range(7)]

    grown = 1 + JITTER
    assert pauses == [grown, 2 * grown, 4 * grown, 8 * grown, 16 * grown, LONGEST_MISS * grown, LONGEST_MISS * grown]
    turns.reached()
    assert turns.unreachable(at(5)) == grown


def test_a_clock_that_was_set_back_does_not_stop_it():
    turns = Turns(30)
    turns.take("a", at(100_000))

    assert turns.wait("b", at(10)) <= 31


@given(
    st.sampled_from([5, 30, 60]),
    st.lists(st.tuples(st.floats(0, 40), st.sampled_from(["ask", "refuse", "accept"])), min_size=1, max_size=40),
)
def test_no_step_is_ever_taken_twice_and_no_wait_is_in_vain(period, happenings):
    turns, now, taken = Turns(period), at(0), []
    for number, (pause, what) in enumerate(happenings):
        now = later(now, pause)
        if what == "refuse":
            turns.refused(now, told=3)
        elif what == "accept":
            turns.accepted()
        else:
            now = later(now, turns.wait(number, now))
            now = later(now, turns.wait(number, now))  # a rounding error late, never a step
            assert turns.wait(number, now) < 1e-3
            taken.append(turns.take(number, now))
    assert taken == sorted(set(taken))
