"""One connection to a directory: TLS before anything else, simple binds, one kind of search. ldap3 is imported nowhere else.

Its calls block. Whatever goes wrong is LineBroken, in words without the password: ldap3's own objects and texts show it.
"""

import contextlib
import math
import ssl
import warnings
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.core.secret import Secret

with warnings.catch_warnings():  # ldap3 2.9.1 asks pyasn1 for names that are to be renamed
    warnings.simplefilter("ignore", DeprecationWarning)
    import ldap3
    from ldap3.core.exceptions import LDAPExceptionError

CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Forward secrecy and AEAD only (SF-17); TLS 1.3 has no others."""
PORTS: Final = {"ldaps": 636, "ldap": 389}

_SUCCESS: Final = 0
_NOT_THEIRS: Final = frozenset((19, 32, 34, 48, 49, 53))
"""RFC 4511 §4.1.9, what a directory says of the *account*: invalidCredentials, and its ways to say that it is locked or has none
(constraintViolation, noSuchObject, invalidDNSyntax, inappropriateAuthentication, unwillingToPerform)."""


class LineBroken(Exception):  # noqa: N818 - what happened
    """The directory could not be asked, or its answer was none."""


class Line:
    """Invariants: nothing but StartTLS is ever sent in clear; no password stays in it after a call."""

    def __init__(self, url: str, ca: Path, timeout: float) -> None:
        """Connect to "ldaps://host:port", or with StartTLS to "ldap://host:port". Raises LineBroken."""
        parts = urlsplit(url)
        self.url = url
        self._host = parts.hostname or ""
        server = ldap3.Server(
            self._host,
            parts.port or PORTS[parts.scheme],
            use_ssl=parts.scheme == "ldaps",
            tls=_Tls(tls_context(ca), self._host),
            get_info=ldap3.NONE,
            connect_timeout=timeout,
        )
        self._connection = ldap3.Connection(
            server,
            auto_bind=ldap3.AUTO_BIND_NONE,
            auto_referrals=False,
            check_names=False,
            read_only=True,
            receive_timeout=math.ceil(timeout),
        )
        self._call(self._open, starts_tls=parts.scheme == "ldap")

    def bind(self, name: str, password: Secret) -> bool:
        """Say whether `password` is that of the entry `name`. Raises LineBroken, ValueError for an empty one."""
        if not name or not password:  # RFC 4513 §5.1.2: the directory would take it for an anonymous bind, and say yes
            raise ValueError("a bind has a name and a password")
        result = self._call(self._bind, name=name, password=password.reveal())
        if result in _NOT_THEIRS:
            return False
        if result != _SUCCESS:
            raise LineBroken(f"{self.url}: the bind was answered with result {result}")
        return True

    def find(self, base: str, where: str) -> list[str]:
        """Return the names of at most two entries below `base` that the filter `where` fits. Raises LineBroken."""
        return list(self._call(self._search, base=base, where=where))

    def close(self) -> None:
        """Close it."""
        sock = self._connection.socket
        with contextlib.suppress(Exception):
            self._connection.strategy.close()
        if sock is not None:  # ldap3 forgets one whose connect failed
            sock.close()

    def _call(self, what: Any, **arguments: Any) -> Any:
        try:
            return what(**arguments)
        except LineBroken:
            self.close()
            raise
        except (LDAPExceptionError, OSError, ValueError, TypeError, LookupError, AttributeError) as error:
            self.close()
            raise LineBroken(f"{self.url}: {_cause(error)}") from None
        finally:
            self._connection.password = self._connection.user = self._connection.request = None

    def _open(self, *, starts_tls: bool) -> None:
        self._connection.open(read_server_info=False)
        if starts_tls:
            self._connection.start_tls(read_server_info=False)
        self._in_clear_is_never()

    def _bind(self, name: str, password: bytes) -> int:
        self._in_clear_is_never()
        self._connection.rebind(name, password, authentication=ldap3.SIMPLE, read_server_info=False)
        return int(self._connection.result["result"])

    def _search(self, base: str, where: str) -> list[str]:
        self._in_clear_is_never()
        self._connection.search(base, where, attributes=[ldap3.NO_ATTRIBUTES], size_limit=2)
        result = int(self._connection.result["result"])
        if result not in {_SUCCESS, _TOO_MANY}:
            raise LineBroken(f"{self.url}: the search was answered with result {result}")
        return [str(one["dn"]) for one in self._connection.response if one["type"] == "searchResEntry"]

    def _in_clear_is_never(self) -> None:
        if not isinstance(self._connection.socket, ssl.SSLSocket):
            raise LineBroken(f"{self.url}: there is no TLS")


_TOO_MANY: Final = 4
"""sizeLimitExceeded: there are more than two."""


class _Tls(ldap3.Tls):  # type: ignore[misc]  # ldap3 has no types
    """ldap3's hook with a context of our own: chain and name are checked by OpenSSL, during the handshake."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._context, self._host = context, host

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - ldap3's
        """Put TLS on the connection's socket, with its handshake done."""
        connection.socket = self._context.wrap_socket(connection.socket, server_hostname=self._host)


def tls_context(ca: Path) -> ssl.SSLContext:
    """Return what a directory's certificate is checked with, read anew each time. Raises OSError."""
    context = ssl.create_default_context(cafile=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    return context


def _cause(error: BaseException) -> str:
    """Say what is wrong with a connection. Certificates and sockets are named; other texts may show the password."""
    text = str(error)
    for known in ("certificate verify failed", "timed out", "Connection refused", "Connection reset", "EOF occurred"):
        if known.lower() in text.lower():
            return known
    return type(error).__name__
