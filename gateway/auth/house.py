"""The house's rules for people, as values: how long links, requests and grants hold, what names look like."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.policy.links import Purpose
from gateway.policy.roles import Grant, Role

HOUR = 3600.0
DAY = 86400.0
ADDRESS = 100
END_OF_TIME = 253_402_300_800.0
"""Wall second at which years have five digits: nothing shows them."""


class BadName(ValueError):  # noqa: N818 - reads as what it says
    """The name is not one that this role may have (HK-1)."""


@dataclass(frozen=True, slots=True)
class House:
    """`validity`: seconds a link is good; `setup_links`: an organisation's own, by its name (CQ-5). `patterns`: what a
    whole name must match, by role (HK-1). `web_idle`, `web_lifetime`: the portal's sessions end so many seconds after their
    last request, and after their beginning. `portal`: URL of the portal, "" where there is none. Without `own_passwords`
    a directory keeps the passwords of those whose method is ours (M7-18).
    """

    validity: Mapping[Purpose, float] = field(
        default_factory=lambda: {
            Purpose.SETUP: 3 * DAY,
            Purpose.BOOTSTRAP: HOUR,
            Purpose.RESET_PASSWORD: HOUR,
            Purpose.RESET_AUTHENTICATOR: HOUR,
        }
    )
    setup_links: Mapping[str, float] = field(default_factory=dict)
    patterns: Mapping[Role, str] = field(default_factory=dict)
    request: float = DAY
    longest_grant: float = 366 * DAY
    remind_after: float = 90 * DAY
    remind_before: float = 14 * DAY
    web_idle: float = 900.0
    web_lifetime: float = 8 * HOUR
    portal: str = ""
    own_passwords: bool = True

    def link_validity(self, purpose: Purpose, organisation: str) -> float:
        """Return for how many seconds a link is good."""
        own = self.setup_links.get(organisation) if purpose is Purpose.SETUP else None
        return own or self.validity[purpose]

    @staticmethod
    def check_address(email: str) -> None:
        """Raise ValueError for what is no address: links go there, and what else stands in it must not become a header."""
        name, _, host = email.partition("@")
        if not (name and host) or " " in email or not email.isprintable() or len(email) > ADDRESS:
            raise ValueError(f"an e-mail address is needed: name@host, of at most {ADDRESS} characters")

    @staticmethod
    def check_dates(valid_from: float | None, valid_until: float | None) -> None:
        """Raise ValueError for dates (wall seconds) that nobody can mean (HK-7)."""
        if any(not 0 <= one < END_OF_TIME for one in (valid_from, valid_until) if one is not None):
            raise ValueError("a date lies between 1970 and 9999")
        if valid_from is not None and valid_until is not None and valid_until <= valid_from:
            raise ValueError(
                "the date it is disabled after (valid_until) is not after the one it is enabled from (valid_from)"
            )

    def check_name(self, name: str, role: Role) -> None:
        """Raise BadName where a name is no line of text, or does not fit its role."""
        if not name.isprintable():
            raise BadName("a name is one line of letters, digits and signs")
        pattern = self.patterns.get(role, "")
        if pattern and not re.fullmatch(pattern, name):
            raise BadName(f"{name!r} is no name for the role {role.value}: it must match {pattern}")

    def check_grant(self, grant: Grant, now: float) -> None:
        """Raise ValueError where a grant is over already, or lasts longer than one may (SF-13)."""
        if not now < grant.until <= now + self.longest_grant:
            raise ValueError(f"a grant ends in the future, {self.longest_grant / DAY:g} days from now at the latest")

    def url(self, token: str) -> str:
        """Return where a link leads."""
        return f"{self.portal.rstrip('/')}/link/{token}"
