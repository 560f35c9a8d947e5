"""One file that stands alone: well-formed, without scripts or anything fetched, and no text in it is markup."""

import re
from xml.etree import ElementTree as ET

import pytest

from gateway.compliance.html import as_html
from gateway.compliance.report import Report, Verdict, build
from gateway.compliance.rows import Catalogue, Row, read
from gateway.settings.load import named_profile
from gateway.store.audit import Verification
from tests.unit.compliance.conftest import settings

pytestmark = pytest.mark.req("BY-9")
HOSTILE = "<script>alert(1)</script>\"'&`<img src=x onerror=y>`"


def tree(text: str) -> ET.Element:
    """Parse strictly: the report keeps to XML's rules, so that a tag left open is found."""
    return ET.fromstring(text.removeprefix("<!DOCTYPE html>\n"))


@pytest.fixture
def report(facts) -> Report:
    return build(named_profile("sfc-vatp"), read(), facts(), "1.0")


def test_it_is_well_formed_and_has_a_row_for_each_line(report):
    root = tree(as_html(report))

    shown = [cell.text for cell in root.iter("td") if cell.get("class") == "id"]
    assert shown == [line.row.id for line in report.lines]
    assert len([one for one in root.iter("span") if one.get("class") == "badge"]) == len(report.lines)


def test_it_runs_no_script_and_fetches_nothing(report):
    text = as_html(report)
    root = tree(text)

    assert {element.tag for element in root.iter()} & {"script", "img", "link", "iframe", "object"} == set()
    assert [one for element in root.iter() for one in element.attrib if one.startswith("on") or one == "src"] == []
    assert re.findall(r"https?:|url\(|@import", text) == []
    assert "default-src 'none'" in root.find("head/meta[@http-equiv='Content-Security-Policy']").get("content")


def test_every_link_leads_to_the_appendix(report):
    root = tree(as_html(report))
    targets = {element.get("id") for element in root.iter() if element.get("id")}

    assert {link.get("href").removeprefix("#") for link in root.iter("a")} <= targets


def test_no_text_becomes_markup(facts):
    row = Row("SF-1", HOSTILE, (f"tests/x.py::{HOSTILE}",), ("portal.url",), HOSTILE, ("audit",), ("audit_intact",))
    catalogue = Catalogue({"SF-1": row, "SF-2": Row("SF-2", HOSTILE, missing=HOSTILE)}, {"sfc-vatp": ("SF",)})
    hostile = facts(
        settings=settings(portal={"url": "https://x/?<b>&\"'"}), audit=Verification(1, 1, f"user {HOSTILE} was changed")
    )
    report = build(named_profile("sfc-vatp"), catalogue, hostile, HOSTILE)

    text = as_html(report)

    assert report.lines[0].verdict is Verdict.DEVIATING
    assert {element.tag for element in tree(text).iter()} & {"script", "img", "bx"} == set()
    assert "<script" not in text
    assert HOSTILE.replace("`", "") in "".join(tree(text).itertext())
