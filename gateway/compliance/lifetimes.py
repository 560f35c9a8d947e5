"""Which release lines are still mended by those who make them (SF-15). The dates stand in config/end-of-life.toml."""

import platform
import re
import ssl
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from gateway.settings.data import data_folder

SOON = 90
"""Days before the end from which it is worth a warning: an upgrade takes a quarter."""
NAMES = {"python": "Python", "openssl": "OpenSSL", "postgresql": "PostgreSQL"}


@dataclass(frozen=True, slots=True)
class Software:
    """One program in use. `ends` is the last day of upstream's fixes, None where the table has no such line."""

    name: str
    version: str
    ends: date | None

    def ended(self, today: date) -> bool:
        """Say whether upstream mends it no more."""
        return self.ends is not None and today > self.ends

    def ends_soon(self, today: date) -> bool:
        """Say whether it will end within SOON days."""
        return self.ends is not None and not self.ended(today) and (self.ends - today).days <= SOON

    def words(self, today: date) -> str:
        """Say in words how long it is mended."""
        if self.ends is None:
            return f"{self.name} {self.version}: not in config/end-of-life.toml"
        verb = "maintained until" if not self.ended(today) else "end of life since"
        return f"{self.name} {self.version}: {verb} {self.ends.isoformat()}"


def day(now: float) -> date:
    """Return the UTC day of wall seconds since 1970."""
    return datetime.fromtimestamp(now, UTC).date()


def running(postgresql: str = "") -> dict[str, str]:
    """Return the versions in use: this process's own, and the server's where there is one."""
    found = re.search(r"[0-9]+(\.[0-9]+)+[a-z]?", ssl.OPENSSL_VERSION)
    versions = {"python": platform.python_version(), "openssl": found[0] if found else ssl.OPENSSL_VERSION}
    return versions | ({"postgresql": postgresql} if postgresql else {})


def assess(versions: Mapping[str, str]) -> tuple[Software, ...]:
    """Look every version up in the table."""
    table = tomllib.loads((data_folder() / "config" / "end-of-life.toml").read_text())
    return tuple(Software(NAMES[name], version, _ends(table[name], version)) for name, version in versions.items())


def _ends(lines: Mapping[str, date], version: str) -> date | None:
    """Find the release line: "15.4" is of "15", "3.0.19" of "3.0"."""
    parts = re.findall(r"[0-9]+", version)
    return lines.get(".".join(parts[:2])) or lines.get(parts[0] if parts else "")
