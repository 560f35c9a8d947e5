"""The protocols this gateway speaks. Adding one = a folder and a line here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.core.dialect import Dialect
from gateway.protocols.amqp.dialect import AmqpDialect
from gateway.protocols.amqp.venue import Venue as AmqpVenue
from gateway.protocols.fix.dialect import FixDialect
from gateway.protocols.fix.venue import Venue as FixVenue

Venue = FixVenue | AmqpVenue


@dataclass(frozen=True, slots=True)
class Protocol:
    """`venue`: what its files in config/venues are read as. `dialect`: what makes one connection's."""

    venue: type[Venue]
    dialect: Callable[..., Dialect]


PROTOCOLS: Final[Mapping[str, Protocol]] = {
    "fix": Protocol(FixVenue, FixDialect),
    "amqp": Protocol(AmqpVenue, AmqpDialect),
}
