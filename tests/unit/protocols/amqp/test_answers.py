from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree

from gateway.core.reason import Reason
from gateway.protocols.amqp.answers import logout_report, logout_request, refusal
from gateway.settings.load import read_venue

M7 = read_venue("m7", "amqp")
OTHER = read_venue("amqp-generic", "amqp")
NS = "{http://www.deutsche-boerse.com/m7/v6}"
SCHEMA = etree.XMLSchema(file=Path(__file__).parents[4] / "fix_specs" / "m7-login.xsd")


def test_a_refusal_tells_the_words_as_an_auth_error():
    root = etree.fromstring(refusal(M7, "Login refused: check <code>"))
    assert f"{NS}ErrResp" == root.tag
    assert dict(root[0].attrib) == {"err": "Auth error: Login refused: check <code>"}


def test_a_refusal_has_the_number_that_the_venue_names():
    root = etree.fromstring(refusal(replace(M7, refusal_code="1042"), "no"))
    assert root[0].get("errCode") == "1042"


def test_a_refusal_is_in_the_words_of_the_other_venue():
    assert refusal(OTHER, "no").partition(b"\n")[2] == b'<Rejected><Reason text="no" code="401"/></Rejected>'


@pytest.mark.req("M7-12")
def test_a_logout_request_names_the_session():
    root = etree.fromstring(logout_request(M7, "A", "S-1"))
    assert (f"{NS}LogoutReq", {"sessionId": "S-1"}) == (root.tag, dict(root.attrib))
    assert (f"{NS}StandardHeader", {"marketId": "EPEX"}) == (root[0].tag, dict(root[0].attrib))


def test_a_logout_request_goes_without_a_session_that_is_not_known():
    assert dict(etree.fromstring(logout_request(M7, "A", "")).attrib) == {}


def test_a_logout_request_names_the_user_where_the_venue_wants_it():
    assert logout_request(OTHER, "A", "S-1").partition(b"\n")[2] == b'<Logoff name="A"/>'


@pytest.mark.req("M7-12")
@pytest.mark.parametrize(
    ("reason", "word"), [(Reason.IDLE, "INACTIVITY"), (Reason.KICKED, "FORCED"), (Reason.SHUTDOWN, "FORCED")]
)
def test_a_logout_report_has_the_venues_word_for_the_reason(reason, word):
    root = etree.fromstring(logout_report(M7, "A", reason, "text"))
    assert (f"{NS}LogoutRprt", {"usrId": "A", "reason": word}) == (root.tag, dict(root.attrib))


def test_a_logout_report_has_the_text_where_the_venue_has_a_place_for_it():
    assert logout_report(OTHER, "A", Reason.IDLE, "idle").partition(b"\n")[2] == b'<LoggedOff name="A" text="idle"/>'


def test_a_message_that_the_venue_does_not_have_is_empty():
    silent = replace(OTHER, logout="", logged_out="")
    assert (logout_request(silent, "A", ""), logout_report(silent, "A", Reason.IDLE, "")) == (b"", b"")


@pytest.mark.parametrize("user", ["A\x00B", "A\x1bB", "A\ud800B", "A\uffffB"])
def test_what_xml_can_not_carry_becomes_a_question_mark(user):
    assert etree.fromstring(logout_report(M7, user, Reason.IDLE, "")).get("usrId") == "A?B"


@pytest.mark.parametrize(
    "message",
    [
        refusal(M7, "no"),
        logout_request(M7, "A", "S-1"),
        logout_request(M7, "A", ""),
        logout_report(M7, "A", Reason.IDLE, ""),
    ],
)
def test_every_message_fits_the_schema(message):
    SCHEMA.assertValid(etree.fromstring(message))
