"""A real directory for the tests: Debian's slapd, private, on loopback ports, with a certificate of its own authority.

It takes no password without TLS, and lets anybody in anonymously, also by a name without a password: what a careless
gateway would take for a yes. It must not import the gateway.
"""

import base64
import socket
import subprocess
import time
from pathlib import Path

from tests.blackbox.net_certificates import Authority
from tests.blackbox.packages import provide
from tests.blackbox.ports import free_port

BASE = "dc=example,dc=com"
PEOPLE = f"ou=people,{BASE}"
SERVICE, SERVICE_PASSWORD = f"cn=gateway,{BASE}", "service-Horse-5-battery"
IN_DIRECTORY = "directory-Horse-8-staple"
"""Everybody's password there; the gateway's own store holds another one."""
PATIENCE = 30.0  # seconds; a bound for a slow machine, never a measure
_CONFIG = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/slapd.pid
allow bind_anon_cred bind_anon_dn
{tls}
database mdb
suffix "{base}"
directory {folder}/data
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{service}" read by * none
"""
_TLS = """\
TLSCACertificateFile {ca}
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
security simple_bind=112
"""


class Slapd:
    """One directory. Invariant: nothing of it runs after `stop`."""

    def __init__(self, folder: Path, names: tuple[str, ...], *, tls: bool = True) -> None:
        self._program = provide("slapd", "slapd", answers="slapd slapd/no_configuration boolean true\n")
        self.folder = folder
        self.ldaps, self.ldap = free_port(), free_port()
        (folder / "data").mkdir(parents=True)
        authority = Authority(folder)
        self.ca, pair = authority.ca, authority.issue("directory")
        files = _TLS.format(ca=self.ca, certificate=pair.certificate, key=pair.key)
        text = _CONFIG.format(folder=folder, base=BASE, service=SERVICE, tls=files if tls else "")
        (folder / "slapd.conf").write_text(text)
        self._add(names)
        self._urls = f"ldap://127.0.0.1:{self.ldap}/" + (
            f" ldaps://127.0.0.1:{self.ldaps}/ ldaps://127.0.0.2:{self.ldaps}/" if tls else ""
        )
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, scheme: str = "ldaps") -> str:
        """Return where it is."""
        return f"{scheme}://127.0.0.1:{self.ldaps if scheme == 'ldaps' else self.ldap}"

    def start(self) -> None:
        """Start, and wait until it answers."""
        command = [self._program, "-f", str(self.folder / "slapd.conf"), "-h", self._urls, "-d", "stats"]
        with (self.folder / "log").open("a") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.02)

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(PATIENCE)
            self._process = None

    def log(self) -> str:
        """Return what it did: one line for each connection, bind and search."""
        return (self.folder / "log").read_text()

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.ldap), 1):
                return True
        except OSError:
            return False

    def _add(self, names: tuple[str, ...]) -> None:
        entries = [f"dn: {BASE}\nobjectClass: domain\ndc: example\n"]
        entries.append(f"dn: {PEOPLE}\nobjectClass: organizationalUnit\nou: people\n")
        entries.append(
            f"dn: {SERVICE}\nobjectClass: applicationProcess\nobjectClass: simpleSecurityObject\n"
            f"cn: gateway\nuserPassword: {SERVICE_PASSWORD}\n"
        )
        entries += [_person(name) for name in names]
        command = [*self._program.split(), "-T", "add", "-f", str(self.folder / "slapd.conf")]
        done = subprocess.run(command, input="\n".join(entries), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def _person(name: str) -> str:
    value = base64.b64encode(name.encode()).decode()
    entry = base64.b64encode(f"uid={_in_dn(name)},{PEOPLE}".encode()).decode()
    return (
        f"dn:: {entry}\nobjectClass: inetOrgPerson\nuid:: {value}\ncn:: {value}\nsn: x\nuserPassword: {IN_DIRECTORY}\n"
    )


def _in_dn(name: str) -> str:
    """Escape as RFC 4514 §2.4 asks for, no more."""
    text = "".join(f"\\{char}" if char in ',+"\\<>;=' else char for char in name)
    return f"\\{text}" if text[:1] in {"#", " "} else text


def passwords(*servers: str, ca: Path, search: bool = False, more: str = "") -> str:
    """Return the gateway's configuration for it."""
    way = f'user_dn = "uid={{user}},{PEOPLE}"'
    if search:
        way = f'search = {{base = "{BASE}", bind_dn = "{SERVICE}", password = "{SERVICE_PASSWORD}"}}'
    named = ", ".join(f'"{server}"' for server in servers)
    return f'[passwords]\nbackend = "ldap"\n[passwords.ldap]\nservers = [{named}]\nca = "{ca}"\n{way}\n{more}\n'
