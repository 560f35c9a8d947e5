"""Verdicts: nothing is met on somebody's word."""

from dataclasses import replace

import pytest

from gateway.compliance.report import Verdict, build
from gateway.compliance.rows import Catalogue, Row
from gateway.policy.organisations import Policies
from gateway.policy.profile import Bound, Profile
from gateway.policy.rules import Policy, SessionRules
from gateway.store.audit import Verification
from tests.unit.compliance.conftest import settings, survey

pytestmark = pytest.mark.req("BY-9")
GOOD = Row("SF-10", "Idle at most 30 minutes", ("tests/x.py::test_idle",), settings=("sessions.idle",))
IDLE = Bound("sessions.idle", "SF-10", "idle at most 30 min", at_most=1800)


def judged(row, facts, *bounds, name="sfc-vatp"):
    profile = Profile(name, "A profile", Policy(), bounds)
    report = build(profile, Catalogue({row.id: row}, {name: ("SF", "BY")}), facts, "1.0")
    return report.lines[0]


def test_a_setting_and_a_test_make_a_row_met(facts):
    line = judged(GOOD, facts(), IDLE)

    assert (line.verdict, line.why) == (Verdict.MET, "")
    assert line.settings == (("sessions.idle", "1800 s (30 min)"),)


def test_a_mechanism_and_a_test_do_as_well(facts):
    assert judged(replace(GOOD, settings=(), mechanism="it does"), facts()).verdict is Verdict.MET


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"tests": ()}, "no test proves it"),
        ({"settings": ()}, "nothing in this version is known to answer it"),
        ({"missing": "half of it"}, "half of it"),
    ],
)
def test_what_has_no_test_no_answer_or_only_half_of_one_is_not_met(facts, change, why):
    line = judged(replace(GOOD, **change), facts())

    assert (line.verdict, line.why) == (Verdict.NOT_BUILT, why)


def test_a_setting_weaker_than_the_profile_deviates_and_the_line_says_why(facts):
    weak = replace(Policy(), sessions=SessionRules(idle=3600.0))

    line = judged(GOOD, facts(policies=Policies(weak)), IDLE)

    assert line.verdict is Verdict.DEVIATING
    assert "sessions.idle = 3600: must be at most 1800" in line.why


def test_what_breaks_a_row_is_said_even_where_half_of_it_is_not_built(facts):
    row = replace(GOOD, missing="half of it", checks=("audit_intact",))

    line = judged(row, facts(audit=Verification(3, 2, "row 2 was changed")))

    assert line.verdict is Verdict.DEVIATING
    assert line.why == "the audit chain is broken at row 2: row 2 was changed; not built yet: half of it"


def test_what_is_not_applicable_says_why_and_is_not_judged(facts):
    row = replace(GOOD, not_applicable="none of its business", checks=("listeners_encrypted",))

    assert judged(row, facts()).verdict is Verdict.NOT_APPLICABLE


def test_only_a_deviation_deviates(facts):
    unbuilt = replace(GOOD, missing="all of it")
    profile = Profile("sfc-vatp", "A profile", Policy(), ())
    catalogue = Catalogue({"SF-10": unbuilt}, {"sfc-vatp": ("SF",)})

    assert not build(profile, catalogue, facts(), "1.0").deviates
    weak = replace(catalogue, rows={"SF-10": replace(unbuilt, checks=("routes_encrypted",))})
    assert build(profile, weak, facts(), "1.0").deviates


@pytest.mark.parametrize(
    ("check", "changes", "words"),
    [
        ("listeners_encrypted", {}, "plain listener"),
        ("routes_encrypted", {}, "route without TLS: engine"),
        ("certificates_demanded", {}, "no client certificate: fix"),
        ("portal_named", {}, "portal.url is not set"),
        ("cqg_venue", {}, "no listener has the venue cqg"),
        ("nobody_without_code", {"survey": survey(without_code=2)}, "of 2 users no code is demanded"),
        ("authenticators_within_limit", {"survey": survey(most_authenticators=4)}, "4 authenticators, 3 are allowed"),
        ("sessions_within_limit", {"survey": survey(most_sessions=9)}, "9 live sessions, 8 are allowed"),
        ("audit_intact", {"audit": Verification(0, 1, "row 1 was changed")}, "broken at row 1"),
        ("software_maintained", {"now": 4_000_000_000.0}, "no longer mended by its makers: Python 3.14.2"),
    ],
)
def test_a_fact_that_speaks_against_a_row_makes_it_deviate(facts, check, changes, words):
    line = judged(replace(GOOD, checks=(check,)), facts(**changes))

    assert line.verdict is Verdict.DEVIATING
    assert words in line.why


def test_a_store_behind_a_network_must_be_encrypted(facts):
    from gateway.compliance.survey import Server

    row = replace(GOOD, checks=("store_encrypted",))

    assert judged(row, facts(survey=survey(server=Server("17.1", encrypted=False)))).verdict is Verdict.DEVIATING
    assert judged(row, facts(survey=survey(server=Server("17.1", encrypted=True)))).verdict is Verdict.MET
    assert judged(row, facts(survey=survey(server=Server()))).verdict is Verdict.MET


def test_facts_that_are_well_leave_a_row_met(facts):
    listener = settings().listener[0].model_copy(update={"venue": "cqg"})
    row = replace(GOOD, checks=("cqg_venue", "audit_intact", "software_maintained", "nobody_without_code"))

    assert judged(row, facts(settings=settings(listener=(listener,)))).verdict is Verdict.MET
