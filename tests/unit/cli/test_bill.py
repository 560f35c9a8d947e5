import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from gateway import __version__

LOCK = Path(__file__).resolve().parents[3] / ".ci/lock/runtime.txt"


def packages() -> list[Requirement]:
    lines = LOCK.read_text().splitlines()
    return [Requirement(line.rstrip(" \\")) for line in lines if line and not line.startswith((" ", "#"))]


def locked() -> dict[str, str]:
    """Each package's version, of those that this machine needs."""
    return {
        one.name: str(one.specifier).removeprefix("==")
        for one in packages()
        if one.marker is None or one.marker.evaluate()
    }


@pytest.mark.req("SF-14")
def test_every_package_is_locked_to_one_version_with_its_hashes():
    blocks = re.split(r"\n(?=\S)", LOCK.read_text().strip())

    assert len(blocks) == len(packages()) > 40
    assert all(re.fullmatch(r"==[^=*]+", str(one.specifier)) for one in packages())
    assert [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == []


@pytest.mark.req("SF-14")
def test_the_bill_of_materials_names_every_package_that_is_locked_with_its_version(gateway):
    bill = gateway("sbom").data

    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    named = {one["name"]: one["version"] for one in bill["components"]}
    assert locked().items() <= named.items()
    assert all(one["purl"] == f"pkg:pypi/{one['name']}@{one['version']}" for one in bill["components"])


def test_it_says_whose_bill_it_is(gateway):
    ours = gateway("sbom").data["metadata"]["component"]

    assert (ours["name"], ours["version"], ours["type"]) == ("login-session-gateway", __version__, "application")
