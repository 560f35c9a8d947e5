"""What makes a row deviate beyond the profile's bounds: facts of the listeners, the store and this process.

Every check returns what is wrong in one sentence, "" where nothing is. It knows no row: config/compliance.toml does.
"""

from collections.abc import Callable, Iterable, Mapping

from gateway.compliance.facts import Facts
from gateway.compliance.lifetimes import day

Check = Callable[[Facts], str]


def _listeners_encrypted(facts: Facts) -> str:
    return _named("a plain listener: passwords and codes travel in clear", _plain(facts.settings.listener))


def _routes_encrypted(facts: Facts) -> str:
    return _named("a route without TLS", _plain(facts.settings.route))


def _plain(legs: Iterable[object]) -> list[str]:
    return [str(getattr(leg, "name", "")) for leg in legs if getattr(leg, "plain", True)]


def _store_encrypted(facts: Facts) -> str:
    return "the connection to the database is not encrypted" if facts.survey.server.encrypted is False else ""


def _certificates_demanded(facts: Facts) -> str:
    open_ = [one.name for one in facts.settings.listener if one.tls is None or one.tls.client_certificate != "required"]
    return _named("a listener that demands no client certificate", open_)


def _portal_named(facts: Facts) -> str:
    return "" if facts.settings.portal.url else "portal.url is not set: the refusal cannot name where to register"


def _cqg_venue(facts: Facts) -> str:
    found = any(one.venue == "cqg" for one in facts.settings.listener)
    return "" if found else "no listener has the venue cqg"


def _authenticators_within_limit(facts: Facts) -> str:
    most, limit = facts.survey.most_authenticators, max(one.totp.max_devices for one in facts.policies.all())
    return f"a user has {most} authenticators, {limit} are allowed" if most > limit else ""


def _sessions_within_limit(facts: Facts) -> str:
    most, limit = facts.survey.most_sessions, max(one.sessions.max_per_user for one in facts.policies.all())
    return f"a user has {most} live sessions, {limit} are allowed" if most > limit else ""


def _nobody_without_code(facts: Facts) -> str:
    loose = facts.survey.without_code
    return f"of {loose} users no code is demanded" if loose else ""


def _audit_intact(facts: Facts) -> str:
    found = facts.audit
    return "" if found.intact else f"the audit chain is broken at row {found.row}: {found.fault}"


def _software_maintained(facts: Facts) -> str:
    today = day(facts.now)
    ended = [one.words(today) for one in facts.software if one.ended(today)]
    return _named("no longer mended by its makers", ended)


def _named(what: str, names: list[str]) -> str:
    return f"{what}: {', '.join(names)}" if names else ""


CHECKS: Mapping[str, Check] = {
    "listeners_encrypted": _listeners_encrypted,
    "routes_encrypted": _routes_encrypted,
    "store_encrypted": _store_encrypted,
    "certificates_demanded": _certificates_demanded,
    "portal_named": _portal_named,
    "cqg_venue": _cqg_venue,
    "authenticators_within_limit": _authenticators_within_limit,
    "sessions_within_limit": _sessions_within_limit,
    "nobody_without_code": _nobody_without_code,
    "audit_intact": _audit_intact,
    "software_maintained": _software_maintained,
}
