"""Where a connection outlives its logins and the venue is told in words: the rest of the machine, as conversations."""

import pytest

from gateway.core.reason import Reason
from gateway.core.states import AwaitingLogin, Checking, Closed, Passing

from .conversation import play as play_any
from .lines import Blunt, Careful, ManyLogins

TO_AWAITING = """
    I connected
    E dial main
    I dialled
"""
TO_CHECKING = (
    TO_AWAITING
    + """
    I client LOGIN alice 123456
    E verify alice at main
"""
)
TO_ADMITTING = TO_CHECKING + "I judged yes\n E send upstream LOGIN alice\n"
TO_PASSING = TO_ADMITTING + "I upstream OK\n E send client OK\n E pipe END alice\n"
TO_PARTING = TO_PASSING + "I lost client\n E unpipe\n E send upstream END alice\n"


def play(text, *, dialect=ManyLogins, **keys):
    return play_any(text, dialect=dialect(), **keys)


def test_before_the_upstream_is_there_nothing_is_read_and_its_deadline_counts():
    play(
        "I connected\n E dial main\n I tick\n E send upstream beat\n I after 11\n I tick\n E close\n E end login_timeout"
    )


def test_a_client_that_leaves_or_a_shutdown_before_the_upstream_is_there_closes():
    play("I connected\n E dial main\n I lost client\n E close\n E end client_left")
    play("I connected\n E dial main\n I order shutdown\n E close\n E end shutdown")


def test_without_a_route_there_is_nothing_to_dial():
    play("I connected\n E close\n E end no_route", routes=())


def test_a_message_without_a_login_is_swallowed_and_answered_and_the_connection_stays():
    session = play(TO_AWAITING + "I client order\n E post main login first\n E report not_logged_in")
    assert isinstance(session.state, AwaitingLogin)


def test_while_a_login_waits_or_is_judged_the_upstream_is_kept_up():
    play(TO_AWAITING + "I tick\n E send upstream beat")
    play(TO_CHECKING + "I tick\n E send upstream beat\n I upstream note\n E send client note")
    play(TO_ADMITTING + "I tick\n E send upstream beat")


@pytest.mark.req("M7-11")
def test_a_refusal_goes_by_mail_and_another_login_may_follow():
    session = play(
        TO_CHECKING
        + """
        I judged bad_code
        E post main NO bad_code
        I client LOGIN alice 654321
        E verify alice at main
        I judged yes
        E send upstream LOGIN alice
        I upstream OK
        E send client OK
        E pipe END alice
        """
    )
    assert isinstance(session.state, Passing)


@pytest.mark.req("BY-2", "M7-11")
def test_what_came_behind_a_refused_login_is_looked_at_as_if_it_came_now():
    play(
        TO_AWAITING
        + """
        I client LOGIN alice 1/order/LOGIN alice 2
        E verify alice at main
        I judged bad_code
        E post main NO bad_code
        E post main login first
        E report not_logged_in
        E verify alice at main
        """
    )


def test_after_a_refusal_the_time_for_a_login_starts_again_and_ends():
    play(
        TO_AWAITING
        + """
        I after 9
        I client LOGIN alice 1
        E verify alice at main
        I judged bad_code
        E post main NO bad_code
        I after 9
        I tick
        E send upstream beat
        I after 2
        I tick
        E close
        E end login_timeout
        """
    )


def test_a_silent_reason_gets_no_byte_here_either():
    play(TO_CHECKING + "I judged not_bound\n E close\n E end not_bound judged")


def test_a_wrong_first_message_closes_and_so_does_one_of_the_upstream_while_the_login_is_judged():
    play(TO_AWAITING + "I client EVIL\n E close\n E end garbled")
    play(TO_CHECKING + "I upstream EVIL\n E close\n E end garbled")


def test_an_upstream_that_closes_before_the_login_is_told_to_the_client():
    play(TO_AWAITING + "I lost upstream\n E send client CLOSED\n E close\n E end upstream_closed")


def test_an_upstream_that_closes_while_the_login_is_judged_gives_the_code_back():
    play(
        TO_CHECKING
        + """
        I lost upstream
        E send client CLOSED
        E close
        E end upstream_closed judged
        I judged yes
        E end upstream_unreachable sess-1 was
        """
    )


