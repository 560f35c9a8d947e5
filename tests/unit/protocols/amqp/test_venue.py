import tomllib
from pathlib import Path

import pytest

from gateway.protocols.amqp.venue import AnswerBy, CodeIn, Venue
from gateway.settings.load import read_venue

FOLDER = Path(__file__).parents[4] / "config" / "venues"
M7_FILE = (FOLDER / "m7.toml").read_text()


def m7() -> Venue:
    return read_venue("m7", "amqp")


def changed(**changes) -> Venue:
    return Venue(**{field: getattr(m7(), field) for field in Venue.__slots__} | changes)


@pytest.mark.req("M7-2")
def test_m7_keeps_its_code_in_the_login_request():
    venue = m7()
    assert (
        venue.code_in,
        venue.code_attribute,
        venue.namespace,
    ) == (CodeIn.REQUEST, "authVerificationCode", "http://www.deutsche-boerse.com/m7/v6")
    assert AnswerBy.REPLY is venue.answer


def test_the_m7_file_shows_every_key():
    assert set(Venue.__slots__) == set(tomllib.loads(M7_FILE))


def test_nothing_of_m7_is_needed_by_another_venue():
    other = read_venue("amqp-generic", "amqp")
    assert (other.code_in, other.answer, other.namespace) == (CodeIn.REQUEST, AnswerBy.CONFIRM, "")
    shared = {
        field for field in Venue.__slots__ if getattr(other, field) == getattr(m7(), field) and getattr(other, field)
    }
    assert shared <= {"code_in", "code_digits", "login_bytes", "inflated_bytes"}


def test_a_code_behind_the_password_needs_no_word_about_requests():
    venue = read_venue("amqp-password", "amqp")
    assert (venue.code_in, venue.code_digits, venue.login) == (CodeIn.PASSWORD, 6, "")


def test_requests_go_to_the_exchange_of_the_user():
    assert m7().exchange_of("TRADER1") == "m7.requestExchange.TRADER1"


@pytest.mark.parametrize(
    "name", ["m7.private.responseQueue.A.queue1", "m7.private.responseQueue.A.", "m7.broadcastQueue.A"]
)
def test_a_queue_that_names_the_user_is_its_own(name):
    assert m7().owns_queue("A", name)


@pytest.mark.parametrize(
    "name",
    [
        "m7.private.responseQueue.B.queue1",
        "m7.private.responseQueue.A",
        "m7.broadcastQueue.A\n",
        "m7.private.responseQueue.A.B.queue1",  # of user A.B
        "xm7.broadcastQueue.A",
        "m7xbroadcastQueue.A",
        "m7.broadcastQueue.AB",
        "amq.rabbitmq.reply-to",
        "amq.gen-x",
        "",
    ],
)
def test_any_other_queue_is_somebody_elses(name):
    assert not m7().owns_queue("A", name)


@pytest.mark.parametrize("user", ["*", "?", "[A]", "", "{user}", ".*", "A|.*"])
def test_a_user_is_no_pattern(user):
    assert not m7().owns_queue(user, "m7.broadcastQueue.A")


def test_a_user_whose_name_looks_like_a_pattern_has_queues_of_its_own():
    assert m7().owns_queue("A*[1]", "m7.broadcastQueue.A*[1]")


def test_a_queue_that_the_server_names_is_the_users_where_the_venue_says_so():
    venue = changed(queues=("amq.gen-*",))
    assert venue.owns_queue("A", "")
    assert venue.owns_queue("A", "amq.gen-JzTY20BRgKO")
    assert not venue.owns_queue("A", "amq.topic")


def test_a_queue_is_bound_only_where_the_venue_says_so():
    assert not m7().may_bind("amq.topic")
    venue = changed(bindable=("market.*",))
    assert [venue.may_bind(name) for name in ("market.spot", "market.spot.x", "amq.topic")] == [True, False, False]


@pytest.mark.parametrize(
    "wrong",
    [
        {"queues": ()},
        {"queues": ("*",)},
        {"queues": ("m7.private.responseQueue.*",)},
        {"exchange": ""},
        {"login": "Login Req"},
        {"login": ""},
        {"user_attribute": "m7:user"},
        {"refused": ""},
        {"login_key": ""},
        {"exchange": "", "code_in": CodeIn.PASSWORD},
        {"accepted": ""},
        {"code_attribute": ""},
        {"code_in": CodeIn.PASSWORD},
        {"code_digits": 5},
        {"refusal_text": "no"},
        {"logged_out_reasons": {"asleep": "INACTIVITY"}},
        {"login_bytes": 0},
        {"inflated_bytes": 1 << 30},
    ],
)
def test_a_venue_that_can_not_work_is_refused(wrong):
    with pytest.raises(ValueError, match=r"."):
        changed(**wrong)
