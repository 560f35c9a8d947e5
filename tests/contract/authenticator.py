"""A software authenticator (WebAuthn level 2, ES256, attestation "none"): what a browser sends, with its own codec."""

import base64
import json
import secrets
from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from gateway.core.secret import Secret

ORIGIN = "https://portal.example"
_PRESENT, _VERIFIED, _ATTESTED = 0x01, 0x04, 0x40


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def cbor(value) -> bytes:
    """RFC 8949, as much of it as an attestation needs."""
    match value:
        case int() if value >= 0:
            return _head(0, value)
        case int():
            return _head(1, -1 - value)
        case bytes():
            return _head(2, len(value)) + value
        case str():
            return _head(3, len(value.encode())) + value.encode()
        case dict():
            return _head(5, len(value)) + b"".join(cbor(key) + cbor(one) for key, one in value.items())
    raise TypeError(type(value))


def _head(major: int, number: int) -> bytes:
    if number < 24:
        return bytes([major << 5 | number])
    size, code = (1, 24) if number < 256 else (2, 25)
    return bytes([major << 5 | code]) + number.to_bytes(size)


@dataclass
class Authenticator:
    """One passkey. `count` is the signature counter; an authenticator that has none leaves it at 0 (`counts` False)."""

    origin: str = ORIGIN
    counts: bool = True
    count: int = 0
    id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def create(self, options: str, **changes) -> str:
        """Answer `navigator.credentials.create`."""
        asked = json.loads(options)
        number = self.key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: number.x.to_bytes(32), -3: number.y.to_bytes(32)}
        credential = bytes(16) + len(self.id).to_bytes(2) + self.id + cbor(cose)
        data = self._data(asked["rp"]["id"], _ATTESTED) + credential
        response = {
            "clientDataJSON": b64(self._client("webauthn.create", asked["challenge"], **changes)),
            "attestationObject": b64(cbor({"fmt": "none", "attStmt": {}, "authData": data})),
            "transports": ["internal", "hybrid"],
        }
        return json.dumps(self._credential(response))

    def get(self, options: str, **changes) -> Secret:
        """Answer `navigator.credentials.get`."""
        asked = json.loads(options)
        self.count += self.counts
        data = self._data(asked["rpId"], 0)
        client = self._client("webauthn.get", asked["challenge"], **changes)
        signature = self.key.sign(data + sha256(client).digest(), ec.ECDSA(SHA256()))
        response = {"clientDataJSON": b64(client), "authenticatorData": b64(data), "signature": b64(signature)}
        return Secret(json.dumps(self._credential(response)))

    def _data(self, rp_id: str, flags: int) -> bytes:
        return sha256(rp_id.encode()).digest() + bytes([flags | _PRESENT | _VERIFIED]) + self.count.to_bytes(4)

    def _client(self, kind: str, asked: str, **changes) -> bytes:
        given = {"type": kind, "challenge": asked, "origin": self.origin, "crossOrigin": False}
        return json.dumps({**given, **changes}).encode()

    def _credential(self, response: dict) -> dict:
        return {"id": b64(self.id), "rawId": b64(self.id), "type": "public-key", "response": response}
