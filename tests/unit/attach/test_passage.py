"""One client's way through, played without a socket: what leaves, in which order, and when."""

import pytest

from gateway.attach.passage import Closed, Dial, Holding, Passage, Passing, Read, Say, Wake
from gateway.core.dialect import Side
from gateway.core.events import Close, DialFailed, Dialled, Lost, Send, Ticked
from gateway.protocols.fix.venue import Venue
from tests.fixbytes import from_engine, logon, message, read
from tests.unit.attach.play import KEY, STEP, Play, said, sent

ORDER = message("D", 2, (11, "A-1"))
PLAIN = logon(code=None)


class FixPlay(Play):
    """One over FIX."""

    def __init__(self, venue: Venue | None = None, hold: float = 31.0) -> None:
        super().__init__(venue or Venue(), hold)

    def logged_in(self) -> Passage:
        passage = self.client()
        self.says(passage, PLAIN)
        self.gives(passage, Dialled())
        self.hears(passage, from_engine("A", 1))
        return passage


@pytest.mark.req("BY-10")
def test_a_logon_is_dialled_for_given_its_code_and_what_is_behind_it_follows():
    play = FixPlay()
    passage = play.client()

    assert play.says(passage, PLAIN + ORDER) == [Dial()]
    out = play.gives(passage, Dialled())

    first, second = sent(out)
    assert read(first)[20030].encode() == KEY.code(STEP)
    assert second == ORDER
    assert Read(along=True) in out


@pytest.mark.req("BY-10")
def test_after_the_good_answer_the_upstream_is_read_no_more():
    play = FixPlay()
    passage = play.client()
    play.says(passage, PLAIN)
    play.gives(passage, Dialled())

    out = play.hears(passage, from_engine("A", 1))

    assert out == [Send(Side.CLIENT, from_engine("A", 1)), Say("attach_accepted"), Read(along=False)]


@pytest.mark.req("BY-10")
def test_a_second_logon_in_the_step_waits_undialled_for_the_next():
    play = FixPlay()
    play.logged_in()
    second = play.client()

    assert play.says(second, PLAIN) == [Say("attach_held", 21.0), Wake(1.0)]
    assert second.holds
    assert play.waited(second) == [Dial()]
    assert read(sent(play.gives(second, Dialled()))[0])[20030].encode() == KEY.code(STEP + 1)


@pytest.mark.req("BY-10")
def test_sending_time_is_never_rewritten():
    play = FixPlay()
    play.logged_in()
    second = play.client()
    play.says(second, PLAIN)
    play.waited(second)

    assert read(sent(play.gives(second, Dialled()))[0])[52] == read(PLAIN)[52]


@pytest.mark.req("BY-10")
def test_a_refusal_passes_unchanged_and_the_next_logon_waits_as_long_as_it_says():
    play = FixPlay(hold=600)
    passage = play.client()
    play.says(passage, PLAIN)
    play.gives(passage, Dialled())
    refusal = from_engine("5", 1, (58, "Login refused; retry with a new code in 90 s"))

    assert play.hears(passage, refusal) == [
        Send(Side.CLIENT, refusal),
        Say("attach_refused", 90.0),
        Read(along=False),
    ]
    assert play.gives(passage, Lost(Side.UPSTREAM)) == [Close()]
    again = play.client()
    assert play.says(again, PLAIN)[0].seconds >= 90.0


@pytest.mark.req("BY-10")
def test_a_silent_close_is_a_refusal():
    play = FixPlay()
    passage = play.client()
    play.says(passage, PLAIN)
    play.gives(passage, Dialled())

    assert said(play.gives(passage, Lost(Side.UPSTREAM))) == ["attach_refused"]


def test_a_client_that_leaves_before_the_answer_was_not_refused():
    play = FixPlay()
    passage = play.client()
    play.says(passage, PLAIN)
    play.gives(passage, Dialled())

    assert play.gives(passage, Lost(Side.CLIENT)) == [Close()]


