"""Facts without a store: what a report is made from, as values that a test bends."""

from collections.abc import Callable
from dataclasses import fields, replace

import pytest

from gateway.compliance.facts import Facts
from gateway.compliance.lifetimes import assess
from gateway.compliance.survey import Server, Survey
from gateway.policy.organisations import Policies
from gateway.policy.rules import Policy
from gateway.settings.connections import Listener, RouteSettings
from gateway.settings.model import Settings
from gateway.store.audit import Verification

NOW = 1_800_000_000.0  # 2027-01-15


def survey(**counts: object) -> Survey:
    nothing = {field.name: 0 for field in fields(Survey)}
    return Survey(**{**nothing, "audit_head": "ab", "server": Server(), **counts})


def settings(**values: object) -> Settings:
    listener = Listener(name="fix", plain=True)
    route = RouteSettings(name="engine", plain=True, upstream=("127.0.0.1:9880",))
    return Settings(**{"listener": (listener,), "route": (route,), **values})


@pytest.fixture
def facts() -> Callable[..., Facts]:
    made = Facts(
        settings(),
        Policies(Policy()),
        survey(),
        Verification(4),
        assess({"python": "3.14.2", "openssl": "3.5.1"}),
        NOW,
    )
    return lambda **changes: replace(made, **changes)
