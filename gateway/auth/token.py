"""A password key inside a PKCS#11 token (CQ-3): the HSM decrypts, the key never leaves it. pkcs11 is imported nowhere else.

It proves itself when it is opened: what was encrypted for it must come back, so that a wrong label, PIN or padding is found
at start and not by the first login. Tokens name a bad padding differently, so the same proof tells it from a token that is away.
"""

import contextlib
import secrets
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pkcs11
from cryptography.hazmat.primitives.asymmetric import rsa
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.exceptions import PinIncorrect, PKCS11Error, UserAlreadyLoggedIn
from pkcs11.mechanisms import MGF

from gateway.auth.envelope import SMALLEST_KEY, KeyAway, KeyUnusable, RsaPadding, padding_of
from gateway.core.secret import Secret

_MECHANISMS: Final[dict[RsaPadding, dict[str, Any]]] = {
    RsaPadding.OAEP: {
        "mechanism": Mechanism.RSA_PKCS_OAEP,
        "mechanism_param": (Mechanism.SHA256, MGF.SHA256, None),
    },
    RsaPadding.OAEP_SHA1: {
        "mechanism": Mechanism.RSA_PKCS_OAEP,
        "mechanism_param": (Mechanism.SHA_1, MGF.SHA1, None),
    },
    RsaPadding.PKCS1: {"mechanism": Mechanism.RSA_PKCS},
}
_LIBRARY = threading.RLock()
"""One call at a time: setting a module up anew ends the sessions of every key in it."""


@dataclass(frozen=True, slots=True)
class TokenSpec:
    """Where the key is: the token's `module` (a shared library), its label and the key's label. `pin` is the user's."""

    module: Path
    token: str
    key: str
    pin: Secret

    def __str__(self) -> str:
        return f"key {self.key!r} in token {self.token!r} of {self.module}"


class TokenKey:
    """Invariants: RSA of at least 2048 bits that has proved itself; a session that broke is opened anew for the next call."""

    def __init__(self, spec: TokenSpec, scheme: RsaPadding) -> None:
        """Open it. Raises KeyUnusable."""
        self._spec = spec
        self._how = _MECHANISMS[scheme]
        with _LIBRARY:
            try:
                self._key, self._session = _opened(spec)
                numbers = rsa.RSAPublicNumbers(
                    _number(self._key, Attribute.PUBLIC_EXPONENT), _number(self._key, Attribute.MODULUS)
                )
            except PKCS11Error as error:
                raise KeyUnusable(f"{spec}: {_words(error)}") from None
            self.size = (numbers.n.bit_length() + 7) // 8
            self._known = secrets.token_bytes(16)
            self._sealed = numbers.public_key().encrypt(self._known, padding_of(scheme))
            if numbers.n.bit_length() < SMALLEST_KEY or not self._proves():
                self.close()
                raise KeyUnusable(
                    f"{spec}: must be an RSA key of {SMALLEST_KEY} bits or more, in a token that decrypts {scheme.value}"
                )

    def decrypt(self, raw: bytes) -> bytes | None:
        """Return what is inside `raw`. Raises KeyAway."""
        with _LIBRARY:
            try:
                return self._ask(raw)
            except PKCS11Error:
                if self._proves():
                    return None
            self._reopen()
            try:
                return self._ask(raw)
            except PKCS11Error:
                return None

    def close(self) -> None:
        """End the session with the token."""
        with _LIBRARY, contextlib.suppress(PKCS11Error):
            self._session.close()

    def _ask(self, raw: bytes) -> bytes:
        return bytes(self._key.decrypt(raw, **self._how))

    def _proves(self) -> bool:
        try:
            return self._ask(self._sealed) == self._known
        except PKCS11Error:
            return False

    def _reopen(self) -> None:
        self.close()
        try:
            pkcs11.lib(str(self._spec.module)).reinitialize()
            self._key, self._session = _opened(self._spec)
        except PKCS11Error as error:
            raise KeyAway(f"{self._spec}: {_words(error)}") from None
        if not self._proves():
            raise KeyAway(f"{self._spec}: is there, and decrypts nothing")


def _opened(spec: TokenSpec) -> tuple[Any, Any]:
    """Return key and session. Raises PKCS11Error."""
    token = pkcs11.lib(str(spec.module)).get_token(token_label=spec.token)
    try:
        session = token.open(user_pin=spec.pin.reveal().decode())
    except UserAlreadyLoggedIn:  # another key of the same token: a login holds for the whole process
        session = token.open()
    try:
        return session.get_key(object_class=ObjectClass.PRIVATE_KEY, key_type=KeyType.RSA, label=spec.key), session
    except PKCS11Error:
        session.close()
        raise


def _number(key: Any, attribute: Attribute) -> int:
    return int.from_bytes(key[attribute], "big")


def _words(error: PKCS11Error) -> str:
    if isinstance(error, PinIncorrect):
        return "the PIN is wrong"
    return f"can't be used: {type(error).__name__}"  # its text may hold anything