def test_a_shutdown_while_the_login_is_awaited_or_judged_closes():
    play(TO_AWAITING + "I order shutdown\n E close\n E end shutdown")
    play(TO_CHECKING + "I order shutdown\n E close\n E end shutdown")


@pytest.mark.req("M7-11")
def test_the_venues_own_refusal_ends_the_grant_and_the_connection_stays():
    session = play(
        TO_ADMITTING + "I upstream NO\n E send client NO\n E end upstream_refused sess-1\n"
        "I client LOGIN alice 2\n E verify alice at main"
    )
    assert isinstance(session.state, Checking)


def test_a_login_behind_one_that_the_venue_refused_is_judged():
    play(
        TO_ADMITTING + "I client LOGIN alice 2\n I upstream NO\n"
        "E send client NO\n E end upstream_refused sess-1\n E verify alice at main"
    )


def test_a_kick_is_said_to_the_client_and_told_to_the_venue():
    play(
        TO_PASSING
        + "I order kicked\n E unpipe\n E send client OUT kicked\n E post main out\n E send upstream END alice"
    )


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ("lost client", "client_left"),
        ("order shutdown", "shutdown"),
        ("order kicked", "kicked"),
        ("client EVIL", "garbled"),
        ("after 6\n I tick", "upstream_silent"),
    ],
)
def test_a_forwarded_login_that_never_became_a_session_is_taken_back_in_words(event, reason):
    play(TO_ADMITTING + f"I {event}\n E send upstream END alice\n I upstream GONE\n E close\n E end {reason} sess-1")


def test_an_upstream_that_closes_after_the_login_was_forwarded_leaves_the_word_to_the_courier():
    play(TO_ADMITTING + "I lost upstream\n E send client CLOSED\n E close\n E end upstream_closed sess-1 owed")


@pytest.mark.req("M7-10", "M7-12")
def test_a_dropped_client_is_told_to_the_venue_and_the_line_closes_when_it_knows():
    session = play(TO_PARTING + "I client order\n I upstream GONE\n E close\n E end client_lost sess-1")
    assert session.state == Closed(Reason.CLIENT_LOST)


@pytest.mark.req("M7-12")
def test_a_venue_that_does_not_take_the_word_in_time_is_left_to_the_courier():
    play(TO_PARTING + "I after 1\n I tick\n I after 1.5\n I tick\n E close\n E end client_lost sess-1 owed")


@pytest.mark.req("M7-12")
def test_a_line_that_breaks_before_the_venue_took_the_word_leaves_it_to_the_courier():
    play(TO_PARTING + "I lost upstream\n E close\n E end client_lost sess-1 owed")


@pytest.mark.req("M7-12")
def test_an_upstream_that_breaks_a_rule_while_it_is_told_leaves_it_to_the_courier():
    play(TO_PARTING + "I upstream EVIL\n E close\n E end client_lost sess-1 owed")


@pytest.mark.req("M7-12")
def test_an_upstream_that_drops_is_told_to_the_client_and_the_end_is_owed_to_the_venue():
    play(TO_PASSING + "I lost upstream\n E unpipe\n E send client CLOSED\n E close\n E end upstream_lost sess-1 owed")


@pytest.mark.req("M7-12", "SF-10")
def test_a_forced_logout_is_said_to_the_client_and_then_to_the_venue():
    play(
        TO_PASSING
        + """
        I after 31
        I tick
        E unpipe
        E send client OUT idle
        E post main out
        E send upstream END alice
        I lost client
        I upstream GONE
        E close
        E end idle sess-1
        """
    )


@pytest.mark.req("M7-10")
def test_a_logout_in_the_clients_own_words_frees_the_session_and_the_next_login_is_a_new_one():
    session = play(
        TO_PASSING
        + """
        I client LOGOUT/order/LOGIN bob 7
        E send upstream LOGOUT
        E unpipe
        E end logout sess-1
        E post main login first
        E report not_logged_in
        E verify bob at main
        """
    )
    assert isinstance(session.state, Checking)


def test_a_logout_that_takes_the_connection_with_it_is_told_to_the_venue_and_what_followed_is_void():
    play(
        TO_PASSING
        + "I client QUIT\n E unpipe\n E send upstream END alice\n I upstream GONE\n E close\n E end logout sess-1"
    )


