"""Programs of Debian's that a few tests need: found, else installed by root, else the test is skipped and says what is missing."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
_NO_SERVICES = Path("/usr/sbin/policy-rc.d")


def provide(program: str, package: str, *, answers: str = "") -> str:
    """Return the program's path. `answers` are for debconf. Once per machine, whichever worker comes first; no service is started."""
    with (Path(tempfile.gettempdir()) / f"gateway-test-packages-{os.getuid()}").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if shutil.which(program, path=_PATH) is None:
            _install(program, package, answers)
        found = shutil.which(program, path=_PATH)
    return found or pytest.skip(f"{package} is installed and has no {program}")


def _install(program: str, package: str, answers: str) -> None:
    if os.getuid() != 0 or shutil.which("apt-get") is None:
        pytest.skip(f"{program} is missing and can't be installed here: as root, apt-get install {package}")
    ours = not _NO_SERVICES.exists()
    if ours:
        _NO_SERVICES.write_text("#!/bin/sh\nexit 101\n")
        _NO_SERVICES.chmod(0o755)
    try:
        if answers:
            _run("debconf-set-selections", stdin=answers)
        _run("apt-get", "update", "-qq")
        _run("apt-get", "install", "-y", "-qq", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120", package)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"{program} is missing and {package} can't be installed: {error.stderr[-300:]}")
    finally:
        if ours:
            _NO_SERVICES.unlink()


def _run(*command: str, stdin: str = "") -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "PATH": _PATH}
    subprocess.run(command, input=stdin, env=environment, capture_output=True, text=True, timeout=280, check=True)
