"""Who checks passwords, and what opens encrypted ones: does each directory answer, and does each key decrypt?"""

from collections.abc import Iterator
from dataclasses import replace

from gateway.auth.envelope import KeyUnusable
from gateway.cli.checkup.finding import Finding, State, failed, ok, warning
from gateway.credentials import directory_spec, open_key
from gateway.settings.credentials import LdapSettings, PasswordKey
from gateway.settings.model import Settings


def directories(settings: Settings) -> Iterator[Finding]:
    """Connect to each directory, with TLS, and log the service account in. One that is dead matters less beside a live one."""
    ldap = settings.passwords.ldap
    if settings.passwords.backend == "local" or ldap is None:
        return
    found = [_directory(ldap, url) for url in ldap.servers]
    alive = any(one.state is State.OK for one in found)
    for one in found:
        yield warning(one.subject, one.found, one.mend) if alive and one.state is State.FAILED else one


def _directory(ldap: LdapSettings, url: str) -> Finding:
    from gateway.auth.directory import DirectoryAway, probe  # noqa: PLC0415 - slow to import
    from gateway.auth.ldapline import LineBroken  # noqa: PLC0415

    try:
        probe(replace(directory_spec(ldap), servers=(url,)), url)
    except LineBroken as error:
        return failed("directory", str(error), "start the directory, or mend passwords.ldap: servers and ca")
    except DirectoryAway as error:
        return failed("directory", str(error), "mend passwords.ldap.search: bind_dn and password")
    except OSError as error:
        return failed("directory", f"{ldap.ca} cannot be used: {error.strerror or error}", "mend passwords.ldap.ca")
    account = f", and {ldap.search.bind_dn} may log in" if ldap.search else ""
    return ok("directory", f"{url} answers with TLS, its certificate holds{account}")


def keys(settings: Settings) -> Iterator[Finding]:
    """Open each key that clients encrypt passwords for; one in a token also proves that it decrypts."""
    yield from map(_key, settings.password_key)


def _key(key: PasswordKey) -> Finding:
    subject = f"password key {key.name}"
    try:
        opened = open_key(key)
    except KeyUnusable as error:
        return failed(subject, str(error), "mend the file that password_key.pem names, or password_key.token")
    opened.close()
    return ok(subject, f"RSA {8 * opened.size}, {key.padding}, in {'a file' if key.pem else 'a token'}")
