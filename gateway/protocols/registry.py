"""The protocols this gateway speaks: name to what makes one connection's dialect. Adding one = a folder and a line here."""

from collections.abc import Callable, Mapping
from typing import Final

from gateway.core.dialect import Dialect
from gateway.protocols.fix.dialect import FixDialect

PROTOCOLS: Final[Mapping[str, Callable[..., Dialect]]] = {
    "fix": FixDialect,
}
