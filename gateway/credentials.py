"""Settings into what people are judged by: who checks passwords and opens encrypted ones, the policies, the house's rules.

Opens files and tokens, connects nowhere. The sockets never see any of it (SF-12).
"""

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.auth.envelope import Envelope, Envelopes, KeyUnusable, PemKey, PrivateKey, RsaPadding
from gateway.auth.house import House
from gateway.auth.passwords import PasswordCheck, Passwords
from gateway.policy.links import Purpose
from gateway.policy.organisations import Policies
from gateway.policy.roles import Role
from gateway.policy.rules import Policy
from gateway.settings.credentials import LdapSettings, PasswordKey
from gateway.settings.load import Configuration
from gateway.settings.model import Settings

if TYPE_CHECKING:
    from gateway.auth.directory import DirectorySpec


def password_check(settings: Settings) -> PasswordCheck:
    """Return who checks passwords. Raises DirectoryUnusable."""
    ldap = settings.passwords.ldap
    if settings.passwords.backend == "local" or ldap is None:
        return Passwords(**settings.argon2.model_dump())
    from gateway.auth.directory import Directory  # noqa: PLC0415 - ldap3 takes a quarter of a second to import

    return Directory(directory_spec(ldap))


def directory_spec(ldap: LdapSettings) -> "DirectorySpec":
    """Return the directory's own description of itself."""
    from gateway.auth.directory import DirectorySpec, Search  # noqa: PLC0415

    search = ldap.search
    user = Search(search.base, search.filter, search.bind_dn, search.secret()) if search else ldap.user_dn or ""
    return DirectorySpec(ldap.servers, ldap.ca, user, ldap.timeout, ldap.connections)


def policies_of(configuration: Configuration) -> Policies:
    """Return who is judged by what (CQ-8): a directory itself keeps the age of its passwords, we know none."""
    local = configuration.settings.passwords.backend == "local"

    def effective(policy: Policy) -> Policy:
        return policy if local else replace(policy, password=replace(policy.password, max_age=0.0))

    policies = configuration.policies
    return Policies(effective(policies.house), {name: effective(own) for name, own in policies.firms.items()})


def house_of(settings: Settings) -> House:
    """Return the house's rules for people as configured."""
    people = settings.people
    links = people.links
    return House(
        validity={
            Purpose.SETUP: links.setup,
            Purpose.BOOTSTRAP: links.bootstrap,
            Purpose.RESET_PASSWORD: links.reset,
            Purpose.RESET_AUTHENTICATOR: links.reset,
        },
        setup_links={one.name: one.setup_link for one in settings.organisation if one.setup_link},
        patterns={role: getattr(people.user_id, role.value) for role in Role},
        request=people.request,
        longest_grant=people.longest_grant,
        remind_after=people.remind_after,
        remind_before=people.remind_before,
        web_idle=settings.portal.idle,
        web_lifetime=settings.portal.lifetime,
        portal=settings.portal.url,
        own_passwords=settings.passwords.backend == "local",
    )


def envelopes(settings: Settings) -> Envelopes:
    """Open every key that clients encrypt passwords for. Raises KeyUnusable."""
    with contextlib.ExitStack() as opened:
        keys = {}
        for key in settings.password_key:
            keys[key.name] = Envelope(open_key(key))
            opened.callback(keys[key.name].close)
        opened.pop_all()
        return Envelopes(keys)


def open_key(key: PasswordKey) -> PrivateKey:
    """Open one of them. Raises KeyUnusable."""
    scheme = RsaPadding(key.padding)
    if key.pem is not None:
        return PemKey.load(key.pem, scheme)
    if key.token is None:
        raise KeyUnusable(f"password_key {key.name}: needs either pem or token")
    from gateway.auth.token import TokenKey, TokenSpec  # noqa: PLC0415 - who has no token need not load its library

    token = key.token
    return TokenKey(TokenSpec(token.module, token.token, token.key, token.secret()), scheme)
