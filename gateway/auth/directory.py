"""Passwords checked by a directory (M7-18): a simple bind as the user, over TLS, off the event loop.

Fail closed: a directory that can't be asked raises DirectoryAway, and the login is UNAVAILABLE; nobody is charged for it.
What a wrong password costs is decided where it always is (gateway.policy).
"""

import re
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.auth.bounded import Bounded
from gateway.auth.ldapline import Line, LineBroken, tls_context
from gateway.auth.passwords import LONGEST
from gateway.core.fault import Told
from gateway.core.secret import Secret
from gateway.policy.snapshot import User

PLACE: Final = "{user}"
"""Where the user's name stands in a template."""
IDLE: Final = 30.0
"""Seconds for which a connection is kept unused: directories and firewalls drop older ones without a word."""
_LEAST: Final = 0.1
_PLAIN = re.compile(rb"[A-Za-z0-9._@-]")


class DirectoryAway(Told):
    """No directory could be asked; the text says why, for operators."""


class DirectoryUnusable(ValueError):  # noqa: N818 - reads as the fact it is
    """The directory's settings can't work; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Search:
    """How to find a user's entry: by `where`, a filter with {user}, below `base`, as the service account `name`."""

    base: str
    where: str
    name: str
    password: Secret


@dataclass(frozen=True, slots=True)
class DirectorySpec:
    """`servers` are URLs, tried in this order. `user` is where users' entries are: a name with {user} in it, or a Search.

    `timeout`: seconds for one password, all servers included. `connections`: how many are asked at one time.
    """

    servers: tuple[str, ...]
    ca: Path
    user: str | Search
    timeout: float = 3.0
    connections: int = 4


@dataclass(slots=True)
class _Spare:
    line: Line
    since: float = field(default_factory=time.monotonic)


class Directory:
    """Invariants: at most `connections` binds run and 256 wait; a line carries one password at a time, and no other bind."""

    def __init__(self, spec: DirectorySpec) -> None:
        """Prepare; connects nowhere yet. Raises DirectoryUnusable."""
        try:
            tls_context(spec.ca)
        except OSError as error:
            raise DirectoryUnusable(
                f"passwords.ldap.ca: can't read {spec.ca}: {error.strerror or 'no certificates in it'}"
            ) from None
        self._spec = spec
        self._pool = Bounded("directory", spec.connections)
        self._spares: deque[_Spare] = deque()

    async def check(self, user: User, password: Secret) -> bool:
        """Say whether the directory takes this password of the user's. Raises DirectoryAway, Busy."""
        typed = password.reveal()
        # Empty or beginning with NUL it would be an anonymous bind to some directories, and those succeed.
        if not typed or len(typed) > LONGEST or b"\0" in typed:
            return False
        try:
            return await self._pool.run(lambda: self._check(user.name, password), self._spec.timeout)
        except TimeoutError:
            raise DirectoryAway("no directory answered in time") from None

    def close(self) -> None:
        """Close all connections, those that are being asked too: each ends within its `timeout`."""
        self._pool.close()
        while self._spares:
            self._spares.pop().line.close()

    # ── in a thread ──

    def _check(self, name: str, password: Secret) -> bool:
        line = self._spare()
        if line is not None:
            try:
                return self._ask(line, name, password)
            except LineBroken:
                pass  # it was dropped while nobody used it, more often than not
        return self._ask_anew(name, password)

    def _ask_anew(self, name: str, password: Secret) -> bool:
        faults, deadline = [], time.monotonic() + self._spec.timeout
        for behind, url in zip(range(len(self._spec.servers), 0, -1), self._spec.servers, strict=True):
            share = max(deadline - time.monotonic(), _LEAST) / behind  # one that hangs must not take the others' time
            try:
                return self._ask(Line(url, self._spec.ca, share), name, password)
            except LineBroken as error:
                faults.append(str(error))
        raise DirectoryAway("; ".join(faults))

    def _ask(self, line: Line, name: str, password: Secret) -> bool:
        entry = self._entry(line, name)
        right = bool(entry) and line.bind(entry, password)
        self._spares.append(_Spare(line))
        return right

    def _entry(self, line: Line, name: str) -> str:
        """Return the name of the user's entry, "" where there is none. Raises LineBroken, DirectoryAway."""
        where = self._spec.user
        if isinstance(where, str):
            return where.replace(PLACE, escaped(name))
        log_in(line, where)
        found = line.find(where.base, where.where.replace(PLACE, escaped(name)))
        if len(found) > 1:
            line.close()
            raise DirectoryAway(f"{line.url}: passwords.ldap.search finds more than one entry of a user")
        return found[0] if found else ""

    def _spare(self) -> Line | None:
        while True:
            try:
                spare = self._spares.pop()
            except IndexError:
                return None
            if time.monotonic() - spare.since < IDLE:
                return spare.line
            spare.line.close()


def log_in(line: Line, account: Search) -> None:
    """Bind as the service account. Raises LineBroken; DirectoryAway where the directory does not take it."""
    if not line.bind(account.name, account.password):
        line.close()
        raise DirectoryAway(f"{line.url}: the account passwords.ldap.search.bind_dn is refused")


def escaped(name: str) -> str:
    """Return a user's name so that it is a value and nothing else, in a DN (RFC 4514 §2.4) and in a filter (RFC 4515 §3)."""
    return "".join(
        chr(byte) if _PLAIN.match(bytes((byte,))) else f"\\{byte:02x}" for byte in name.encode(errors="surrogateescape")
    )


def probe(spec: DirectorySpec, url: str) -> None:
    """Connect to one server, and log the service account in where there is one. Raises LineBroken, DirectoryAway, OSError."""
    line = Line(url, spec.ca, spec.timeout)
    try:
        if isinstance(spec.user, Search):
            log_in(line, spec.user)
    finally:
        line.close()
