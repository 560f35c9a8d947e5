"""Which upstream a login goes to: a pure look-up, before anything is judged."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from gateway.core.login import Login


@dataclass(frozen=True, slots=True)
class Route:
    """One way to one engine. `addresses` are "host:port", tried in order; the patterns are shell-style, "*" matches all.

    `idle` and `lifetime` of a session are the policy's, not the route's.
    """

    name: str
    addresses: tuple[str, ...]
    target: str = "*"
    version: str = "*"
    user: str = "*"

    def takes(self, login: Login) -> bool:
        """Say whether this route's patterns fit the login's TargetCompID (vhost), BeginString and user."""
        return (
            fnmatchcase(login.target, self.target)
            and fnmatchcase(login.version, self.version)
            and fnmatchcase(login.user, self.user)
        )


def find_route(routes: Sequence[Route], login: Login) -> Route | None:
    """Return the first route that takes the login, or None."""
    return next((route for route in routes if route.takes(login)), None)
