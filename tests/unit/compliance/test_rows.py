"""The shipped data: every row has an answer, and every answer names what there is."""

import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from gateway.compliance.checks import CHECKS
from gateway.compliance.facts import evidence, values
from gateway.compliance.rows import Row, read
from gateway.settings.data import data_folder, names_in

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.req("BY-9")


def test_every_requirement_has_an_answer_and_every_answer_a_requirement():
    answers = tomllib.loads((data_folder() / "config/compliance.toml").read_text())["rows"]
    wording = tomllib.loads((ROOT / "docs/requirements.toml").read_text())

    assert set(answers) == {row for rows in wording.values() for row in rows} == set(read().rows)


def test_every_answer_names_settings_evidence_and_checks_that_there_are(facts):
    known = {"settings": values(facts()), "evidence": evidence(facts()), "checks": CHECKS}
    unknown = [
        f"{row.id}: {kind} {name}"
        for row in read().rows.values()
        for kind, names in known.items()
        for name in getattr(row, kind)
        if name not in names
    ]

    assert unknown == []


def test_every_answer_says_something():
    said = [field.name for field in fields(Row) if field.name not in {"id", "demand", "tests", "evidence", "checks"}]

    assert [row.id for row in read().rows.values() if not any(getattr(row, name) for name in said)] == []


def test_every_profile_says_which_rows_concern_it():
    assert set(read().profiles) == set(names_in("profiles"))


def test_a_profile_is_measured_by_its_families_and_by_the_rows_its_bounds_name():
    found = {row.id for row in read().concerning("cqg", frozenset({"TW-5"}))}

    assert {"CQ-1", "BY-6", "TW-5"} <= found
    assert {"TW-6", "M7-1", "HK-1"} & found == set()


def test_every_test_that_is_cited_is_in_the_tree():
    files = {test.partition("::")[0] for row in read().rows.values() for test in row.tests}

    assert [file for file in sorted(files) if not (ROOT / file).is_file()] == []


@pytest.mark.req("SF-21")
def test_mobile_controls_are_none_of_a_gateways_business():
    assert read().rows["SF-21"].not_applicable
