"""Documents that come from the code are what the code says now."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from gateway.settings import load

ROOT = Path(__file__).resolve().parents[2]


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs/generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["docs_generate"] = module
    spec.loader.exec_module(module)
    return module


PAGES = generator().PAGES


@pytest.mark.parametrize("page", PAGES)
def test_a_generated_page_is_fresh(page: str):
    assert PAGES[page]() == (ROOT / page).read_text(), f"{page} is stale: run `make docs`"


def test_the_configuration_in_the_readme_works_as_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    Path("gateway.toml").write_text(block)

    found = load(serving=True)

    assert (found.settings.listener[0].address, found.settings.route[0].upstream) == (
        "127.0.0.1:9878",
        ("127.0.0.1:9880",),
    )


def test_links_between_the_documents_lead_somewhere():
    broken = [
        f"{file.relative_to(ROOT)}: {target}"
        for file in [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
        for target in re.findall(r"\]\((?!https?://|#|mailto:)([^)#]+)[^)]*\)", file.read_text())
        if not (file.parent / target).exists()
    ]

    assert broken == []
