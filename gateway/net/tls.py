"""TLS contexts for both legs (SF-16, SF-17, TW-4): 1.2 and 1.3, forward secrecy and AEAD only, or no start at all."""

import hashlib
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from gateway.net.spec import CIPHERS, StartError, TlsSpec, UpstreamTlsSpec

MakeContext = Callable[[int], ssl.SSLContext]
_MINIMUM = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_VERIFY = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}


@dataclass(frozen=True, slots=True)
class Certificate:
    """A verified client certificate: SHA-256 fingerprint in lower-case hex and RFC 4514 subject."""

    fingerprint: str = ""
    subject: str = ""


def server_context(spec: TlsSpec) -> ssl.SSLContext:
    """Build the context of a listener. Raises StartError for unreadable files and weak settings."""
    context = _context(ssl.PROTOCOL_TLS_SERVER, spec.minimum, spec.ciphers)
    context.options |= ssl.OP_NO_RENEGOTIATION
    _load_chain(context, spec.certificate, spec.private_key)
    if spec.client_certificate != "none":
        if spec.client_ca is None:
            raise StartError(f'TLS: client_certificate = "{spec.client_certificate}" needs client_ca')
        _load_ca(context, spec.client_ca)
    context.verify_mode = _VERIFY[spec.client_certificate]
    return context


def upstream_context(spec: UpstreamTlsSpec, make: MakeContext = ssl.SSLContext) -> ssl.SSLContext:
    """Build the context towards an engine; its name and chain are always checked. Raises StartError."""
    context = _context(ssl.PROTOCOL_TLS_CLIENT, spec.minimum, CIPHERS, make)
    _load_ca(context, spec.ca)
    if spec.certificate is not None:
        _load_chain(context, spec.certificate, spec.private_key or spec.certificate)
    return context


def peer_certificate(tls: ssl.SSLObject | None) -> Certificate:
    """Read the peer's certificate, which OpenSSL has verified; empty where there is none."""
    der = tls.getpeercert(binary_form=True) if tls is not None else None
    if not der:
        return Certificate()
    subject = x509.load_der_x509_certificate(der).subject.rfc4514_string()
    return Certificate(hashlib.sha256(der).hexdigest(), subject)


def common_name(subject: str) -> str:
    """Return the common name of an RFC 4514 subject; "" where there is none, or more than one to choose from."""
    try:
        names = x509.Name.from_rfc4514_string(subject).get_attributes_for_oid(NameOID.COMMON_NAME)
    except ValueError:
        return ""
    return str(names[0].value) if len(names) == 1 else ""


def _context(protocol: int, minimum: str, ciphers: str, make: MakeContext = ssl.SSLContext) -> ssl.SSLContext:
    context = make(protocol)
    if minimum not in _MINIMUM:
        raise StartError(f"TLS: minimum version {minimum!r} is not allowed; choose 1.2 or 1.3")
    context.minimum_version = _MINIMUM[minimum]
    context.options |= ssl.OP_NO_COMPRESSION
    try:
        context.set_ciphers(ciphers)
    except ssl.SSLError:
        raise StartError(f"TLS: OpenSSL knows no cipher in {ciphers!r}") from None
    weak = [str(c["name"]) for c in context.get_ciphers() if not _strong(c)]
    if weak:
        raise StartError(f"TLS: weak ciphers are not allowed: {', '.join(weak)}; use ECDHE with AES-GCM or ChaCha20")
    return context


def _strong(cipher: Mapping[str, Any]) -> bool:
    """TLS 1.3 suites are all AEAD with forward secrecy; of 1.2 only ECDHE/DHE with an AEAD cipher are."""
    if cipher["protocol"] == "TLSv1.3":
        return True
    return bool(cipher["aead"]) and cipher["kea"] in ("kx-ecdhe", "kx-dhe") and cipher["auth"] != "auth-null"


def _load_chain(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ssl.SSLError, ValueError) as error:  # SSLError is an OSError; its text says which half is wrong
        raise StartError(f"TLS: can't use certificate {certificate} with key {key}: {_text(error)}") from None


def _load_ca(context: ssl.SSLContext, ca: Path) -> None:
    try:
        context.load_verify_locations(ca)
    except (OSError, ssl.SSLError) as error:
        raise StartError(f"TLS: can't read the certificate authorities in {ca}: {_text(error)}") from None


def _no_password() -> str:
    """Keep OpenSSL from asking the terminal for the key's password."""
    raise ValueError("the private key is encrypted; store it unencrypted, readable by the gateway alone")


def _text(error: Exception) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)
