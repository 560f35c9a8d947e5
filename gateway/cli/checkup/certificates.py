"""Certificates of both legs: can they be read, do they fit their keys, how long do they live, are they strong enough?"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from gateway.cli.checkup.finding import Finding, failed, ok, warning
from gateway.settings.model import Settings

SOON = timedelta(days=30)
LEAST_RSA, LEAST_EC = 2048, 224
"""Bits: NIST SP 800-131A, 112 bits of strength."""
_WEAK_HASHES = ("md5", "sha1")


def certificates(settings: Settings, now: float) -> Iterator[Finding]:
    """Look at every certificate the configuration names. `now` in wall seconds since 1970."""
    moment = datetime.fromtimestamp(now, UTC)
    for listener in settings.listener:
        name = f"listener {listener.name}"
        if listener.tls is None:
            yield warning(
                name, "no TLS: passwords and codes travel in clear (TW-4)", "give it tls = {certificate, private_key}"
            )
        else:
            yield _pair(name, listener.tls.certificate, listener.tls.private_key, moment)
            yield from _authorities(name, listener.tls.client_ca, moment)
    for route in settings.route:
        name = f"route {route.name}"
        if route.tls is None:
            yield warning(
                name, "no TLS towards the engine (SF-16)", "give it tls = {ca}, unless the engine is on this host"
            )
            continue
        yield from _authorities(name, route.tls.ca, moment)
        if route.tls.certificate and route.tls.private_key:
            yield _pair(name, route.tls.certificate, route.tls.private_key, moment)
        if route.tls.issuer and route.tls.issuer_key:
            yield _pair(name, route.tls.issuer, route.tls.issuer_key, moment)


def _pair(name: str, file: Path, key_file: Path, now: datetime) -> Finding:
    try:
        chain = x509.load_pem_x509_certificates(file.read_bytes())
        key = load_pem_private_key(key_file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not the PEM that is expected, or encrypted"
        return failed(
            name,
            f"certificate {file} with key {key_file} cannot be read: {why}",
            "give both as PEM, the key unencrypted",
        )
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if chain[0].public_key().public_bytes(*form) != key.public_key().public_bytes(*form):
        return failed(name, f"key {key_file} is not the key of certificate {file}", "give the certificate its own key")
    return _life(name, file, chain, now) or ok(
        name, f"certificate {file} until {_day(_first_end(chain))}, its key fits"
    )


def _authorities(name: str, file: Path | None, now: datetime) -> Iterator[Finding]:
    if file is None:
        return
    try:
        found = x509.load_pem_x509_certificates(file.read_bytes())
    except (OSError, ValueError):
        yield failed(name, f"the authorities in {file} cannot be read", "give them as PEM")
        return
    yield _life(name, file, found, now) or ok(name, f"authorities {file} until {_day(_first_end(found))}")


def _life(name: str, file: Path, chain: list[x509.Certificate], now: datetime) -> Finding | None:
    """Return what is wrong with the weakest certificate of the file, None where nothing is."""
    ends = _first_end(chain)
    if ends <= now:
        return failed(name, f"a certificate in {file} expired on {_day(ends)}", "renew it, then SIGHUP reads it again")
    if any(one.not_valid_before_utc > now for one in chain):
        return failed(name, f"a certificate in {file} is not valid yet", "check this machine's clock, or wait")
    if weak := next(filter(None, map(_weakness, chain)), ""):
        return failed(
            name, f"a certificate in {file} is weak: {weak}", "issue it again: RSA 2048 or P-256 and SHA-256 at least"
        )
    if ends - now < SOON:
        return warning(name, f"a certificate in {file} expires on {_day(ends)}", "renew it, then SIGHUP reads it again")
    return None


def _weakness(certificate: x509.Certificate) -> str:
    key, hashed = certificate.public_key(), certificate.signature_hash_algorithm
    self_signed = certificate.issuer == certificate.subject
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < LEAST_RSA:
        return f"RSA of {key.key_size} bits"
    if isinstance(key, ec.EllipticCurvePublicKey) and key.key_size < LEAST_EC:
        return f"elliptic curve of {key.key_size} bits"
    if isinstance(key, dsa.DSAPublicKey):
        return "DSA"
    return f"signed with {hashed.name}" if hashed and hashed.name in _WEAK_HASHES and not self_signed else ""


def _first_end(chain: list[x509.Certificate]) -> datetime:
    return min(one.not_valid_after_utc for one in chain)


def _day(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d")
