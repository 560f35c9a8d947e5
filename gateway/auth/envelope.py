"""EncryptedPassword(1402) back to the password (CQ-3), off the event loop, with keys that only the authority holds (SF-12).

Nothing here says why a decryption failed: what can't be opened holds a password that nobody has, always the same for the
same bytes, so that it is checked, counted and answered like any other wrong one and there is no padding oracle.
"""

import base64
import binascii
import hmac
import secrets
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Final, Protocol

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding

from gateway.auth.bounded import Bounded
from gateway.core.fault import Told
from gateway.core.login import Sealed
from gateway.core.secret import Secret

SMALLEST_KEY = 2048
"""Bits; NIST SP 800-131A disallows less."""
PATIENCE = 5.0
"""Seconds for one opening, waiting included: a token that hangs refuses logins instead of keeping them."""


class RsaPadding(Enum):
    """EncryptedPasswordMethod(1400): 1 is RSA as in PKCS#1 v1.5; OAEP is agreed with the venue."""

    OAEP = "oaep"
    """With SHA-256."""
    OAEP_SHA1 = "oaep-sha1"
    """With SHA-1, as many libraries do it unasked; OAEP does not need a hash without collisions (RFC 8017 §B.1)."""
    PKCS1 = "pkcs1"


class KeyUnusable(ValueError):  # noqa: N818 - reads as the fact it is
    """The private key can't be used; the text says which, what is wrong and what to do, and shows no key and no PIN."""


class KeyAway(Told):
    """The key can't be asked now; the login is refused and nobody is charged for it."""


class PrivateKey(Protocol):
    """An RSA key that decrypts. Its calls block, and come from one thread at a time."""

    @property
    def size(self) -> int:
        """Bytes of its modulus, and so of whatever was encrypted for it."""

    def decrypt(self, raw: bytes) -> bytes | None:
        """Return what is inside `size` bytes; None where they were not encrypted for it so. Raises KeyAway."""

    def close(self) -> None:
        """Let go of it."""


class PemKey:
    """A key from a file. Invariants: RSA of at least 2048 bits; its repr shows nothing."""

    __slots__ = ("_key", "_padding", "size")

    def __init__(self, key: rsa.RSAPrivateKey, scheme: RsaPadding) -> None:
        self._key = key
        self._padding = padding_of(scheme)
        self.size = key.key_size // 8

    @classmethod
    def load(cls, file: Path, scheme: RsaPadding = RsaPadding.OAEP) -> "PemKey":
        """Read an unencrypted PEM file with an RSA private key. Raises KeyUnusable."""
        try:
            key = serialization.load_pem_private_key(file.read_bytes(), password=None)
        except OSError as error:
            raise KeyUnusable(f"{file}: can't be read: {error.strerror}") from None
        except (ValueError, TypeError):
            raise KeyUnusable(f"{file}: is no unencrypted PEM private key") from None
        if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < SMALLEST_KEY:
            raise KeyUnusable(f"{file}: must be an RSA key of {SMALLEST_KEY} bits or more")
        return cls(key, scheme)

    def decrypt(self, raw: bytes) -> bytes | None:
        """Return what is inside. With PKCS#1 v1.5 OpenSSL itself returns random bytes instead of an error."""
        try:
            return self._key.decrypt(raw, self._padding)
        except ValueError:
            return None

    def close(self) -> None:
        """Nothing is held."""


class Envelope:
    """Opens what was encrypted for one key. Invariant: one opening at a time, in a thread of its own; few wait."""

    def __init__(self, key: PrivateKey, *, queue: int = 256, patience: float = PATIENCE) -> None:
        self._key = key
        self._pool = Bounded("password key", 1, queue)
        self._patience = patience
        self._nobodys = secrets.token_bytes(32)

    async def open(self, sealed: bytes) -> Secret | None:
        """Return the password in `sealed`, raw RSA bytes or their base64; None where it is neither.

        Raises KeyAway, Busy, TimeoutError.
        """
        raw = _raw(sealed, self._key.size)
        return await self._pool.run(lambda: self._password_in(raw), self._patience) if raw else None

    def close(self) -> None:
        """Stop the thread, without waiting for a token that hangs."""
        self._pool.close(wait=False)
        self._key.close()

    def _password_in(self, raw: bytes) -> Secret:
        found = self._key.decrypt(raw)
        return Secret(hmac.digest(self._nobodys, raw, "sha256").hex() if found is None else found)


class Envelopes:
    """Every key by its name. Invariant: an unknown name opens nothing, it is KeyAway."""

    def __init__(self, by_name: Mapping[str, Envelope] | None = None) -> None:
        self._by_name = dict(by_name or {})

    async def open(self, sealed: Sealed) -> tuple[Secret | None, Secret | None]:
        """Return password and one-time code in `sealed`. Raises KeyAway, Busy, TimeoutError."""
        if sealed.key not in self._by_name:
            raise KeyAway(f"there is no password key {sealed.key!r}")
        password = await self._by_name[sealed.key].open(sealed.data.reveal())
        return _parted(password, sealed.code_digits)

    def close(self) -> None:
        """Let go of all keys."""
        for envelope in self._by_name.values():
            envelope.close()


def padding_of(scheme: RsaPadding) -> AsymmetricPadding:
    """Return the library's name for it."""
    if scheme is RsaPadding.PKCS1:
        return padding.PKCS1v15()
    kind = hashes.SHA256() if scheme is RsaPadding.OAEP else hashes.SHA1()  # noqa: S303 - see OAEP_SHA1
    return padding.OAEP(mgf=padding.MGF1(kind), algorithm=kind, label=None)


def _raw(sealed: bytes, size: int) -> bytes | None:
    try:
        raw = sealed if len(sealed) == size else base64.b64decode(sealed, validate=True)
    except (ValueError, binascii.Error):
        return None
    return raw if len(raw) == size else None


def _parted(password: Secret | None, digits: int) -> tuple[Secret | None, Secret | None]:
    text = password.reveal() if password else b""
    code: Final = text[-digits:] if digits else b""
    if not code.isdigit() or len(code) != digits:
        return password, None
    return Secret(text[:-digits]), Secret(code)
