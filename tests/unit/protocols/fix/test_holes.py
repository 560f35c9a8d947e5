from hypothesis import given
from hypothesis import strategies as st

from gateway.protocols.fix.holes import Holes

SETS = st.sets(st.integers(1, 60), max_size=20)


@given(SETS, st.integers(1, 100))
def test_engine_numbers_go_to_the_numbers_that_are_no_holes_in_order(numbers, engine):
    expected = [number for number in range(1, 200) if number not in numbers][engine - 1]
    assert Holes(numbers).to_client(engine) == expected


@given(SETS, st.integers(1, 100))
def test_there_and_back_is_the_same_number(numbers, engine):
    holes = Holes(numbers)
    assert holes.to_engine(holes.to_client(engine)) == engine == holes.last_engine(holes.to_client(engine))


@given(SETS, st.integers(1, 100))
def test_a_hole_stands_for_the_engines_message_behind_it_or_before_it(numbers, client):
    holes = Holes(numbers)
    before = sum(1 for number in range(1, client + 1) if number not in numbers)
    assert holes.last_engine(client) == before
    assert holes.to_engine(client) == (before + 1 if client in holes else before)
    assert holes.behind(client) == next(number for number in range(client, 300) if number not in numbers)


def test_without_holes_nothing_changes():
    assert Holes().to_client(7) == Holes().to_engine(7) == Holes().last_engine(7) == 7
    assert not Holes()
    assert 7 in Holes().with_hole(7)
