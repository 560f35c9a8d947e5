"""What every test shares: the `deep` marker stays out unless asked for, and `req` markers make a list of who proves what."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# That a machine is busy is no finding. `make test` plays the same examples each time, `make deep` looks for new ones.
settings.register_profile("deep", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("test", settings.get_profile("deep"), derandomize=True)
settings.load_profile("test")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--requirements", type=Path, help="write which tests cite which requirement, as JSON, to this file"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    target = config.getoption("--requirements")
    if target:
        target.write_text(json.dumps(_cited(items), indent=1, sort_keys=True))
    if "deep" not in config.getoption("-m"):
        deep = [item for item in items if item.get_closest_marker("deep")]
        config.hook.pytest_deselected(items=deep)
        items[:] = [item for item in items if item not in deep]


def _cited(items: list[pytest.Item]) -> dict[str, list[str]]:
    """Map a requirement's id to the tests that cite it, parameters left out."""
    cited: dict[str, set[str]] = {}
    for item in items:
        test = item.nodeid.split("[", maxsplit=1)[0]
        for marker in item.iter_markers("req"):
            for row in marker.args:
                cited.setdefault(row, set()).add(test)
    return {row: sorted(tests) for row, tests in cited.items()}
