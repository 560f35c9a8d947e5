from hypothesis import given
from hypothesis import strategies as st

from gateway.core.login import Moment
from gateway.net.held import Held


def held(*pieces: tuple[bytes, float]) -> Held:
    one = Held()
    for data, wall in pieces:
        one.add(data, Moment(wall, wall))
    return one


def test_every_piece_keeps_the_time_at_which_it_came():
    one = held((b"early", 10.0), (b"late", 41.5))

    assert one.first() == (b"early", Moment(10.0, 10.0))
    assert one.first() == (b"late", Moment(41.5, 41.5))
    assert len(one) == 0


def test_within_a_second_pieces_are_one_as_of_the_last_byte():
    assert held((b"a", 10.0), (b"b", 10.5), (b"c", 10.999)).first() == (b"abc", Moment(10.999, 10.999))


def test_over_the_turn_of_a_second_they_are_two_however_near():
    assert held((b"a", 29.999), (b"b", 30.0)).first() == (b"a", Moment(29.999, 29.999))


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=5), st.floats(0, 100)), max_size=30), st.integers(0, 30))
def test_no_byte_is_lost_doubled_or_moved(pieces, taken):
    one, whole = held(*pieces), b"".join(data for data, _ in pieces)
    assert len(one) == len(whole)

    out = b""
    while len(one) and taken:
        out, taken = out + one.first()[0], taken - 1

    assert len(one) == len(whole) - len(out)
    assert out + one.all() == whole
    assert len(one) == 0
