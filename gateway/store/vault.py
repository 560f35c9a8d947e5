"""Envelope encryption (TW-11): TOTP keys under a data key, data keys under the master key, AES-256-GCM throughout.

The associated data binds a sealed key to its store, device and user: a row copied to another user does not open.
Key ids stand beside what they sealed, so that a rotation can go on under load (BY-7). Nothing here touches the
database; a key leaves only as a `Secret`.
"""

import base64
import binascii
import hmac
import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.core.secret import Secret
from gateway.store.errors import KeyRefused

KEY_SIZE = 32
KEPT = ("audit head", "credential digests", "letters")
"""Keys derived from the first master key that a new one must not change: a gateway that still runs on the old one signs
the same audit chain, both must know the same refused credentials again, and what waits in the outbox must open.
"""
_NONCE = 12


class MasterKey:
    """32 random bytes from outside the database. Every use has a key of its own, derived by HKDF-SHA-256 (RFC 5869)."""

    __slots__ = ("_key",)

    def __init__(self, key: Secret) -> None:
        if len(key.reveal()) != KEY_SIZE:
            raise KeyRefused(f"the master key has {len(key.reveal())} bytes, not {KEY_SIZE}")
        self._key = key

    def export(self) -> Secret:
        """Return the key itself, for a back-up that was asked to hold it."""
        return self._key

    def derive(self, purpose: str, context: str = "") -> bytes:
        """Return the 32-byte key for one purpose; different purposes or contexts give unrelated keys."""
        info = f"gateway {purpose}\0{context}".encode()
        return HKDF(SHA256(), KEY_SIZE, salt=None, info=info).derive(self._key.reveal())


def parse_master_key(value: bytes | str, source: str) -> MasterKey:
    """Read a master key as raw bytes, 64 hex digits or base64; `source` names it in errors (KeyRefused)."""
    raw = value.encode() if isinstance(value, str) else value
    text = raw.strip()
    if len(raw) == KEY_SIZE and not (text.isascii() and text.decode().isprintable()):
        return MasterKey(Secret(raw))
    for decode in (binascii.unhexlify, _unbase64):
        try:
            key = decode(text)
        except ValueError:
            continue
        if len(key) == KEY_SIZE:
            return MasterKey(Secret(key))
    raise KeyRefused(
        f"the master key in {source} is not {KEY_SIZE} random bytes: give them raw, as 64 hex digits or in base64 "
        f"(head -c {KEY_SIZE} /dev/urandom | base64)"
    )


def _unbase64(text: bytes) -> bytes:
    standard = text.translate(bytes.maketrans(b"-_", b"+/"))
    return base64.b64decode(standard + b"=" * (-len(standard) % 4), validate=True)


