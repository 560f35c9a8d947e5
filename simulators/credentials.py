"""Where a venue wants user, password and one-time code in a Logon, and how the algorithm makes the code.

Secrets come from files, the environment or the control channel, never from the command line, which any process
on the machine can read. It must not print or log them.
"""

import base64
import datetime as dt
import hashlib
from dataclasses import dataclass
from pathlib import Path

import pyotp
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

_DIGESTS = {"sha1": hashlib.sha1, "sha256": hashlib.sha256, "sha512": hashlib.sha512}
_LENGTH_TAGS = {96: 95, 1402: 1401}
ENCRYPTED_PASSWORD = 1402
METHODS = {"oaep": 101, "pkcs1": 1}  # 1400 EncryptedPasswordMethod: 1 is RSA, from 100 on they are agreed upon


@dataclass(repr=False)
class CodeSource:
    """Makes the one-time code of the moment, or repeats a fixed one.

    Invariant: at most one of `fixed` and `silent` is in force; `steps` counts time steps from now, -1 is stale.
    """

    secret: str
    digits: int = 6
    digest: str = "sha1"
    interval: int = 30
    fixed: str | None = None
    silent: bool = False
    steps: int = 0

    def code(self) -> str | None:
        """Return the code to send, None when none is to be sent (RFC 6238)."""
        if self.silent or not (self.secret or self.fixed):
            return None
        return self.fixed or self._made()

    def steer(self, value: str, steps: int) -> None:
        """`auto` (with steps: -1 = the code that just ended), `freeze` (this one, again and again), `none`, or digits."""
        self.steps = steps
        self.silent = value == "none"
        self.fixed = None
        if value == "freeze":
            self.fixed = self._made()
        elif value not in {"auto", "none"}:
            self.fixed = value

    def _made(self) -> str:
        totp = pyotp.TOTP(self.secret, digits=self.digits, digest=_DIGESTS[self.digest], interval=self.interval)
        return totp.at(dt.datetime.now(dt.UTC), counter_offset=self.steps)


@dataclass(repr=False)
class Layout:
    """Which tag carries what: 553/554/20030 unless told otherwise; CQG has 50/96/20030 (CQ-7).

    Invariant: with `appended` the code is the end of the password and has no tag of its own.
    """

    user_tag: int = 553
    password_tag: int = 554
    code_tag: int | None = 20030
    appended: bool = False
    public_key: Path | None = None
    rsa_padding: str = "oaep"

    def fields(self, user: str, password: str, code: str | None) -> dict[int, str]:
        """Return the fields to add to the Logon, data fields after their lengths; empty values are left out."""
        fields = {self.user_tag: user} if user else {}
        if self.appended:
            password += code or ""
        elif code and self.code_tag is not None:
            fields[self.code_tag] = code
        if password:
            fields |= self._password_fields(password)
        return fields

    def _password_fields(self, password: str) -> dict[int, str]:
        if self.password_tag != ENCRYPTED_PASSWORD:
            return self._with_length(self.password_tag, password)
        return {
            1400: str(METHODS[self.rsa_padding]),
            **self._with_length(ENCRYPTED_PASSWORD, self._encrypted(password)),
        }

    def _with_length(self, tag: int, value: str) -> dict[int, str]:
        length_tag = _LENGTH_TAGS.get(tag)
        return {tag: value} if length_tag is None else {length_tag: str(len(value.encode())), tag: value}

    def _encrypted(self, password: str) -> str:
        if self.public_key is None:
            raise ValueError("tag 1402 needs a public key (--public-key)")
        key = serialization.load_pem_public_key(self.public_key.read_bytes())
        if not isinstance(key, rsa.RSAPublicKey):
            raise TypeError("the public key must be an RSA key")
        scheme = _OAEP if self.rsa_padding == "oaep" else padding.PKCS1v15()
        return base64.b64encode(key.encrypt(password.encode(), scheme)).decode()


_OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
