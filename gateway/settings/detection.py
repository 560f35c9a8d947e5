"""What a login is held against besides its own account: overrides of the profile's rules, and where people share addresses.

The same shape as `DetectionRules` in `gateway.policy.rules`; which value holds is decided in `gateway.policy.profile`.
"""

from ipaddress import ip_network
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from gateway.policy.rules import Action
from gateway.settings.types import Form, Seconds, Section

_WIDEST = {4: 8, 6: 16}
"""Shortest prefix that may be somebody's own network."""


def _shared(text: str) -> str:
    try:
        network = ip_network(text)
    except ValueError:
        raise ValueError("is no network; write it as 192.0.2.0/24") from None
    if network.prefixlen < _WIDEST[network.version]:
        raise ValueError(f"is wider than /{_WIDEST[network.version]}: that is no office")
    return str(network)


SharedNetwork = Annotated[str, AfterValidator(_shared), Form("network such as 192.0.2.0/24")]
Window = Annotated[Seconds, Field(le=86400)]


class CrowdOverrides(Section):
    """Many accounts from one address (SF-18)."""

    action: Action | None = None
    """off, alarm, or block: nobody logs in from that address any more until the window is over."""
    accounts: Annotated[int, Field(ge=2, le=10_000)] | None = None
    """So many different names from one address, known or not, are a crowd."""
    window: Window | None = None
    """Within this time."""


class TravelOverrides(Section):
    """One account from two countries in a short time (SF-19)."""

    action: Action | None = None
    """off, alarm, or block: only the country that was first logs in until the window is over."""
    window: Window | None = None
    """Good logins of one user from two countries within this time."""


class SprayOverrides(Section):
    """Wrong secrets for many accounts, from whatever addresses (SF-20, SF-8)."""

    action: Action | None = None
    """off, alarm, or block: addresses that took part log nobody in until the window is over."""
    accounts: Annotated[int, Field(ge=2, le=10_000)] | None = None
    """Wrong secrets for so many different names are a spray."""
    window: Window | None = None
    """Within this time."""


class ReplayOverrides(Section):
    """A burnt code used again (BY-8). It is refused in any case."""

    action: Action | None = None
    """off, alarm, or block: the address it came from does not log that user in until the window is over."""
    window: Window | None = None
    """Replays of one user's codes within this time are one alert."""


class DetectionOverrides(Section):
    """Every option here is the profile's unless set; a value weaker than the profile's floor is refused at start."""

    exempt: Annotated[tuple[SharedNetwork, ...], Field(max_length=1000)] | None = None
    """Networks where many people share an address, such as offices behind one NAT: never a crowd, never shut by a spray."""
    crowd: CrowdOverrides = CrowdOverrides()
    """Many accounts from one address."""
    travel: TravelOverrides = TravelOverrides()
    """One account from two countries."""
    spray: SprayOverrides = SprayOverrides()
    """Wrong secrets for many accounts."""
    replay: ReplayOverrides = ReplayOverrides()
    """A burnt code used again."""

    def as_overrides(self) -> dict[str, Any]:
        """Return only what was set, nested as in the file: the shape `gateway.policy.profile.resolve` takes."""
        return {"detection": self.model_dump(exclude_none=True, exclude_defaults=True)}