def load_master_key(path: Path) -> MasterKey:
    """Read the master key's file; it must be its owner's alone (mode 0600 or 0400). Raises KeyRefused."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise KeyRefused(f"the master key {path} may be read by others (mode {mode:04o}): chmod 600 {path}")
            return parse_master_key(file.read(1024), str(path))
    except OSError as error:
        raise KeyRefused(f"the master key {path} cannot be read: {error.strerror}") from error


def create_master_key(path: Path, given: MasterKey | None = None) -> MasterKey:
    """Make a new master key, or write the `given` one, in a new file of mode 0600, durably.

    Raises KeyRefused where the file exists already.
    """
    key = given.export().reveal() if given else secrets.token_bytes(KEY_SIZE)
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise KeyRefused(f"the master key {path} cannot be created: {error.strerror}") from error
    with os.fdopen(file, "wb") as out:
        out.write(base64.b64encode(key) + b"\n")
        out.flush()
        os.fsync(out.fileno())
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return MasterKey(Secret(key))


@dataclass(frozen=True, slots=True)
class Sealed:
    """What the database holds of a key: which data key sealed it, and nonce || ciphertext || tag."""

    key_id: str
    blob: bytes = field(repr=False)


def seal_data_key(master: MasterKey, store_id: str, key_id: str, key: Secret) -> bytes:
    """Return a data key as the database holds it."""
    return _seal(AESGCM(master.derive("data keys", store_id)), key.reveal(), key_id.encode())


class Vault:
    """The opened keys of one store. Invariants: whatever fails to open raises KeyRefused, never returns a guess; what
    was opened stays open, so that a rotation elsewhere takes no key from a login that is being judged.
    """

    __slots__ = ("_ciphers", "_kept", "_letters", "_opener", "_store_id", "check", "current")

    def __init__(
        self,
        master: MasterKey,
        store_id: str,
        data_keys: Mapping[str, bytes],
        current: str,
        kept: Mapping[str, bytes] | None = None,
    ) -> None:
        """Open `data_keys` (id to sealed key); `current` is the one that seals. Raises KeyRefused.

        `kept` (purpose to sealed key) are the keys that outlived the master key they were derived from.
        """
        self._opener = AESGCM(master.derive("data keys", store_id))
        self._ciphers: dict[str, AESGCM] = {}
        self._store_id = store_id
        self.current = current
        self.check = key_check(master, store_id)
        for id_, blob in data_keys.items():
            self.learn(id_, blob)
        own = {purpose: _kept_aad(purpose) for purpose in KEPT}
        self._kept = {
            purpose: Secret(
                _unseal(self._opener, kept[purpose], bound) if kept and purpose in kept
                else master.derive(purpose, store_id)
            )
            for purpose, bound in own.items()
        }  # fmt: skip
        self._letters = AESGCM(self._kept["letters"].reveal())

    @property
    def chain_key(self) -> Secret:
        """Return the key that the end of the audit chain is signed with."""
        return self._kept["audit head"]

    def knows(self, key_id: str) -> bool:
        """Say whether this data key is open here."""
        return key_id in self._ciphers

    def learn(self, key_id: str, blob: bytes) -> None:
        """Open one more data key. Raises KeyRefused."""
        self._ciphers[key_id] = AESGCM(_unseal(self._opener, blob, key_id.encode()))

    def new_data_key(self, key_id: str) -> bytes:
        """Make a data key, open it here, and return it sealed."""
        blob = _seal(self._opener, secrets.token_bytes(KEY_SIZE), key_id.encode())
        self.learn(key_id, blob)
        return blob

    def resealed(self, key_id: str, blob: bytes, master: MasterKey) -> bytes:
        """Return a data key sealed under another master key. Raises KeyRefused."""
        key = Secret(_unseal(self._opener, blob, key_id.encode()))
        return seal_data_key(master, self._store_id, key_id, key)

    def kept_under(self, master: MasterKey) -> dict[str, bytes]:
        """Return (purpose to sealed key) what must stay as it is when `master` takes over: see KEPT."""
        cipher = AESGCM(master.derive("data keys", self._store_id))
        return {purpose: _seal(cipher, key.reveal(), _kept_aad(purpose)) for purpose, key in self._kept.items()}

    def seal(self, key: Secret, device: str, user: str, under: str = "") -> Sealed:
        """Seal a TOTP key for one device of one user (ids) under a data key, the current one unless told."""
        key_id = under or self.current
        return Sealed(key_id, _seal(self._ciphers[key_id], key.reveal(), self._bound(device, user)))

    def unseal(self, sealed: Sealed, device: str, user: str) -> Secret:
        """Open a TOTP key. Raises KeyRefused where it was sealed for another device or user, or changed since."""
        cipher = self._ciphers.get(sealed.key_id)
        if cipher is None:
            raise KeyRefused(f"device {device}: its data key {sealed.key_id} is not in this store")
        return Secret(_unseal(cipher, sealed.blob, self._bound(device, user)))

    def credential_digest(self, *parts: bytes) -> bytes:
        """Return 16 bytes that tell whether the same credentials came again (BY-3) and nothing else about them."""
        framed = b"".join(len(part).to_bytes(4) + part for part in parts)
        return hmac.digest(self._kept["credential digests"].reveal(), framed, "sha256")[:16]

    def seal_letter(self, text: Secret, tag: str) -> bytes:
        """Seal what goes into the outbox under this tag: it may hold a link's token, or a code."""
        return _seal(self._letters, text.reveal(), self._bound_letter(tag))

    def open_letter(self, blob: bytes, tag: str) -> Secret:
        """Open it. Raises KeyRefused where it was sealed under another tag, or changed since."""
        return Secret(_unseal(self._letters, blob, self._bound_letter(tag)))

    def message_id(self, tag: str) -> str:
        """Return what names a message of the outbox in the outside world: the same each time it is sent."""
        return sha256(self._bound_letter(tag)).hexdigest()[:32]

    def _bound_letter(self, tag: str) -> bytes:
        return f"letter\0{self._store_id}\0{tag}".encode()

    def _bound(self, device: str, user: str) -> bytes:
        return f"totp key\0{self._store_id}\0{device}\0{user}".encode()


def _kept_aad(purpose: str) -> bytes:
    return f"kept\0{purpose}".encode()


def key_check(master: MasterKey, store_id: str) -> str:
    """Return what tells the right master key from a wrong one, and nothing else about it."""
    return sha256(master.derive("key check", store_id)).hexdigest()


def _seal(cipher: AESGCM, plain: bytes, bound: bytes) -> bytes:
    nonce = os.urandom(_NONCE)
    return nonce + cipher.encrypt(nonce, plain, bound)


def _unseal(cipher: AESGCM, blob: bytes, bound: bytes) -> bytes:
    try:
        return cipher.decrypt(blob[:_NONCE], blob[_NONCE:], bound)
    except (InvalidTag, ValueError):
        raise KeyRefused("a sealed key does not open: it was changed, moved, or sealed under another key") from None
