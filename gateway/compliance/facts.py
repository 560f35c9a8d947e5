"""What is there, under the names that config/compliance.toml uses: settings with their values, and evidence in words."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.compliance.lifetimes import Software, day
from gateway.compliance.survey import Survey
from gateway.policy.organisations import Policies
from gateway.policy.profile import Value
from gateway.policy.profile import settings as plain
from gateway.settings.connections import Listener
from gateway.settings.credentials import PasswordKey
from gateway.settings.model import Settings
from gateway.store.audit import Verification

_SPANS = ((86400, "d"), (3600, "h"), (60, "min"))


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the report is made from. `now` in wall seconds since 1970."""

    settings: Settings
    policies: Policies
    survey: Survey
    audit: Verification
    software: tuple[Software, ...]
    now: float


def values(facts: Facts) -> dict[str, str]:
    """Return every setting that a row may name, as text."""
    settings = facts.settings
    argon2 = settings.argon2
    shown = {name: _shown(value) for name, value in plain(facts.policies.house).items()}
    return shown | {
        "listeners": "; ".join(map(_listener, settings.listener)) or "none",
        "routes": "; ".join(f"{route.name}: {'plain' if route.plain else 'TLS'}" for route in settings.route) or "none",
        "store": "SQLite" if settings.store.embedded else "PostgreSQL",
        "argon2": f"{argon2.time_cost} passes over {argon2.memory_cost} KiB, lanes: {argon2.parallelism}",
        "passwords.backend": _passwords(settings),
        "password_key": "; ".join(map(_password_key, settings.password_key)) or "none",
        "portal.url": settings.portal.url or "not set",
    }


def evidence(facts: Facts) -> dict[str, str]:
    """Return every piece of evidence that a row may name, in words."""
    survey = facts.survey
    counts = {name: f"{words}: {getattr(survey, name)}" for name, words in _COUNTS.items()}
    if facts.settings.passwords.backend != "local":
        counts["old_passwords"] = "how old passwords may be: the directory's to say, and to enforce"
    return counts | {
        "audit": _audit(facts.audit),
        "audit_head": f"audit head: {survey.audit_rows}:{survey.audit_head}",
        "store_connection": f"connection to the store: {_CONNECTION[survey.server.encrypted]}",
        "software": "; ".join(one.words(day(facts.now)) for one in facts.software),
    }


_COUNTS: Mapping[str, str] = {
    "users": "users",
    "disabled": "users disabled",
    "locked": "users locked now",
    "revoked": "users revoked until somebody unlocks",
    "outside_dates": "users outside their dates",
    "without_authenticator": "users without an authenticator who need one",
    "without_code": "users of whom no code is demanded",
    "judged_upstream": "users whose password the exchange checks",
    "judged_elsewhere": "users whom the exchange checks altogether",
    "old_passwords": "passwords older than the maximum age",
    "must_change": "users with an initial password",
    "bound_certificates": "users bound to a client certificate",
    "authenticators": "confirmed authenticators",
    "most_authenticators": "most authenticators of one user",
    "live_sessions": "live sessions",
    "most_sessions": "most live sessions of one user",
    "sealed_keys": "sealed data keys",
    "refusals": "refused logins on record",
    "unlocks": "unlockings on record",
    "enrolments": "enrolments on record",
    "replays": "second uses of a code on record",
    "alerts": "alerts on record",
}
_CONNECTION = {None: "no network between", True: "TLS", False: "not encrypted"}


def _audit(found: Verification) -> str:
    if found.intact:
        return f"audit chain verified: {found.count} rows, unbroken"
    return f"audit chain BROKEN at row {found.row}: {found.fault}"


def _listener(listener: Listener) -> str:
    if listener.tls is None:
        return f"{listener.name}: plain, venue {listener.venue}"
    tls = listener.tls
    return f"{listener.name}: TLS {tls.minimum} or newer, client certificate {tls.client_certificate}, venue {listener.venue}"


def _passwords(settings: Settings) -> str:
    ldap = settings.passwords.ldap
    if settings.passwords.backend == "local" or ldap is None:
        return "local: argon2id hashes in the store"
    return f"ldap: {', '.join(ldap.servers)}, over TLS"


def _password_key(key: PasswordKey) -> str:
    return f"{key.name}: RSA {key.padding}, in {'a PEM file' if key.pem else 'a PKCS#11 token'}"


def _shown(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(value)
    return _span(value) if isinstance(value, float) else str(value)


def _span(seconds: float) -> str:
    """Write seconds, with a larger unit beside them where one fits exactly: policy settings that are floats are durations."""
    for size, unit in _SPANS:
        if seconds >= size and seconds % size == 0:
            return f"{seconds:.0f} s ({seconds / size:.0f} {unit})"
    return f"{seconds:g} s"
