"""A real PKCS#11 token for the tests: Debian's SoftHSM2 with its tokens in a folder of the test's own. It must not import the gateway."""

import json
import os
import subprocess
import sys
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.blackbox.packages import provide

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
LABEL, PIN = "gateway", "1928374655"
ROOT = Path(__file__).resolve().parents[2]


class Token:
    """A token with RSA keys by their labels. `environment` is what a process needs to find it."""

    def __init__(self, folder: Path) -> None:
        self._program = provide("softhsm2-util", "softhsm2")
        self.folder = folder
        self.tokens = folder / "tokens"
        self.tokens.mkdir(parents=True)
        conf = folder / "softhsm2.conf"
        conf.write_text(f"directories.tokendir = {self.tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
        self.environment = {"SOFTHSM2_CONF": str(conf)}
        self._util("--init-token", "--free", "--label", LABEL, "--pin", PIN, "--so-pin", "5647382910")

    def add(self, label: str, bits: int = 2048) -> rsa.RSAPublicKey:
        """Put a new key into it, which is nowhere else then; returns its public half."""
        key = rsa.generate_private_key(65537, bits)
        file = self.folder / "import.pem"
        form = serialization.PrivateFormat.PKCS8
        file.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
        self._util(
            "--import", str(file), "--token", LABEL, "--label", label, "--id", label.encode().hex(), "--pin", PIN
        )
        file.unlink()
        return key.public_key()

    def run(self, program: str, **values: str) -> str:
        """Run Python in a process that finds the token, with `values` in `given`; returns what it printed."""
        head = "import json, sys; given = json.loads(sys.argv[1])\n"
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", head + program, json.dumps(values)],
            env={**os.environ, **self.environment},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def settings(self, name: str, padding: str, *, key: str, pin: str = PIN) -> str:
        """Return the gateway's configuration of one key."""
        return (
            f'[[password_key]]\nname = "{name}"\npadding = "{padding}"\n[password_key.token]\n'
            f'module = "{MODULE}"\ntoken = "{LABEL}"\nkey = "{key}"\npin = "{pin}"\n'
        )

    def _util(self, *arguments: str) -> None:
        done = subprocess.run(
            [self._program, *arguments],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr + done.stdout
