"""What is said about swallowed messages, wills and the courier: each once, and nothing that could hold a secret."""

import pytest
from structlog.testing import capture_logs

from gateway.core.fault import Told
from gateway.core.login import Origin
from gateway.core.reason import Reason
from gateway.observe.journal import Journal

ORIGIN = Origin("c1", "front", "192.0.2.1", 9)


def value(journal, name, **labels):
    return journal.metrics.registry.get_sample_value(name, labels)


def test_every_swallowed_message_is_counted_and_the_first_is_a_line():
    journal = Journal()

    with capture_logs() as lines:
        for number in range(3):
            journal.message_declined(ORIGIN, Reason.NOT_LOGGED_IN, first=number == 0)

    assert value(journal, "gateway_messages_declined_total", reason="not_logged_in") == 3
    assert [(line["event"], line["reason"]) for line in lines] == [("message_declined", "not_logged_in")]


@pytest.mark.req("M7-12")
def test_a_will_is_counted_by_whether_the_venue_took_it():
    journal = Journal()

    journal.will_owed("s1", "m7", TimeoutError())
    journal.will_delivered("s1", "m7")

    assert value(journal, "gateway_wills_total", route="m7", outcome="owed") == 1
    assert value(journal, "gateway_wills_total", route="m7", outcome="delivered") == 1


@pytest.mark.req("TW-10")
def test_of_the_couriers_failures_only_the_kind_is_shown():
    journal = Journal()

    with capture_logs() as lines:
        journal.courier_failed("m7", "127.0.0.1:5672", ConnectionError("amqp://svc:hunter2@127.0.0.1"))

    assert lines[0]["error"] == "ConnectionError"
    assert "hunter2" not in str(lines)


@pytest.mark.req("TW-10")
def test_of_a_failure_only_the_kind_is_shown_but_for_what_is_meant_to_be_told():
    journal = Journal()

    with capture_logs() as lines:
        journal.failed("verify", ConnectionError("hunter2"))
        journal.failed("verify", Told("ldaps://directory: Connection refused"))

    assert [(line["error"], line.get("detail")) for line in lines] == [
        ("ConnectionError", None),
        ("Told", "ldaps://directory: Connection refused"),
    ]


@pytest.mark.req("TW-10")
def test_what_became_of_a_notice_is_counted_and_names_nobody():
    journal = Journal()

    with capture_logs() as lines:
        journal.notice_sent("mail")
        journal.notice_put_off("mail", "login.admitted", "SMTPDataError 451", 2.04)
        journal.notice_given_up("mail", "letter.setup", "too late")
        journal.channel_away("hook:siem", "ConnectError")
        journal.outbox(7)

    outcomes = {"sent": "mail", "put_off": "mail", "given_up": "mail", "away": "hook:siem"}
    for outcome, channel in outcomes.items():
        assert value(journal, "gateway_notices_total", channel=channel, outcome=outcome) == 1
    assert value(journal, "gateway_outbox_waiting") == 7
    assert [line["event"] for line in lines] == ["notice_put_off", "notice_given_up", "channel_away"]
