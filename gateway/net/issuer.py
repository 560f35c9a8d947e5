"""Presents a client to the broker under its own name: short-lived certificates of an authority that only the broker trusts.

The gateway has verified the client's certificate and can't pass it on; what it signs here says the same common name (M7-13).
It must not issue for a name that no verified certificate bears. Keys never touch a disk.
"""

import datetime as dt
import os
import ssl
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.net.spec import IssuerSpec, StartError

VALID = dt.timedelta(minutes=10)
SKEW = dt.timedelta(minutes=5)
"""How far behind the broker's clock may be."""
CACHED = 1_024
"""Names whose context is kept; the oldest goes first."""


class Issuer:
    """One authority and the contexts of the names it issued for. Invariant: none is used after half its certificate's life."""

    __slots__ = ("_certificate", "_context", "_key", "_made")

    def __init__(self, spec: IssuerSpec, context: Callable[[], ssl.SSLContext]) -> None:
        """`context` makes one towards the broker, without a certificate. Raises StartError."""
        self._context = context
        self._made: dict[str, tuple[ssl.SSLContext, float]] = {}
        try:
            self._certificate = x509.load_pem_x509_certificate(spec.certificate.read_bytes())
            key = serialization.load_pem_private_key(spec.private_key.read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as error:
            raise StartError(f"TLS: can't use issuer {spec.certificate} with key {spec.private_key}: {error}") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise StartError(f"TLS: the issuer's key {spec.private_key} must be EC or RSA")
        if key.public_key() != self._certificate.public_key():
            raise StartError(f"TLS: the key {spec.private_key} is not that of the issuer {spec.certificate}")
        self._key = key

    def context(self, identity: str, now: float) -> ssl.SSLContext:
        """Return a context that presents a certificate for the common name `identity`; `now` in monotonic seconds."""
        made, until = self._made.get(identity, (None, 0.0))
        if made is None or now >= until:
            made = self._context()
            _load(made, *self._issue(identity))
            self._made.pop(identity, None)
            self._made[identity] = made, now + VALID.total_seconds() / 2
            if len(self._made) > CACHED:
                del self._made[next(iter(self._made))]
        return made

    def _issue(self, identity: str) -> tuple[bytes, bytes]:
        """Return certificate chain and private key as PEM."""
        key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, identity)]))
            .issuer_name(self._certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - SKEW)
            .not_valid_after(now + VALID)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        chain = (one.public_bytes(serialization.Encoding.PEM) for one in (certificate, self._certificate))
        return b"".join(chain), private


def _load(context: ssl.SSLContext, chain: bytes, key: bytes) -> None:
    """Give both to OpenSSL, which wants a file: one in memory that has no name and dies with its descriptor."""
    descriptor = os.memfd_create("issued")
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(chain + key)
        context.load_cert_chain(Path(f"/proc/self/fd/{descriptor}"))
    finally:
        os.close(descriptor)
