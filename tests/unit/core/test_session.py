import pytest

from gateway.core.reason import Reason
from gateway.core.states import Closed, Passing

from .conversation import play
from .lines import LineDialect, Silent

TO_CHECKING = """
    I connected
    I client LOGIN alice 123456
    E verify alice at main
"""
TO_ADMITTING = (
    TO_CHECKING
    + """
    I judged yes
    E dial main
    I dialled
    E send upstream LOGIN alice
"""
)
TO_PASSING = (
    TO_ADMITTING
    + """
    I upstream OK
    E send client OK
    E pipe
"""
)


@pytest.mark.req("M7-1", "M7-10")
def test_a_good_login_ends_in_a_pipe():
    session = play(TO_PASSING + "I client order 1\n E send upstream order 1\n I upstream fill 1\n E send client fill 1")
    assert isinstance(session.state, Passing)


@pytest.mark.req("BY-2")
def test_nothing_goes_upstream_before_the_verdict_and_the_secret_never_does():
    play(TO_CHECKING + "I client order 1")
    play(TO_CHECKING + "I judged yes\n E dial main\n I client order 1")


@pytest.mark.req("BY-2")
def test_what_came_behind_the_login_waits_for_the_engines_good_answer():
    play(
        """
        I connected
        I client LOGIN alice 1/order 1
        E verify alice at main
        I judged yes
        E dial main
        I dialled
        E send upstream LOGIN alice
        I upstream OK
        E send client OK
        E pipe
        E send upstream order 1
        """
    )


@pytest.mark.parametrize(
    ("expected", "line"), [("not_a_login", "order 1"), ("garbled", "EVIL")], ids=["not a login", "garbled"]
)
def test_a_wrong_first_message_closes_without_a_byte(expected, line):
    play(f"I connected\n I client {line}\n E close\n E end {expected}")


def test_a_login_that_no_route_takes_closes_without_a_byte():
    play("I connected\n I client LOGIN alice 1\n E close\n E end no_route", routes=())


def test_a_slow_login_is_cut_off_at_its_deadline():
    play("I connected\n I after 9.9\n I tick\n I after 0.2\n I tick\n E close\n E end login_timeout")


@pytest.mark.req("BY-1", "M7-11")
def test_a_refusal_is_committed_before_it_is_said():
    session = play(
        TO_CHECKING
        + """
        I judged bad_code
        E commit main/s 7 told
        I committed
        E send client NO bad_code
        E close
        E end bad_code judged
        """
    )
    assert session.state == Closed(Reason.BAD_CODE)


@pytest.mark.req("BY-1")
def test_a_refusal_that_can_not_be_committed_is_not_said():
    play(
        TO_CHECKING
        + "I judged bad_code\n E commit main/s 7 told\n I committed failed\n E close\n E end bad_code judged"
    )


def test_a_stranger_gets_no_byte():
    play(TO_CHECKING + "I judged unknown_user stranger\n E close\n E end unknown_user judged")


def test_a_silent_reason_gets_no_byte_even_on_a_known_stream():
    play(TO_CHECKING + "I judged not_bound\n E close\n E end not_bound judged")


def test_an_unreachable_engine_is_told_to_the_client():
    play(
        TO_CHECKING
        + """
        I judged yes
        E dial main
        I dialled failed
        E commit main/s 7 told
        I committed
        E send client NO upstream_unreachable
        E close
        E end upstream_unreachable sess-1 end
        """
    )


def test_an_engine_that_can_not_be_dialled_in_time_is_told_to_the_client():
    play(
        TO_CHECKING
        + """
        I judged yes
        E dial main
        I after 5
        I tick
        E commit main/s 7 told
        I committed
        E send client NO upstream_silent
        E close
        E end upstream_silent sess-1 end
        """
    )


def test_an_order_while_the_engine_is_dialled_is_told_to_the_client():
    play(
        TO_CHECKING
        + "I judged yes\n E dial main\n I order kicked\n E commit main/s 7 told\n I committed\n"
        + "E send client NO kicked\n E close\n E end kicked sess-1 end"
    )


def test_a_dialect_that_may_say_nothing_closes_without_a_byte():
    to_dial = TO_CHECKING + "I judged yes\n E dial main\n"
    play(to_dial + "I dialled failed\n E close\n E end upstream_unreachable sess-1 end", dialect=Silent())
    play(TO_PASSING + "I order kicked\n E close\n E end kicked sess-1 end", dialect=Silent())
    play(TO_PASSING + "I after 31\n I tick\n E close\n E end idle sess-1 end", dialect=Silent())


def test_an_engine_that_breaks_a_rule_before_it_answers_ends_the_login():
    play(TO_ADMITTING + "I upstream EVIL\n E close\n E end garbled sess-1 end")


