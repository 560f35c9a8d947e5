"""People: how long links, requests and grants hold, and what a user's name must look like."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from gateway.settings.policy import FirmPolicyOverrides
from gateway.settings.types import File, Form, Seconds, Section


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from None
    return text


Pattern = Annotated[str, AfterValidator(_pattern), Form("regular expression"), Field(max_length=200)]


class LinkSettings(Section):
    """How long a one-time link is good. It works once, and never in place of a factor that is there."""

    setup: Annotated[Seconds, Field(le=2592000)] = 259200.0
    """To set password and authenticator for the first time (CQ-5); an organisation may have its own."""
    reset: Annotated[Seconds, Field(le=3600)] = 3600.0
    """To reset a forgotten password or a lost authenticator (M7-7: one hour)."""
    bootstrap: Annotated[Seconds, Field(le=86400)] = 3600.0
    """What `gateway admin bootstrap` prints."""


class UserIdSettings(Section):
    """What a name must look like, by role (HK-1); empty: any. Names that exist are kept."""

    user: Pattern = ""
    """Of a user, such as "[A-Z][0-9]{5}[A-Z0-9]{2}"."""
    delegated_admin: Pattern = ""
    """Of an administrator of one organisation, such as "[A-Z][0-9]{5}[XYZ][0-9]"."""
    exchange_admin: Pattern = ""
    """Of an administrator of the exchange."""
    auditor: Pattern = ""
    """Of an auditor."""


class PeopleSettings(Section):
    """Enrolment, self-service and delegated administration."""

    request: Annotated[Seconds, Field(le=2592000)] = 86400.0
    """How long a second administrator has to decide (HK-6)."""
    longest_grant: Annotated[Seconds, Field(le=63072000)] = 31622400.0
    """An administrator's role ends after this at the latest (SF-13)."""
    remind_after: Seconds = 7776000.0
    """A password this old is reminded of, even where it does not expire (SF-7)."""
    remind_before: Seconds = 1209600.0
    """And one that expires within this."""
    blocked_passwords: File | None = None
    """Words that no password may be or contain, one a line, beside those that are shipped (TW-6)."""
    links: LinkSettings = LinkSettings()
    """How long a one-time link is good."""
    user_id: UserIdSettings = UserIdSettings()
    """What a name must look like."""


class OrganisationSettings(Section):
    """What is different for one firm (CQ-8)."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    """As it stands with its users."""
    setup_link: Annotated[Seconds, Field(le=2592000)] | None = None
    """How long its setup links are good (CQ-5); default: people.links.setup."""
    policy: FirmPolicyOverrides = FirmPolicyOverrides()
    """What its users are judged by, over [policy] and within the profile's floors."""
