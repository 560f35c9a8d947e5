"""What connections share: the process's services, and a listener's way of starting a session."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.core.authority import Authority
from gateway.core.login import Moment
from gateway.core.route import Route
from gateway.core.session import Limits
from gateway.net.errands import Errands
from gateway.net.spec import Courier, DialectFactory, Patience
from gateway.net.upstream import Upstream
from gateway.observe.journal import Journal

if TYPE_CHECKING:
    from gateway.net.connection import Connection


@dataclass(frozen=True, slots=True)
class Services:
    """What every connection of a process shares."""

    authority: Authority
    upstreams: dict[str, Upstream]
    courier: Courier
    journal: Journal
    errands: Errands
    patience: Patience
    clock: Callable[[], Moment]
    live: "dict[str, Connection]"
    """Admitted sessions by id: where kicks and locks find their connection."""
    table: "set[Connection]"
    """Every connection from its first leg to the end of its last."""


@dataclass(frozen=True, slots=True)
class Lane:
    """What every connection of a listener shares."""

    dialect: DialectFactory
    routes: tuple[Route, ...]
    limits: Limits
    services: Services
