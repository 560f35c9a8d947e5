"""BY-4 over AMQP: a LoginReq is judged by the time its last byte came, whatever it waited for; by the real policy."""

from dataclasses import replace

import pytest

from gateway.core.dialect import Side
from gateway.core.events import Received
from gateway.core.login import Moment
from gateway.core.reason import Reason
from gateway.policy.decide import Admit, Deny, Evidence, decide
from tests.blackbox import amqp_bytes as amqp
from tests.unit.policy.test_decide import KNOWN, M7_616, NOW, STEP, code
from tests.unit.protocols.amqp.talk import PASSWORD_VENUE, Talk, login, plain, request, start, tune

WRONG = request(login(code="000000"), correlation_id="first")


def good(steps: int = 0) -> bytes:
    return request(login(code=code(STEP + steps)), correlation_id="second")


def talk_at_now(**given) -> Talk:
    talk = Talk(**given)
    talk.now = Moment(talk.now.mono, NOW)
    return talk


def judged(talk: Talk) -> Admit | Deny:
    """Judge the login asked about last, now, by M7's rules: 30 s for a code, none before, none after."""
    known = replace(KNOWN, user=replace(KNOWN.user, name="trader"))
    attempt = replace(talk.attempt, login=replace(talk.attempt.login, process="ALGO1", target="EXCH"))
    return decide(M7_616, known, attempt, Evidence(b"these", "s1", password=True), talk.now.wall)


@pytest.mark.req("BY-4", "M7-8")
@pytest.mark.parametrize("cut", [1, 40, 10_000], ids=["byte by byte", "in pieces", "in one"])
def test_the_last_byte_of_a_login_is_its_arrival(cut):
    talk = talk_at_now().greeted()
    data = good()
    pieces = [data[at : at + cut] for at in range(0, len(data), cut)]
    for piece in pieces[:-1]:
        talk.client(piece)
    last = talk.later(3).now

    talk.client(pieces[-1])

    assert talk.attempt.arrived == last
    talk.later(60)
    assert isinstance(judged(talk), Admit)


@pytest.mark.req("BY-4", "M7-8")
def test_a_login_behind_one_that_is_refused_late_is_judged_by_its_own_arrival():
    talk = talk_at_now().greeted()
    came = talk.now
    talk.client(WRONG + good()).later(31).refuse()

    assert talk.attempt.arrived == came
    assert isinstance(judged(talk), Admit)


@pytest.mark.req("BY-4", "M7-8")
def test_a_code_that_became_right_behind_another_login_is_still_wrong():
    talk = talk_at_now().greeted().client(WRONG + good(steps=1)).later(31).refuse()

    decision = judged(talk)

    assert isinstance(decision, Deny)
    assert decision.reason is Reason.BAD_CODE


@pytest.mark.req("BY-4")
def test_a_login_behind_one_that_the_exchange_refuses_late_is_judged_by_its_own_arrival():
    talk = talk_at_now().greeted().client(WRONG).admit().later(2)
    came = talk.now
    talk.client(good()).later(7).answer(root="ErrResp", correlation_id="first")

    assert talk.attempt.arrived == came


@pytest.mark.req("BY-4")
def test_a_login_of_which_the_end_came_while_another_was_judged_is_as_old_as_its_end():
    """The socket's side holds that end, and gives it with its time once the first is refused."""
    talk, data = talk_at_now().greeted(), good()
    talk.client(WRONG + data[:-9]).later(5)
    came = talk.now
    talk.later(31).refuse()

    talk.drive(Received(Side.CLIENT, data[-9:], came))

    assert talk.attempt.arrived == came


@pytest.mark.req("BY-4")
def test_a_login_behind_a_logout_is_judged_by_its_own_arrival():
    talk = talk_at_now().passing()
    came = talk.later(50).now

    talk.client(request(b"<LogoutReq/>", correlation_id="bye") + good()).later(31)

    assert talk.attempt.arrived == came


@pytest.mark.req("BY-4")
def test_a_code_behind_the_password_is_as_old_as_its_start_ok():
    talk = talk_at_now(venue=PASSWORD_VENUE).client(amqp.HEADER).broker(start())
    came = talk.later(7).now

    talk.client(plain(password="secret123456")).later(31)

    assert talk.attempt.arrived == came
    talk.admit().broker(tune())


@pytest.mark.req("BY-4")
def test_a_renewal_is_as_old_as_its_last_byte():
    talk = talk_at_now().passing()
    came = talk.later(50).now

    talk.client(amqp.update_secret("secret123456")).later(31)

    assert talk.attempt.arrived == came
