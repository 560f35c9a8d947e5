"""An AMQP client's way through, played without a socket: when it is dialled for, when its logins leave, and what answers make of it."""

import pytest

from gateway.attach.passage import Closed, Dial, Passage, Read, Say, Wake
from gateway.core.dialect import Side
from gateway.core.events import Close, DialFailed, Dialled, Lost, Send, Ticked
from gateway.protocols.amqp.requests import read_login
from gateway.protocols.amqp.venue import Venue
from tests.blackbox import amqp_bytes as amqp
from tests.unit.attach.amqp.talks import PASSWORD_VENUE, VENUE, handshake, login
from tests.unit.attach.amqp.test_broker import CONFIRMED, GOOD, answer, bad
from tests.unit.attach.play import KEY, STEP, Play, said, sent
from tests.unit.protocols.amqp.talk import ack, frames, order, plain, tune

LOGIN = login(correlation_id="c1")
REFUSAL = answer(bad("Auth error: check it; retry with a new code in 90 s"))


class AmqpPlay(Play):
    """One over AMQP; `connected` is through the handshake, `logged_in` was answered well."""

    def __init__(self, venue: Venue = VENUE, hold: float = 31.0) -> None:
        super().__init__(venue, hold)

    def connected(self, **how) -> Passage:
        passage = self.client()
        self.says(passage, amqp.HEADER)
        self.gives(passage, Dialled())
        self.says(passage, b"".join(handshake(**how)[1:]))
        return passage

    def logged_in(self) -> Passage:
        passage = self.connected()
        self.says(passage, LOGIN)
        self.hears(passage, answer(GOOD))
        return passage


def code_in(data: bytes) -> bytes:
    """The code of a login that went up."""
    read = read_login(b"".join(one.payload for one in frames(data) if one.kind == amqp.BODY), "", VENUE)
    return read.code.reveal()


@pytest.mark.req("BY-10")
def test_the_broker_is_dialled_for_the_first_bytes_and_what_it_says_passes():
    play = AmqpPlay()
    passage = play.client()

    assert play.says(passage, amqp.HEADER) == [Dial()]
    assert play.gives(passage, Dialled()) == [Read(along=False), Send(Side.UPSTREAM, amqp.HEADER)]
    assert play.hears(passage, tune()) == [Send(Side.CLIENT, tune())]


@pytest.mark.req("BY-10")
def test_a_login_goes_up_with_its_code_and_what_is_behind_it_follows():
    play = AmqpPlay()
    passage = play.connected()

    out = play.says(passage, order("one") + LOGIN + order("two"))

    before, found, after = sent(out)
    assert (before, after) == (order("one"), order("two"))
    assert code_in(found) == KEY.code(STEP)
    assert said(out) == ["attach_sent"]


@pytest.mark.req("BY-10")
def test_the_good_answer_ends_reading_along():
    play = AmqpPlay()
    passage = play.connected()
    play.says(passage, LOGIN)

    out = play.hears(passage, answer(GOOD))

    assert out == [Send(Side.CLIENT, answer(GOOD)), Say("attach_accepted"), Read(along=False)]


@pytest.mark.req("BY-10")
def test_after_a_refusal_the_line_stays_and_the_next_login_on_it_waits_as_long_as_it_says():
    play = AmqpPlay(hold=600)
    passage = play.connected()
    play.says(passage, LOGIN)

    assert play.hears(passage, REFUSAL) == [Send(Side.CLIENT, REFUSAL), Say("attach_refused", 90.0), Read(along=False)]
    held = play.says(passage, LOGIN)
    assert said(held) == ["attach_held"]
    assert held[0].seconds >= 90.0
    assert not [data for data in sent(held) if data != amqp.HEARTBEAT_FRAME]


@pytest.mark.req("BY-10")
def test_who_comes_back_before_a_refusals_time_is_over_is_closed_undialled():
    play = AmqpPlay()
    passage = play.connected()
    play.says(passage, LOGIN)
    play.hears(passage, REFUSAL)
    play.gives(passage, Lost(Side.CLIENT))

    out = play.says(play.client(), amqp.HEADER)

    assert out == [Say("attach_held", 90.0), Say("attach_closed", 90.0), Close()]


