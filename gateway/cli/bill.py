"""The bill of materials: every package of the environment that this program runs in, as CycloneDX 1.6 (SF-14)."""

import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import Distribution, distributions
from typing import Any

from gateway.cli.output import print_json

_OURS = "login-session-gateway"


def sbom() -> None:
    """Print the bill of materials of this installation: each package with its version, for an audit (CycloneDX 1.6, JSON)."""
    print_json(bill())


def bill() -> dict[str, Any]:
    """Return it. What is installed is named, not what was locked: an environment that was changed by hand shows."""
    components = sorted(_components(), key=lambda one: str(one["purl"]))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": uuid.uuid4().urn,
        "version": 1,
        "metadata": {
            "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
            "component": next(one for one in components if one["name"] == _OURS) | {"type": "application"},
        },
        "components": [one for one in components if one["name"] != _OURS],
    }


def _components() -> Iterator[dict[str, Any]]:
    found = {_canonical(one.metadata["Name"]): one for one in distributions()}
    for name, distribution in found.items():
        purl = f"pkg:pypi/{name}@{distribution.version}"
        yield {
            "type": "library",
            "bom-ref": purl,
            "name": name,
            "version": distribution.version,
            "purl": purl,
            **_licence(distribution),
        }


def _licence(distribution: Distribution) -> dict[str, Any]:
    expression = distribution.metadata.json.get("license_expression")
    return {"licenses": [{"expression": expression}]} if expression else {}


def _canonical(name: str) -> str:
    """Return a package's name as package URLs have it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
