"""EncryptedPassword(1402) back to the password (CQ-3): RSA with a private key from a PEM file.

Nothing here says why a decryption failed: to the caller it is a wrong password like any other. With PKCS#1 v1.5 the
library itself returns random bytes instead of an error (implicit rejection), so that there is no padding oracle.
"""

import base64
import binascii
from enum import Enum
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding

SMALLEST_KEY = 2048
"""Bits; NIST SP 800-131A disallows less."""


class RsaPadding(Enum):
    """EncryptedPasswordMethod(1400): 1 is RSA as in PKCS#1 v1.5; OAEP (with SHA-256) is agreed with the venue."""

    OAEP = "oaep"
    PKCS1 = "pkcs1"


class KeyUnusable(ValueError):  # noqa: N818 - reads as the fact it is
    """The private key can't be used; the text says which file, what is wrong and what to do, and shows no key."""


class Envelope:
    """Opens encrypted passwords. Invariants: holds one RSA key of at least 2048 bits; its repr shows nothing."""

    __slots__ = ("_key", "_padding", "_size")

    def __init__(self, key: rsa.RSAPrivateKey, scheme: RsaPadding) -> None:
        self._key = key
        self._padding = _OAEP if scheme is RsaPadding.OAEP else padding.PKCS1v15()
        self._size = key.key_size // 8

    @classmethod
    def load(cls, file: Path, scheme: RsaPadding = RsaPadding.OAEP) -> "Envelope":
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

    def open(self, sealed: bytes) -> bytes | None:
        """Return the password in `sealed`, raw RSA bytes or their base64; None where it is neither."""
        try:
            raw = sealed if len(sealed) == self._size else base64.b64decode(sealed, validate=True)
            return self._key.decrypt(raw, self._padding)
        except (ValueError, binascii.Error):
            return None


_OAEP: AsymmetricPadding = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