@pytest.mark.req("BY-10")
def test_a_second_login_in_the_step_waits_for_the_next_and_the_brokers_line_is_kept_up_meanwhile():
    play = AmqpPlay()
    play.logged_in()
    second = play.connected(heartbeat=4)

    out = play.says(second, LOGIN)
    assert said(out) == ["attach_held"]
    assert second.holds
    beats = list(sent(out))
    found: list[bytes] = []
    for _ in range(60):
        play.later(0.5)
        found = sent(play.gives(second, Ticked()))
        if found and found[0] != amqp.HEARTBEAT_FRAME:
            break
        beats += found

    assert set(beats) == {amqp.HEARTBEAT_FRAME}
    assert 10 <= len(beats) <= 12  # one in 2 of 21 s
    assert code_in(found[0]) == KEY.code(STEP + 1)


@pytest.mark.req("BY-10")
def test_a_login_that_would_wait_too_long_closes_its_line():
    play = AmqpPlay(hold=10)
    play.logged_in()
    second = play.connected()

    assert play.says(second, LOGIN)[-2:] == [Say("attach_closed", 21.0), Close()]
    assert isinstance(second.state, Closed)


@pytest.mark.req("BY-10")
def test_a_broker_that_is_down_closes_the_client_and_the_next_one_is_dialled_for_later():
    play = AmqpPlay()
    passage = play.client()
    play.says(passage, amqp.HEADER)

    assert play.gives(passage, DialFailed()) == [Say("attach_unreachable", 1.0), Close()]
    again = play.client()
    assert play.says(again, amqp.HEADER) == [Say("attach_held", 1.0), Wake(1.0)]
    assert play.waited(again) == [Dial()]


@pytest.mark.req("BY-10")
def test_a_line_that_ends_before_the_answer_is_a_refusal_and_behind_it_is_none():
    play = AmqpPlay()
    passage = play.connected()
    play.says(passage, LOGIN)

    assert said(play.gives(passage, Lost(Side.UPSTREAM))) == ["attach_refused"]
    play.later(300)
    assert said(play.gives(play.logged_in(), Lost(Side.UPSTREAM))) == []


def test_a_client_that_says_nothing_is_closed_undialled():
    play = AmqpPlay()
    passage = play.client()
    play.says(passage, amqp.HEADER[:4])
    play.later(31)

    assert play.gives(passage, Ticked()) == [Say("attach_no_login"), Close()]


# ── the code in the password ──


@pytest.mark.req("BY-10", "CQ-7")
def test_with_the_code_in_the_password_the_second_connection_waits_undialled_for_the_next_step():
    play = AmqpPlay(PASSWORD_VENUE)
    first, second = play.client(), play.client()
    play.says(first, amqp.HEADER)
    play.gives(first, Dialled())
    assert sent(play.says(first, plain())) == [plain(password="secret" + KEY.code(STEP).decode())]
    assert said(play.hears(first, tune())) == ["attach_accepted"]

    assert said(play.says(second, amqp.HEADER)) == ["attach_held"]
    assert play.waited(second) == [Dial()]
    assert sent(play.gives(second, Dialled())) == [amqp.HEADER]
    assert sent(play.says(second, plain())) == [plain(password="secret" + KEY.code(STEP + 1).decode())]


@pytest.mark.req("BY-10", "CQ-7")
def test_a_client_that_leaves_in_the_handshake_gives_its_turn_back():
    play = AmqpPlay(PASSWORD_VENUE)
    passage = play.client()
    play.says(passage, amqp.HEADER)
    play.gives(passage, Dialled())
    play.gives(passage, Lost(Side.CLIENT))

    assert play.says(play.client(), amqp.HEADER) == [Dial()]


# ── venues that answer no login ──


@pytest.mark.req("BY-10")
def test_where_no_login_is_answered_it_is_taken_once_no_refusal_came_for_a_while():
    play = AmqpPlay(CONFIRMED)
    passage = play.connected()
    play.says(passage, LOGIN)

    (passed, wake) = play.hears(passage, ack(1, 1))
    play.later(wake.seconds - 0.001)  # a timer may be early

    assert passed == Send(Side.CLIENT, ack(1, 1))
    (again,) = play.gives(passage, Ticked())
    play.later(again.seconds)
    assert said(play.gives(passage, Ticked())) == ["attach_accepted"]


@pytest.mark.req("BY-10")
def test_where_no_login_is_answered_a_refusal_behind_the_confirm_counts():
    play = AmqpPlay(CONFIRMED)
    passage = play.connected()
    play.says(passage, LOGIN)
    play.hears(passage, ack(1, 1))

    assert said(play.hears(passage, REFUSAL)) == ["attach_refused"]
    play.later(60)
    assert play.gives(passage, Ticked()) == []
