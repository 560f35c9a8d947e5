"""Settings into what checks passwords and opens encrypted ones; and what a directory changes in the policy.

Opens files and tokens, connects nowhere. The sockets never see any of it (SF-12).
"""

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.auth.envelope import Envelope, Envelopes, KeyUnusable, PemKey, PrivateKey, RsaPadding
from gateway.auth.passwords import PasswordCheck, Passwords
from gateway.policy.rules import Policy
from gateway.settings.credentials import LdapSettings, PasswordKey
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


def effective(policy: Policy, settings: Settings) -> Policy:
    """Return the policy that users are judged by: a directory itself keeps the age of its passwords, we know none."""
    if settings.passwords.backend == "local":
        return policy
    return replace(policy, password=replace(policy.password, max_age=0.0))


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
