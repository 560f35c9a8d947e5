from gateway.protocols.amqp.dialect import AmqpDialect
from gateway.protocols.amqp.venue import Venue as AmqpVenue
from gateway.protocols.fix.dialect import FixDialect
from gateway.protocols.fix.venue import Venue as FixVenue
from gateway.protocols.registry import PROTOCOLS
from gateway.settings.load import read_venue


def test_a_dialect_is_found_by_its_protocols_name():
    assert isinstance(PROTOCOLS["fix"].dialect(), FixDialect)
    assert isinstance(PROTOCOLS["amqp"].dialect(read_venue("m7", "amqp")), AmqpDialect)


def test_a_venue_is_read_as_its_protocol_says():
    assert [FixVenue, AmqpVenue] == [PROTOCOLS[name].venue for name in ("fix", "amqp")]
