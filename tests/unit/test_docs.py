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


BLOCKS = re.findall(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)


@pytest.mark.parametrize(
    ("block", "leads"),
    [(0, ("fix", "127.0.0.1:9878", ("127.0.0.1:9880",))), (1, ("amqp", "127.0.0.1:5673", ("127.0.0.1:5672",)))],
    ids=["fix", "amqp"],
)
def test_a_configuration_in_the_readme_works_as_printed(block, leads, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("gateway.toml").write_text(BLOCKS[block])
    Path("broker-password").write_text("secret")

    settings = load(serving=True).settings

    found = settings.listener[0]
    assert (found.protocol, found.address, settings.route[0].upstream) == leads


def test_the_portals_configuration_in_the_readme_works_beside_the_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("gateway.toml").write_text(BLOCKS[0] + BLOCKS[2])

    settings = load(serving=True).settings

    assert (settings.portal.address, settings.notify.mail is not None) == ("127.0.0.1:8480", True)


def test_every_configuration_in_the_readme_is_looked_at():
    assert len(BLOCKS) == 3


def test_links_between_the_documents_lead_somewhere():
    broken = [
        f"{file.relative_to(ROOT)}: {target}"
        for file in [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
        for target in re.findall(r"\]\((?!https?://|#|mailto:)([^)#]+)[^)]*\)", file.read_text())
        if not (file.parent / target).exists()
    ]

    assert broken == []