def test_an_engine_that_does_not_answer_is_timed_out_without_a_word():
    play(TO_ADMITTING + "I after 5\n I tick\n E close\n E end upstream_silent sess-1 end")


def test_the_engines_own_refusal_passes_to_the_client():
    play(
        TO_ADMITTING
        + "I upstream NO\n E send client NO\n I lost upstream\n E close\n E end upstream_refused sess-1 end"
    )


def test_an_engine_that_closes_during_the_login_ends_it():
    play(TO_ADMITTING + "I lost upstream\n E close\n E end upstream_closed sess-1 end")


@pytest.mark.req("M7-10", "M7-12")
def test_a_dropped_client_ends_the_session():
    play(TO_PASSING + "I lost client\n E close\n E end client_lost sess-1 end")


def test_a_dropped_engine_ends_the_session():
    play(TO_PASSING + "I lost upstream\n E close\n E end upstream_lost sess-1 end")


def test_after_both_said_goodbye_a_drop_is_a_logout():
    play(
        TO_PASSING
        + "I client BYE\n E send upstream BYE\n I upstream BYE\n E send client BYE\n I lost upstream\n E close\n E end logout sess-1 end"
    )


@pytest.mark.req("SF-10", "M7-12", "BY-5")
def test_idle_is_a_forced_logout_and_business_postpones_it():
    play(
        TO_PASSING
        + """
        I after 29
        I tick busy
        I after 29
        I tick
        I after 2
        I tick
        E unpipe
        E commit main/s 7 told
        I committed
        E send client OUT idle
        E close
        E end idle sess-1 end
        """
    )


@pytest.mark.req("SF-9")
def test_business_does_not_postpone_the_end_of_life():
    play(
        TO_PASSING
        + """
        I after 99
        I tick busy
        I after 1
        I tick busy
        E unpipe
        E commit main/s 7 told
        I committed
        E send client OUT lifetime
        E close
        E end lifetime sess-1 end
        """
    )


def test_a_kick_is_told_and_nothing_passes_while_it_is_committed():
    play(
        TO_PASSING
        + """
        I order kicked
        E unpipe
        E commit main/s 7 told
        I client order 2
        I upstream fill 2
        I committed
        E send client OUT kicked
        E close
        E end kicked sess-1 end
        """
    )


def test_another_identity_on_a_live_connection_closes_it():
    play(TO_PASSING + "I client EVIL\n E close\n E end identity_changed sess-1 end")


def test_a_client_that_left_while_it_was_judged_frees_the_place_it_was_granted():
    play(
        TO_CHECKING + "I lost client\n E close\n E end client_left judged\n I judged yes\n E end client_left sess-1 was"
    )


@pytest.mark.req("SF-4")
def test_a_late_yes_while_the_refusal_is_committed_frees_the_place_it_was_granted():
    play(
        TO_CHECKING
        + """
        I judged unavailable
        E commit main/s 7 told
        I judged yes
        E end client_left sess-1 was
        I committed
        E send client NO unavailable
        E close
        E end unavailable judged
        """
    )


def test_a_client_that_left_before_its_login_was_forwarded_leaves_the_stream_as_it_was():
    play(TO_CHECKING + "I judged yes\n E dial main\n I lost client\n E close\n E end client_left sess-1 was")


def test_a_client_that_left_while_it_was_refused_needs_nothing_more():
    play(TO_CHECKING + "I lost client\n E close\n E end client_left judged\n I judged bad_code")


@pytest.mark.parametrize("start", [TO_CHECKING, TO_ADMITTING], ids=["checking", "admitting"])
def test_a_shutdown_during_a_login_closes_without_a_word(start):
    session = play(
        start + "I order shutdown\n E close\n E end shutdown" + (" sess-1 end" if start is TO_ADMITTING else "")
    )
    assert session.state == Closed(Reason.SHUTDOWN)


def test_after_the_end_nothing_is_done():
    play(
        TO_PASSING
        + "I lost client\n E close\n E end client_lost sess-1 end\n"
        + "I lost upstream\n I client x\n I upstream x\n I tick\n I order kicked\n I committed\n I dialled"
    )


def test_a_dialect_that_needs_its_upstream_first_dials_on_accept_and_not_again():
    play(
        """
        I connected
        E dial main
        I dialled
        I client LOGIN alice 1
        E verify alice at main
        I judged yes
        E send upstream LOGIN alice
        """,
        dialect=LineDialect(dials_on_accept=True),
    )


def test_a_dialect_that_needs_its_upstream_first_says_why_there_is_none():
    play(
        "I connected\n E dial main\n I dialled failed\n E close\n E end upstream_unreachable",
        dialect=LineDialect(dials_on_accept=True),
    )
