"""The protocols that the sidecar speaks. Adding one = a folder and a line here."""

from collections.abc import Callable

from gateway.attach.amqp.dialect import AmqpDialect
from gateway.attach.amqp.logins import Dresser as AmqpDresser
from gateway.attach.dialect import Dialect
from gateway.attach.fix.dialect import FixDialect
from gateway.attach.fix.logon import Dresser as FixDresser
from gateway.attach.key import TotpKey
from gateway.protocols.amqp.venue import Venue as AmqpVenue
from gateway.protocols.registry import Venue


def dialects(venue: Venue, key: TotpKey) -> Callable[[], Dialect]:
    """Return what makes one connection's dialect. Raises ValueError where the venue has no place for the key's codes."""
    if isinstance(venue, AmqpVenue):
        amqp = AmqpDresser(venue, key)
        return lambda: AmqpDialect(amqp)
    fix = FixDresser(venue, key)
    return lambda: FixDialect(fix)