def test_a_violation_while_passing_is_told_to_the_venue():
    play(
        TO_PASSING + "I client EVIL\n E unpipe\n E send upstream END alice\n I upstream GONE\n"
        "E close\n E end identity_changed sess-1"
    )


# ── renewal ──

TO_RENEWING = TO_PASSING + "I client NEW 77\n E verify alice at main for sess-1\n"


@pytest.mark.req("SF-9")
def test_a_renewal_prolongs_the_session_from_when_it_was_judged():
    play(
        TO_PASSING
        + """
        I after 29
        I tick busy
        I client NEW 77
        E verify alice at main for sess-1
        I client order
        E send upstream order
        I judged longer
        E send client RENEWED
        I after 59
        I tick busy
        """
    )


def test_a_refused_renewal_ends_the_session():
    play(
        TO_RENEWING
        + "I judged bad_code\n E unpipe\n E send client OUT bad_code\n E post main out\n E send upstream END alice"
    )


def test_a_refused_renewal_of_a_session_that_nobody_is_told_of_just_closes():
    play(TO_RENEWING + "I judged bad_code\n E close\n E end bad_code sess-1", dialect=Blunt)


def test_a_farewell_that_is_remembered_first_is_said_before_the_venue_is_told():
    play(
        TO_RENEWING + "I judged bad_code\n E unpipe\n E commit main/s 7 told\n I committed\n"
        "E send client OUT bad_code\n E send upstream END alice\n I upstream GONE\n E close\n E end bad_code sess-1",
        dialect=Careful,
    )


def test_a_renewal_that_nobody_could_judge_changes_nothing_and_its_late_verdict_neither():
    play(TO_RENEWING + "I judged unavailable\n I judged longer\n I client order\n E send upstream order")


def test_a_second_renewal_before_the_first_is_judged_is_a_violation():
    play(TO_RENEWING + "I client NEW 78\n E unpipe\n E send upstream END alice")


def test_a_renewal_that_is_judged_after_the_end_is_no_second_end():
    play(
        TO_RENEWING + "I lost client\n E unpipe\n E send upstream END alice\n I upstream GONE\n"
        "E close\n E end client_lost sess-1\n I judged longer"
    )


@pytest.mark.req("BY-2", "BY-3")
def test_the_late_yes_to_a_renewal_does_not_admit_the_login_that_came_after_it():
    session = play(
        TO_AWAITING
        + """
        I client LOGIN alice 1
        E verify alice at main
        I judged yes
        E send upstream LOGIN alice
        I upstream OK
        E send client OK
        E pipe END alice
        I client NEW 77/LOGOUT
        E verify alice at main for sess-1
        E send upstream LOGOUT
        E unpipe
        E end logout sess-1
        I client LOGIN alice wrong
        E verify alice at main
        I judged earlier longer
        I judged bad_code
        E post main NO bad_code
        """
    )
    assert isinstance(session.state, AwaitingLogin)


# ── verdicts that come after their login was refused as unavailable ──

TO_REFUSED = TO_CHECKING + "I judged unavailable\n E post main NO unavailable\n"
TO_ANOTHER = (
    TO_REFUSED + "I client LOGIN alice 2\n E verify alice at main\n I judged longer\n E send upstream LOGIN alice\n"
)
LATE = "I judged earlier yes\n E end client_left sess-1 was\n"


@pytest.mark.req("SF-4")
def test_a_late_yes_frees_the_place_it_was_granted():
    session = play(TO_REFUSED + LATE.replace("earlier ", ""))
    assert isinstance(session.state, AwaitingLogin)


@pytest.mark.req("SF-4")
def test_a_late_yes_neither_opens_nor_ends_what_came_after_it():
    opened = "I upstream OK\n E send client OK\n E pipe END alice\n"
    session = play(TO_ANOTHER + LATE + opened + LATE + "I client order\n E send upstream order")
    assert isinstance(session.state, Passing)


def test_a_late_yes_while_the_venue_is_told_is_freed_too():
    play(
        TO_ANOTHER
        + "I lost client\n E send upstream END alice\n"
        + LATE
        + "I upstream GONE\n E close\n E end client_left sess-1"
    )