@pytest.mark.req("BY-10")
def test_a_logon_that_would_wait_longer_than_its_client_is_closed_at_once():
    play = FixPlay(hold=10)
    play.logged_in()
    second = play.client()

    out = play.says(second, PLAIN)

    assert out[-2:] == [Say("attach_closed", 21.0), Close()]
    assert isinstance(second.state, Closed)


@pytest.mark.req("BY-10")
def test_an_upstream_that_is_down_closes_the_client_and_its_code_is_not_used_up():
    play = FixPlay()
    passage = play.client()
    play.says(passage, PLAIN)

    assert play.gives(passage, DialFailed()) == [Say("attach_unreachable", 1.0), Close()]
    play.later(1.5)
    assert play.says(play.client(), PLAIN) == [Dial()]


@pytest.mark.req("BY-10")
def test_of_two_at_once_only_one_is_dialled_for():
    play = FixPlay()
    first, second = play.client(), play.client()

    assert play.says(first, PLAIN) == [Dial()]
    assert Dial() not in play.says(second, PLAIN)
    assert isinstance(second.state, Holding)


@pytest.mark.req("BY-10")
def test_a_logon_in_mid_session_gets_a_code_of_its_own_and_nothing_overtakes_it():
    play = FixPlay()
    passage = play.logged_in()
    reset = logon(3, (141, "Y"), code=None)

    out = play.says(passage, ORDER + reset + ORDER)

    assert sent(out) == [ORDER]
    watch = passage.dialect.watch(Side.CLIENT)
    assert watch is not None
    assert watch(ORDER) is None  # no chunk takes the short cut past it
    out = play.waited(passage)
    assert read(sent(out)[0])[20030].encode() == KEY.code(STEP + 1)
    assert sent(out)[1:] == [ORDER]
    assert isinstance(passage.state, Passing)
    assert watch(ORDER) == ORDER


@pytest.mark.req("BY-10")
def test_what_comes_down_while_a_logon_waits_passes():
    play = FixPlay()
    passage = play.logged_in()
    play.says(passage, logon(3, code=None))

    assert play.hears(passage, ORDER) == [Send(Side.CLIENT, ORDER)]


def test_a_logon_without_a_place_for_a_code_passes_unchanged_and_in_its_turn():
    play = FixPlay(Venue("appended", code_tag=0))
    passage = play.client()
    bare = logon(password=None, code=None)

    assert play.says(passage, bare) == [Say("attach_no_place"), Dial()]
    assert sent(play.gives(passage, Dialled())) == [bare]
    assert play.turns.wait("next", play.now) == 21.0


@pytest.mark.parametrize(
    "data", [ORDER, b"GET / HTTP/1.1\r\n\r\n", b"8=FIX.4.4\x019=99999\x0135=A\x01" + b"x" * 20_000]
)
def test_what_begins_with_no_logon_never_reaches_the_upstream(data):
    play = FixPlay()

    out = play.says(play.client(), data)

    assert out == [Say("attach_no_login"), Close()]


def test_a_client_that_says_nothing_is_closed():
    play = FixPlay()
    passage = play.client()
    play.later(31)

    assert play.gives(passage, Ticked()) == [Say("attach_no_login"), Close()]
    assert play.says(passage, PLAIN) == []


@pytest.mark.req("BY-10")
def test_the_session_of_a_logon_ends_with_either_side():
    for side in Side:
        play = FixPlay()
        passage = play.logged_in()

        assert play.gives(passage, Lost(side)) == [Close()]
        assert play.hears(passage, ORDER) == []


def test_a_slow_dial_that_misses_its_step_waits_for_the_next_on_the_open_line():
    play = FixPlay()
    passage = play.client()
    play.says(passage, PLAIN)
    play.later(19.5)  # into the last second

    out = play.gives(passage, Dialled())

    assert sent(out) == []
    assert read(sent(play.waited(passage))[0])[20030].encode() == KEY.code(STEP + 1)
