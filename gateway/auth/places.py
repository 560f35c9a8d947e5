"""The country of an address, from a table that is shipped with a library: no look-up leaves the house.

A country is a hint for detection, never a proof: it never fails a login.
"""

from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from pathlib import Path

from geoip2fast import geoip2fast  # type: ignore[import-untyped]  # it ships no types

TABLE = Path(geoip2fast.__file__).with_name("geoip2fast-ipv6.dat.gz")
"""IPv4 and IPv6; the library's own default knows IPv4 alone."""
_LETTERS = 2


class TableUnusable(ValueError):  # noqa: N818 - a state, not a mistake
    """The table of countries can't be read: the travel rule would notice nothing."""


class Places:
    """A `Where` over the table, some 50 MB in memory. Invariant: `country` never raises; what fails is said once."""

    def __init__(self, failed: Callable[[str, BaseException], None], table: Path = TABLE) -> None:
        """Load the table; `failed` is told of the first look-up that goes wrong. Raises TableUnusable."""
        try:
            self._table = geoip2fast.GeoIP2Fast(geoip2fast_data_file=str(table))
        except geoip2fast.GeoIPError:
            raise TableUnusable(f"{table}: is no table of countries, which detection.travel needs") from None
        self._failed = failed
        self._silent = False

    def __call__(self, address: str) -> str:
        """Return the country of an address; "" for a private one, a loopback, and one that is none."""
        try:
            found = str(self._table.lookup(_plain(address)).country_code)
        except Exception as error:  # noqa: BLE001 - whatever a table holds, a login goes on
            if not self._silent:
                self._silent = True
                self._failed("country", error)
            return ""
        return found if len(found) == _LETTERS and found.isalpha() else ""


def _plain(address: str) -> str:
    with suppress(ValueError):
        parsed = ip_address(address)
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
    return address
