from gateway.protocols.fix.dialect import FixDialect
from gateway.protocols.registry import PROTOCOLS


def test_a_dialect_is_found_by_its_protocols_name():
    assert isinstance(PROTOCOLS["fix"](), FixDialect)
