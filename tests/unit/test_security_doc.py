"""What docs/security.md says of the ASVS is whole, and each test it names exists."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = {"6.1": 3, "6.2": 12, "6.3": 8, "6.4": 6, "6.5": 8, "6.6": 4, "6.7": 2, "6.8": 4, "7.1": 3, "7.2": 4, "7.3": 2, "7.4": 5, "7.5": 3, "7.6": 2}  # fmt: skip
"""Requirements in each section of ASVS 5.0, chapters V6 and V7."""
ROW = re.compile(r"^\| (\d\.\d\.\d+) \| (.+?) \| (.*?) \| (?:(.*?) )?\|(?: `(.+?)`)? \|$", re.MULTILINE)
ROWS = ROW.findall((ROOT / "docs/security.md").read_text())


def test_every_requirement_has_one_row():
    wanted = [f"{section}.{number}" for section, many in CHAPTERS.items() for number in range(1, many + 1)]

    assert [row[0] for row in ROWS] == wanted


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_a_row_is_proved_or_says_why_not(row):
    number, _, verdict, how, proof = row
    assert verdict in {"met", "partly", "no", "n/a"}, number
    assert proof or verdict in {"no", "n/a"}, number
    assert how or verdict == "met", number


@pytest.mark.parametrize("proof", sorted({row[4] for row in ROWS if row[4]}))
def test_a_named_test_exists(proof: str):
    path, _, name = proof.partition("::")
    tree = ast.parse((ROOT / "tests" / path).read_text())

    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_field_for_a_password_is_masked_and_known_to_password_managers():
    macro = re.search(
        r"macro password\(.*?endmacro", (ROOT / "gateway/portal/templates/form.html").read_text(), re.DOTALL
    )
    assert macro
    assert '"password"' in macro.group()
    assert '"new-password" if new else "current-password"' in macro.group()
    for template in sorted((ROOT / "gateway/portal/templates").glob("*.html")):
        for field in re.findall(r'<input[^>]*name="[^"]*password[^"]*"[^>]*>', template.read_text()):
            assert 'type="password"' in field, template.name
            assert "autocomplete=" in field, template.name
