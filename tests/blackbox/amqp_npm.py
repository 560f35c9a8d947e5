"""amqplib and axe-core from npm, installed once for all test runs from the lock in `tests/npm`, outside the clone.

The folder is keyed by the lock's hash and filled under a file lock; npm checks the integrity hashes. It must not touch the
clone, nor name a registry: npm's own configuration does.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "npm"
_SECONDS = 180


def installed() -> Path:
    """Return the folder whose node_modules hold both; skips where there is no Node.js at all."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed: what needs them can't be tried (apt-get install nodejs npm)")
    folder = _cache() / hashlib.sha256((SOURCE / "package-lock.json").read_bytes()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "whole").exists():
            _install(folder)
    return folder


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "login-session-gateway" / "npm"


def _install(folder: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(SOURCE / name, folder / name)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=False)
    assert done.returncode == 0, f"npm ci: {done.returncode}\n{done.stdout}\n{done.stderr}"
    (folder / "whole").touch()
