from hypothesis import given
from hypothesis import strategies as st

from gateway.net.crowd import UNKNOWN, Crowd
from gateway.net.spec import CrowdLimits


def test_an_address_of_which_nothing_is_known_is_limited_by_the_totals_only():
    crowd = Crowd(CrowdLimits(connections=3, per_address=1))

    places = [crowd.enter(UNKNOWN) for _ in range(4)]

    assert [place is not None for place in places] == [True, True, True, False]


def test_a_place_that_cannot_move_to_its_true_address_is_left():
    crowd = Crowd(CrowdLimits(per_address=1))
    crowd.enter("a")
    place = crowd.enter(UNKNOWN)

    assert not place.move("a")
    assert (crowd.total, crowd.pending) == (1, 1)


@given(
    st.lists(st.tuples(st.sampled_from(["enter", "login", "leave", "move"]), st.sampled_from("ab"), st.integers(0, 9)))
)
def test_the_counts_are_those_of_the_places_and_no_limit_is_passed(steps):
    totals = []
    crowd = Crowd(CrowdLimits(connections=5, per_address=3, pending=4, pending_per_address=2), totals.append)
    places = {}  # place -> (address, pending)
    for what, address, which in steps:
        place = list(places)[which % len(places)] if places else None
        if what == "enter":
            new = crowd.enter(address)
            if new:
                places[new] = (address, True)
        elif place is None:
            continue
        elif what == "login":
            place.logged_in()
            place.logged_in()
            places[place] = (places[place][0], False)
        elif what == "leave":
            place.leave()
            place.leave()
            del places[place]
        elif place.move(address):
            places[place] = (address, True)
        else:
            del places[place]
        counted = list(places.values())
        assert len(counted) == crowd.total <= 5
        assert sum(pending for _, pending in counted) == crowd.pending <= 4
        for name in "ab":
            assert sum(one == name for one, _ in counted) <= 3
    for place in places:
        place.leave()
    assert (crowd.total, crowd.pending) == (0, 0)
    assert not crowd._open
    assert not crowd._pending


def test_a_connection_that_waits_for_another_login_is_pending_again_until_it_leaves():
    crowd = Crowd(CrowdLimits())
    place = crowd.enter("192.0.2.1")

    place.logged_in()
    place.logged_in()
    assert (crowd.total, crowd.pending) == (1, 0)
    place.logged_out()
    place.logged_out()
    assert (crowd.total, crowd.pending) == (1, 1)
    place.leave()
    place.logged_out()
    assert (crowd.total, crowd.pending) == (0, 0)
