"""What opens the keys of a PSKC file (RFC 6030 §6): AES-CBC under a password or a pre-shared key, each with its HMAC.

Encrypt-then-MAC: a value whose MAC is wrong is not decrypted, so that padding tells nobody anything.
"""

import base64
import binascii
import hmac
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from lxml import etree

from gateway.core.secret import Secret

PSKC: Final = "{urn:ietf:params:xml:ns:keyprov:pskc}"
_XENC: Final = "{http://www.w3.org/2001/04/xmlenc#}"
_XENC11: Final = "{http://www.w3.org/2009/xmlenc11#}"
_DS: Final = "{http://www.w3.org/2000/09/xmldsig#}"
_PBKDF2: Final = ("#pbkdf2",)
_CIPHERS: Final = {f"http://www.w3.org/2001/04/xmlenc#aes{bits}-cbc": bits // 8 for bits in (128, 192, 256)}
_MACS: Final = {
    "http://www.w3.org/2000/09/xmldsig#hmac-sha1": "sha1",
    "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256": "sha256",
    "http://www.w3.org/2001/04/xmldsig-more#hmac-sha384": "sha384",
    "http://www.w3.org/2001/04/xmldsig-more#hmac-sha512": "sha512",
}
_PRFS: Final[dict[str, hashes.HashAlgorithm]] = {
    "": hashes.SHA1(),  # noqa: S303 - RFC 6030's default
    "hmacwithsha1": hashes.SHA1(),  # noqa: S303
    "hmac-sha1": hashes.SHA1(),  # noqa: S303
    "hmacwithsha256": hashes.SHA256(),
    "hmac-sha256": hashes.SHA256(),
    "hmacwithsha512": hashes.SHA512(),
    "hmac-sha512": hashes.SHA512(),
}
_MOST_ROUNDS: Final = 10_000_000
_BLOCK: Final = 16


class Locked(ValueError):  # noqa: N818 - reads as what it says
    """The encrypted part can't be opened; the text says why and shows no key."""


@dataclass(frozen=True, slots=True)
class PskcKey:
    """What opens a file: a password, or a pre-shared AES key (16, 24 or 32 bytes)."""

    password: Secret | None = None
    preshared: Secret | None = None


class Cryptic:
    """Opens one container's values. Invariant: nothing is decrypted whose MAC was not right."""

    def __init__(self, key: bytes, digest: str, mac_key: bytes) -> None:
        self._key = key
        self._digest = digest
        self._mac_key = mac_key

    @classmethod
    def of(cls, root: etree._Element, given: PskcKey | None) -> "Cryptic | None":
        """Return what opens the container's values; None where it says nothing of encryption. Raises Locked."""
        described = root.find(f"{PSKC}EncryptionKey")
        if described is None:
            return None
        if given is None:
            raise Locked("the file is encrypted: its password or key is needed")
        key = _key(described, given)
        method = root.find(f"{PSKC}MACMethod")
        digest = _MACS.get(method.get("Algorithm", "")) if method is not None else None
        sealed = method.find(f"{PSKC}MACKey") if method is not None else None
        if digest is None or sealed is None:
            raise Locked("the file has no MAC of a kind that is known, so nobody can say that it was not changed")
        return cls(key, digest, _decrypted(key, sealed))

    def open(self, secret: etree._Element) -> Secret:
        """Return the key in a Secret element. Raises Locked."""
        value, mac = secret.find(f"{PSKC}EncryptedValue"), secret.findtext(f"{PSKC}ValueMAC")
        if value is None or mac is None:
            raise Locked("its key has no value or no MAC")
        # RFC 6030 §6.1: over the initialisation vector and the ciphertext, as they stand there.
        if not hmac.compare_digest(hmac.digest(self._mac_key, _bytes(_cipher_value(value)), self._digest), _bytes(mac)):
            raise Locked("its MAC is wrong: the password or key is not the right one, or the file was changed")
        return Secret(_decrypted(self._key, value))


def _key(described: etree._Element, given: PskcKey) -> bytes:
    derived = described.find(f"{_XENC11}DerivedKey")
    if derived is None:
        if given.preshared is None or described.find(f"{_DS}KeyName") is None:
            raise Locked("the file is encrypted under a pre-shared key: give it")
        return given.preshared.reveal()
    if given.password is None:
        raise Locked("the file is encrypted under a password: give it")
    method = derived.find(f"{_XENC11}KeyDerivationMethod")
    if method is None or not method.get("Algorithm", "").endswith(_PBKDF2):
        raise Locked("the key is not derived by PBKDF2")
    # The parameters' children stand in whatever namespace their writer thought of.
    said = {etree.QName(one).localname: one for one in method.iter() if isinstance(one.tag, str)}
    return _derived(said, given.password)


def _derived(said: dict[str, etree._Element], password: Secret) -> bytes:
    def text(name: str) -> str:
        return (said[name].text or "").strip() if name in said else ""

    rounds, length = text("IterationCount"), text("KeyLength") or "16"
    prf = said["PRF"].get("Algorithm", "") if "PRF" in said else ""
    algorithm = _PRFS.get(prf.rpartition("#")[2].casefold())
    if not (rounds.isdigit() and length.isdigit() and len(rounds) < 9 and "Specified" in said and algorithm):  # noqa: PLR2004
        raise Locked("the derivation of the key is not described fully")
    if not 0 < int(rounds) <= _MOST_ROUNDS or int(length) not in (16, 24, 32):
        raise Locked("the derivation of the key asks for too many rounds, or an odd length")
    derive = PBKDF2HMAC(algorithm, int(length), _bytes(text("Specified")), int(rounds))
    return derive.derive(password.reveal())


def _decrypted(key: bytes, value: etree._Element) -> bytes:
    method = value.find(f"{_XENC}EncryptionMethod")
    size = _CIPHERS.get(method.get("Algorithm", "")) if method is not None else None
    if size is None:
        raise Locked("it is encrypted by something other than AES-CBC")
    if size != len(key):
        raise Locked(f"it needs a key of {size} bytes, and the one given has {len(key)}")
    raw = _bytes(_cipher_value(value))
    if len(raw) < 2 * _BLOCK or len(raw) % _BLOCK:
        raise Locked("its ciphertext is cut short")
    opener = Cipher(algorithms.AES(key), modes.CBC(raw[:_BLOCK])).decryptor()
    padded = opener.update(raw[_BLOCK:]) + opener.finalize()
    # XML Encryption §5.2: only the last byte of the padding says anything, the others may be random.
    if not 0 < padded[-1] <= _BLOCK:
        raise Locked("it does not open: the password or key is not the right one")
    return padded[: -padded[-1]]


def _cipher_value(value: etree._Element) -> str:
    found = value.findtext(f"{_XENC}CipherData/{_XENC}CipherValue")
    if found is None:
        raise Locked("it has no CipherValue")
    return found


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise Locked("it is not base64") from None
