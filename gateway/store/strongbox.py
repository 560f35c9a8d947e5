"""A stream of bytes as one encrypted, authenticated file under a passphrase (SF-22). Knows nothing of what is in it.

argon2id (RFC 9106) makes the key; the bytes go in chunks under AES-256-GCM, each bound to its place and the last one
marked as the last (STREAM, Hoang et al., CRYPTO 2015): cut, reordered, prolonged or changed, it does not open. No byte
is handed out before its chunk was authenticated; memory is one chunk's, whatever the size.
"""

import json
import secrets
from collections.abc import Iterator
from typing import Any, BinaryIO

from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.core.secret import Secret
from gateway.store.errors import BackupRefused

MAGIC = b"gateway backup 1\n"
CHUNK = 65536
TIME, MEMORY, LANES = 3, 65536, 4
"""argon2id: passes, KiB and lanes: RFC 9106 §4, second recommended option."""
_MOST = {"time": 16, "memory": 1 << 20, "lanes": 16, "chunk": 1 << 22}
"""What a header may ask for: a forged one must not cost gigabytes before the first tag is checked."""
_HEADER_LIMIT = 1024
_SALT, _PREFIX, _TAG = 16, 7, 16
_WRONG = "the back-up does not open: the passphrase is wrong, or the file was changed"
_CUT = "the back-up is cut short: its end is missing"
_CHANGED = "the back-up was cut, changed, reordered or prolonged: a part of it does not authenticate"


class SealingWriter:
    """Takes bytes, writes chunks. Invariant: a file without its marked last chunk is never a whole one."""

    def __init__(self, out: BinaryIO, passphrase: Secret) -> None:
        salt, prefix = secrets.token_bytes(_SALT), secrets.token_bytes(_PREFIX)
        costs = {"time": TIME, "memory": MEMORY, "lanes": LANES, "chunk": CHUNK}
        text = json.dumps({"kdf": "argon2id", **costs, "salt": salt.hex(), "prefix": prefix.hex()}).encode()
        self._header = MAGIC + len(text).to_bytes(4) + text
        self._out = out
        self._cipher = _cipher(passphrase, salt, costs)
        self._prefix = prefix
        self._count = 0
        self._held = bytearray()
        self._put(self._header)

    def write(self, more: bytes) -> None:
        """Add bytes; a full chunk is written once it is certain that it is not the last."""
        self._held += more
        while len(self._held) > CHUNK:
            self._chunk(bytes(self._held[:CHUNK]), last=False)
            del self._held[:CHUNK]

    def close(self) -> None:
        """Write the last chunk; the file below stays open."""
        self._chunk(bytes(self._held), last=True)

    def _chunk(self, plain: bytes, *, last: bool) -> None:
        self._put(self._cipher.encrypt(_nonce(self._prefix, self._count, last=last), plain, self._header))
        self._count += 1

    def _put(self, ready: bytes) -> None:
        try:
            self._out.write(ready)
        except OSError as error:  # a full disk or a closed pipe is not the database's fault
            raise BackupRefused(f"the back-up cannot be written: {error.strerror}") from None


def opened(file: BinaryIO, passphrase: Secret) -> Iterator[bytes]:
    """Yield the bytes, chunk by chunk. Raises BackupRefused, at the latest where the file ends: take nothing for good
    before.
    """
    header, fields = _read_header(file)
    cipher = _cipher(passphrase, fields["salt"], fields)
    size = fields["chunk"] + _TAG
    count, sealed = 0, _exactly(file, size)
    while True:
        following = _exactly(file, size) if len(sealed) == size else b""
        yield _open(cipher, (fields["prefix"], count, header), sealed, last=not following)
        if not following:
            return
        count, sealed = count + 1, following


def _open(cipher: AESGCM, place: tuple[bytes, int, bytes], sealed: bytes, *, last: bool) -> bytes:
    prefix, count, header = place
    try:
        return cipher.decrypt(_nonce(prefix, count, last=last), sealed, header)
    except InvalidTag:
        pass
    if last and _opens(cipher, _nonce(prefix, count, last=False), sealed, header):
        raise BackupRefused(_CUT)
    raise BackupRefused(_WRONG if count == 0 else _CHANGED)


def _opens(cipher: AESGCM, nonce: bytes, sealed: bytes, header: bytes) -> bool:
    try:
        cipher.decrypt(nonce, sealed, header)
    except InvalidTag:
        return False
    return True


def _read_header(file: BinaryIO) -> tuple[bytes, dict[str, Any]]:
    """Return the header as it stands and its fields. Raises BackupRefused."""
    start = _exactly(file, len(MAGIC) + 4)
    length = int.from_bytes(start[len(MAGIC) :])
    if not start.startswith(MAGIC) or len(start) < len(MAGIC) + 4 or length > _HEADER_LIMIT:
        raise BackupRefused("that is no back-up of this program, or one of a newer version")
    text = _exactly(file, length)
    try:
        fields = json.loads(text)
        found = {name: int(fields[name]) for name in _MOST}
        salt, prefix = bytes.fromhex(fields["salt"]), bytes.fromhex(fields["prefix"])
    except (ValueError, KeyError, TypeError):
        raise BackupRefused("the back-up's header is damaged") from None
    sane = all(0 < value <= _MOST[name] for name, value in found.items()) and found["memory"] >= 8 * found["lanes"]
    if not sane or (len(salt), len(prefix)) != (_SALT, _PREFIX):
        raise BackupRefused("the back-up's header is damaged")
    return start + text, {**found, "salt": salt, "prefix": prefix}


def _exactly(file: BinaryIO, size: int) -> bytes:
    """Read `size` bytes, fewer only at the end: a pipe gives them in pieces."""
    found = bytearray()
    try:
        while len(found) < size and (more := file.read(size - len(found))):
            found += more
    except OSError as error:
        raise BackupRefused(f"the back-up cannot be read: {error.strerror}") from None
    return bytes(found)


def _cipher(passphrase: Secret, salt: bytes, costs: dict[str, Any]) -> AESGCM:
    key = hash_secret_raw(
        passphrase.reveal(), salt, costs["time"], costs["memory"], costs["lanes"], hash_len=32, type=Type.ID
    )
    return AESGCM(key)


def _nonce(prefix: bytes, count: int, *, last: bool) -> bytes:
    return prefix + count.to_bytes(4) + bytes([last])
